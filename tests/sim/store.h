// The orchestrators' store: the production memory store behind a connection that fails, and beside it an observer who
// holds every write to the rules of a row: versions without a gap, one writer at a time, nothing out of a terminal
// state.
#ifndef UNWIND_TESTS_SIM_STORE_H_
#define UNWIND_TESTS_SIM_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "orchestrator/engine/saga_store.h"
#include "tests/sim/bug.h"
#include "tests/sim/faults.h"
#include "tests/support/memory_saga_store.h"

namespace unwind::sim {

// The process whose turn asks the store.
struct StoreCaller {
  std::function<void()> crash;                  // kills it, and what it does afterwards is without effect
  std::function<void(absl::Time until)> block;  // returns then; the turn stands still, and all else goes on
};

class Store final : public SagaStore {
 public:
  Store(World& world, Faults& faults, Bug bug)
      : world_(world),
        faults_(faults),
        bug_(bug),
        inner_(std::make_shared<MachineClock>(world)),
        away_until_(world.now()),
        refuses_until_(world.now()) {
    if (world.dice().Chance(0.3)) inner_.set_page_bytes_max(static_cast<std::size_t>(world.dice().Between(1, 20'000)));
  }

  // Null: no turn is under way. The one before; turns may be nested, since one that is blocked does not stop the
  // others.
  const StoreCaller* set_caller(const StoreCaller* caller) { return std::exchange(caller_, caller); }
  // Nothing is answered until then.
  void GoAway(absl::Time until) { away_until_ = until; }
  // Every write is an error until then, which is none of what was to be written.
  void RefuseWrites(absl::Time until) { refuses_until_ = until; }
  // Whether every write of the saga is an error, until a person has mended the cause.
  bool IsRefused(const std::string& saga_id) const { return refused_.count(saga_id) > 0; }
  const std::set<std::string>& refused() const { return refused_; }
  void MendRows() { refused_.clear(); }

  // Whether a stored decision says that this call must be sent.
  bool IsAuthorised(const std::string& saga_id, int step, Phase phase, int attempt) const {
    return sends_.count({saga_id, step, static_cast<int>(phase), attempt}) > 0;
  }
  // From now on it is a violation (I25) that a saga of `definition` is begun under `lease`.
  void HoldPause(const Lease& lease, const std::string& definition);
  // The pauses of all definitions end, past every fault; how often they did.
  void EndPauses();
  int pauses_ended() const { return pauses_ended_; }
  // This instance does not know what follows others.
  void NoteUnaware(const std::string& instance) { unaware_.insert(instance); }
  // A person asks something of the saga: the instance that he asks may take it from its owner.
  void NoteAsked(const std::string& saga_id) { asked_.insert(saga_id); }
  // When it was first stored that the saga goes back; infinite: never.
  absl::Time TurnedBack(const std::string& saga_id) const {
    const auto turned = turned_back_.find(saga_id);
    return turned == turned_back_.end() ? absl::InfiniteFuture() : turned->second;
  }
  // As they are, past every fault.
  SagaStore& rows() { return inner_; }
  std::vector<Saga> All();
  std::vector<HistoryEvent> WholeHistory(const std::string& saga_id);

  absl::StatusOr<std::vector<WriteResult>> Commit(const Lease& lease, const std::vector<SagaWrite>& writes) override;
  absl::StatusOr<Saga> Load(absl::string_view id) override;
  absl::StatusOr<SagaPage> LoadMany(const std::vector<std::string>& ids) override;
  absl::StatusOr<Saga> LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                 absl::string_view key) override;
  absl::StatusOr<SagaPage> List(const SagaFilter& filter) override { return inner_.List(filter); }
  absl::StatusOr<SagaPage> ListUnfinished(std::optional<SagaState> state, absl::string_view after, int limit) override {
    return inner_.ListUnfinished(state, after, limit);
  }
  absl::StatusOr<std::vector<SagaHead>> ListHeads(const SagaFilter& filter) override {
    return inner_.ListHeads(filter);
  }
  absl::StatusOr<SagaPage> LoadNewer(const std::vector<SagaHead>& seen) override { return inner_.LoadNewer(seen); }
  absl::StatusOr<std::vector<HistoryEvent>> History(absl::string_view id, std::int64_t after, int limit) override {
    return inner_.History(id, after, limit);
  }
  absl::StatusOr<Lease> Acquire(absl::string_view instance, absl::string_view address, absl::Duration length) override;
  absl::Status Renew(const Lease& lease, absl::Duration length) override;
  absl::StatusOr<SagaPage> LoadOwned(const Lease& lease, absl::string_view after, int limit) override;
  absl::StatusOr<SagaPage> LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what, absl::Time now,
                                   const std::vector<std::string>& without, int limit) override;
  absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> CountUnstarted(
      absl::string_view instance) override {
    return inner_.CountUnstarted(instance);
  }
  absl::StatusOr<std::vector<RestingCount>> CountResting(absl::string_view instance) override {
    return inner_.CountResting(instance);
  }
  absl::Status Release(const Lease& lease) override { return inner_.Release(lease); }
  absl::StatusOr<SagaPage> Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                 int limit) override;
  absl::StatusOr<Saga> Take(const Lease& lease, absl::string_view id) override;
  absl::StatusOr<int> Purge(const Lease& lease, absl::Time before, int limit) override {
    return inner_.Purge(lease, before, limit);
  }
  absl::Status PutDefinition(const StoredDefinition& definition) override { return inner_.PutDefinition(definition); }
  absl::StatusOr<StoredDefinition> LoadDefinition(absl::string_view name, int version) override {
    return inner_.LoadDefinition(name, version);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> StoredDefinitions() override { return inner_.StoredDefinitions(); }
  absl::StatusOr<FollowerSet> Followers() override { return inner_.Followers(); }
  absl::Status PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) override {
    return inner_.PutFollowers(seen_generation, followers);
  }
  absl::StatusOr<std::vector<Child>> Children(absl::string_view parent_id) override {
    return inner_.Children(parent_id);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> DefinitionsInUse() override { return inner_.DefinitionsInUse(); }
  absl::StatusOr<std::vector<UnfinishedCount>> CountUnfinished(absl::string_view instance) override {
    return inner_.CountUnfinished(instance);
  }
  absl::StatusOr<std::vector<UnfinishedCount>> CountOrphaned(absl::string_view instance) override {
    return inner_.CountOrphaned(instance);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> PurgeDefinitions(absl::Duration unused_for) override {
    return inner_.PurgeDefinitions(unused_for);
  }
  absl::StatusOr<DefinitionPause> PutPause(const std::string& definition, const std::string& actor,
                                           const std::string& reason) override;
  absl::Status RemovePause(const std::string& definition) override { return inner_.RemovePause(definition); }
  absl::StatusOr<std::vector<DefinitionPause>> Pauses() override;

 private:
  // A commit that is under way. It has its locks, or takes them when it lands.
  struct Late {
    Lease lease;
    std::vector<SagaWrite> writes;
    bool has_landed = false;
  };

  bool LoadFails();
  bool Blocks(Fault fault);
  absl::Status TakesWrites() const;
  absl::Status TakesRows(const std::vector<SagaWrite>& writes);
  void Land(Late& late);
  // Who writes a row that a commit under way has locked, or acquires its lease, waits for that commit.
  void AwaitLate(const std::set<std::string>& saga_ids, absl::string_view instance = "");
  absl::StatusOr<std::vector<WriteResult>> Apply(const Lease& lease, const std::vector<SagaWrite>& writes);
  void Overwrite(Lease& lease, std::vector<SagaWrite>& writes);
  void Observe(const Lease& lease, const SagaWrite& write);
  void ObserveBegin(const Lease& lease, const SagaWrite& write);
  void ObserveBirths(const Lease& lease, const Saga& parent);

  World& world_;
  Faults& faults_;
  const Bug bug_;
  MemorySagaStore inner_;
  const StoreCaller* caller_ = nullptr;
  absl::Time away_until_;
  absl::Time refuses_until_;
  std::set<std::string> refused_;  // ids of sagas
  std::vector<std::shared_ptr<Late>> late_;
  std::map<std::string, std::int64_t> epochs_;                          // by instance, as they were given out
  std::map<std::string, std::pair<std::int64_t, SagaState>> observed_;  // version and state, by saga id
  std::set<std::tuple<std::string, int, int, int>> sends_;
  std::set<std::tuple<std::string, std::int64_t, std::string>> held_;  // instance, epoch and definition of held pauses
  int pauses_ended_ = 0;
  std::set<std::string> unaware_;  // instances
  std::set<std::string> asked_;    // sagas
  std::map<std::string, absl::Time> turned_back_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_STORE_H_
