#include "orchestrator/participants/call_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace unwind {
namespace {

constexpr double kTokensMax = 100;
constexpr double kTokensPerSecond = 100;
constexpr double kEarnedByFirst = 0.1;
constexpr double kEarnedByNeedy = 2;
constexpr std::size_t kFailuresMax = 20;  // in a row, and then every call needs a token

std::size_t KeptFromActions(std::size_t out_max) { return out_max == 1 ? 0 : std::max<std::size_t>(1, out_max / 8); }

}  // namespace

CallQueue::CallQueue(std::size_t out_max)
    : out_max_(out_max), actions_max_(out_max - KeptFromActions(out_max)), tokens_(kTokensMax) {}

CallQueue::Lane CallQueue::LaneOf(const Call& call) {
  const bool repeats = call.attempt > 1;
  if (call.phase == Phase::kAction) return call.alone ? kActionAlone : repeats ? kActionAgain : kAction;
  return call.alone ? kBackAlone : repeats ? kBackAgain : kBack;
}

std::optional<Waiting> CallQueue::Push(Waiting waiting) {
  const Lane lane = LaneOf(waiting.call);
  std::string step = StepOf(waiting.call);
  std::optional<Waiting> overtaken;
  if (const auto older = places_.find(step); older != places_.end()) {
    overtaken = std::move(*older->second.it);
    lanes_[older->second.lane].erase(older->second.it);
  }
  lanes_[lane].push_back(std::move(waiting));
  places_.insert_or_assign(std::move(step), Place{lane, std::prev(lanes_[lane].end())});
  return overtaken;
}

bool CallQueue::is_held_back() const { return failures_ >= kFailuresMax; }

bool CallQueue::NeedsToken(Lane lane) const { return (lane != kBack && lane != kAction) || is_held_back(); }

bool CallQueue::HasRoom(Lane lane) const {
  if (IsAction(lane) && actions_out_ >= actions_max_) return false;
  if (IsAlone(lane) && alone_out_ >= kAloneMax) return false;
  return out_ < out_max_;
}

// Of the lanes from which a call could go if there were a token, the one that had none for longest; kLanes: none.
CallQueue::Lane CallQueue::NextForToken() const {
  Lane next = kLanes;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Lane lane = static_cast<Lane>(i);
    if (lanes_[lane].empty() || !HasRoom(lane) || !NeedsToken(lane)) continue;
    if (next == kLanes || turns_[lane] < turns_[next]) next = lane;
  }
  return next;
}

std::optional<CallQueue::Next> CallQueue::Pop(absl::Time now) {
  if (now > filled_at_) {
    if (filled_at_ != absl::InfinitePast()) {
      tokens_ = std::min(kTokensMax, tokens_ + absl::ToDoubleSeconds(now - filled_at_) * kTokensPerSecond);
    }
    filled_at_ = now;
  }
  const Lane next_for_token = tokens_ < 1 ? kLanes : NextForToken();
  for (std::size_t i = 0; i < kLanes; ++i) {
    const Lane lane = static_cast<Lane>(i);
    if (lanes_[lane].empty() || !HasRoom(lane) || (NeedsToken(lane) && lane != next_for_token)) continue;
    const Ticket ticket{.is_action = IsAction(lane), .alone = IsAlone(lane), .needed_token = NeedsToken(lane)};
    Next next{std::move(lanes_[lane].front()), ticket};
    places_.erase(StepOf(next.waiting.call));
    lanes_[lane].pop_front();
    ++out_;
    if (next.ticket.is_action) ++actions_out_;
    if (next.ticket.alone) ++alone_out_;
    if (next.ticket.needed_token) {
      tokens_ -= 1;
      turns_[lane] = ++turn_;
    }
    return next;
  }
  return std::nullopt;
}

void CallQueue::OnDone(const Ticket& ticket, End end) {
  --out_;
  if (ticket.is_action) --actions_out_;
  if (ticket.alone) --alone_out_;
  if (end == End::kFailed) ++failures_;
  if (end != End::kAnswered) return;
  failures_ = 0;
  tokens_ = std::min(kTokensMax, tokens_ + (ticket.needed_token ? kEarnedByNeedy : kEarnedByFirst));
}

absl::Time CallQueue::AskAgainAt() const {
  if (NextForToken() == kLanes) return absl::InfiniteFuture();
  return filled_at_ + absl::Seconds(std::max(0.0, 1 - tokens_) / kTokensPerSecond) + absl::Milliseconds(1);
}

std::vector<Waiting> CallQueue::TakeAll() {
  std::vector<Waiting> all;
  for (std::list<Waiting>& lane : lanes_) {
    std::move(lane.begin(), lane.end(), std::back_inserter(all));
    lane.clear();
  }
  places_.clear();
  return all;
}

}  // namespace unwind
