#include "tests/model/search.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "tests/model/laws.h"

namespace unwind::model {
namespace {

using Id = std::uint32_t;
constexpr Id kNoParent = ~Id{0};
constexpr Id kTrouble = Id{1} << 31;  // marks an edge

template <class Value>
struct HashBytes {
  std::size_t operator()(const Value& value) const {
    return absl::HashOf(absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
  }
};

class Searcher {
 public:
  Searcher(const Model& model, std::size_t worlds_max)
      : model_(model), worlds_max_(worlds_max), ids_(16, Hash{&worlds_}, Equal{&worlds_}) {}

  Found Run() {
    const auto begun = std::chrono::steady_clock::now();
    Begin(model_,
          [this](const World& world, const Move& move, const char* broken) { Take(kNoParent, world, move, broken); });
    for (Id id = 0; id < worlds_.size() && found_.broken.empty() && worlds_.size() <= worlds_max_; ++id) {
      edges_from_.push_back(edges_.size());
      const World world = worlds_[id];  // the vector grows meanwhile
      Expand(model_, world,
             [this, id](const World& next, const Move& move, const char* broken) { Take(id, next, move, broken); });
    }
    found_.worlds = worlds_.size();
    found_.moves = edges_.size();
    found_.rows = rows_.size();
    found_.closed = found_.broken.empty() && worlds_.size() <= worlds_max_;
    if (found_.closed) FindStuck();
    found_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return found_;
  }

 private:
  struct Hash {
    const std::vector<World>* worlds;
    std::size_t operator()(Id id) const { return HashBytes<World>()((*worlds)[id]); }
  };
  struct Equal {
    const std::vector<World>* worlds;
    bool operator()(Id a, Id b) const { return (*worlds)[a] == (*worlds)[b]; }
  };

  void Take(Id from, const World& world, const Move& move, const char* broken) {
    if (!found_.broken.empty()) return;
    const Id fresh = static_cast<Id>(worlds_.size());
    worlds_.push_back(world);
    const auto [it, inserted] = ids_.insert(fresh);
    if (inserted) {
      parents_.push_back(from);
      Count(world);
      if (broken == nullptr) broken = Broken(model_, world);
      if (broken == nullptr && rows_.insert(world.row).second) found_.broken = BrokenLaw(model_, world.row);
    } else {
      worlds_.pop_back();
    }
    if (from != kNoParent) edges_.push_back(*it | (move.trouble ? kTrouble : 0));
    Count(move);
    if (broken != nullptr) found_.broken = broken;
    if (found_.broken.empty()) return;
    found_.trace = Trace(from);
    found_.trace.push_back({move, world});
  }

  void Count(const World& world) {
    switch (static_cast<SagaState>(world.row.state)) {
      case SagaState::kCompleted:
        ++found_.seen["completed"];
        break;
      case SagaState::kAborted:
        ++found_.seen["aborted"];
        break;
      case SagaState::kParked:
        ++found_.seen["parked"];
        break;
      case SagaState::kRunning:
      case SagaState::kCompensating:
        break;
    }
  }

  void Count(const Move& move) {
    if (move.what == What::kExecute && move.said == kSaidFenced) ++found_.seen["fenced"];
    if (move.what == What::kExecute && move.said == kSaidPending) ++found_.seen["pending"];
    if (move.what == What::kExecute && move.said == kSaidNever && move.decides) ++found_.seen["decided"];
    if (move.what == What::kExecute && move.said == kSaidNever) ++found_.seen["resolved never"];
    if (move.what == What::kExecute && move.said == kSaidOk && move.phase == Phase::kResolve)
      ++found_.seen["resolved happened"];
    if (move.what == What::kExecute && move.said == kSaidOk && move.phase == Phase::kCompensation)
      ++found_.seen["compensated"];
    if (move.what == What::kExecute && move.said == kSaidForgotten) ++found_.seen["forgotten"];
    if (move.what == What::kUndoByHand) ++found_.seen["undone by hand"];
    if (move.what == What::kClaim) ++found_.seen["taken over"];
    if (move.what == What::kFindBorn) ++found_.seen["born and found"];
  }

  // The way from the beginning to `id`, its moves found again by going it once more.
  std::vector<Leg> Trace(Id id) const {
    std::vector<Id> way;
    for (; id != kNoParent; id = parents_[id]) way.push_back(id);
    std::vector<Leg> legs;
    for (auto it = way.rbegin(); it != way.rend(); ++it) {
      bool known = false;
      const auto take = [&](const World& next, const Move& move, const char*) {
        if (known || next != worlds_[*it]) return;
        known = true;
        legs.push_back({move, next});
      };
      it == way.rbegin() ? Begin(model_, take) : Expand(model_, worlds_[*std::prev(it)], take);
    }
    return legs;
  }

  // From every world an end must be reachable by what happens of itself: goes back from the ends.
  void FindStuck() {
    edges_from_.push_back(edges_.size());
    std::vector<std::uint32_t> first(worlds_.size() + 1);
    for (const Id to : edges_) {
      if ((to & kTrouble) == 0) ++first[to + 1];
    }
    for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
    std::vector<Id> sources(edges_.size());
    std::vector<std::uint32_t> filled(first.begin(), first.end() - 1);
    for (Id from = 0; from < worlds_.size(); ++from) {
      for (std::size_t e = edges_from_[from]; e < edges_from_[from + 1]; ++e) {
        if ((edges_[e] & kTrouble) == 0) sources[filled[edges_[e]]++] = from;
      }
    }
    std::vector<bool> ends(worlds_.size());
    std::vector<Id> open;
    for (Id id = 0; id < worlds_.size(); ++id) {
      if (IsOver(worlds_[id])) open.push_back(id);
    }
    for (const Id id : open) ends[id] = true;
    while (!open.empty()) {
      const Id id = open.back();
      open.pop_back();
      for (std::uint32_t e = first[id]; e < first[id + 1]; ++e) {
        if (ends[sources[e]]) continue;
        ends[sources[e]] = true;
        open.push_back(sources[e]);
      }
    }
    const auto stuck = std::find(ends.begin(), ends.end(), false);
    found_.stuck = static_cast<std::size_t>(std::count(ends.begin(), ends.end(), false));
    if (stuck == ends.end()) return;
    found_.broken = "a saga is stuck: it needs another fault, cancel or deadline in order to end";
    found_.trace = Trace(static_cast<Id>(stuck - ends.begin()));
  }

  const Model& model_;
  const std::size_t worlds_max_;
  std::vector<World> worlds_;
  std::unordered_set<Id, Hash, Equal> ids_;
  std::unordered_set<PackedSaga, HashBytes<PackedSaga>> rows_;
  std::vector<Id> parents_;
  std::vector<Id> edges_;                // where each move leads, in the order of the worlds they start from
  std::vector<std::size_t> edges_from_;  // a world's first
  Found found_;
};

}  // namespace

Found Search(const Model& model, std::size_t worlds_max) { return Searcher(model, worlds_max).Run(); }

}  // namespace unwind::model
