// The saga store without a disk: for tests and the simulator. It forgets when it is destroyed.
#ifndef UNWIND_TESTS_SUPPORT_MEMORY_SAGA_STORE_H_
#define UNWIND_TESTS_SUPPORT_MEMORY_SAGA_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

class MemorySagaStore final : public SagaStore {
 public:
  MemorySagaStore() : MemorySagaStore(std::make_shared<SystemClock>()) {}
  // `clock`: of the leases.
  explicit MemorySagaStore(std::shared_ptr<const Clock> clock) : clock_(std::move(clock)) {}

  // Instead of kPageBytesMax.
  void set_page_bytes_max(std::size_t bytes) { page_bytes_max_ = bytes; }

  absl::StatusOr<std::vector<WriteResult>> Commit(const Lease& lease, const std::vector<SagaWrite>& writes) override;
  absl::StatusOr<Saga> Load(absl::string_view saga_id) override;
  absl::StatusOr<SagaPage> LoadMany(const std::vector<std::string>& ids) override;
  absl::StatusOr<Saga> LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                 absl::string_view key) override;
  absl::StatusOr<SagaPage> List(const SagaFilter& filter) override;
  absl::StatusOr<SagaPage> ListUnfinished(std::optional<SagaState> state, absl::string_view after_id,
                                          int limit) override;
  absl::StatusOr<std::vector<SagaHead>> ListHeads(const SagaFilter& filter) override;
  absl::StatusOr<SagaPage> LoadNewer(const std::vector<SagaHead>& seen) override;
  absl::StatusOr<std::vector<HistoryEvent>> History(absl::string_view saga_id, std::int64_t after_seq,
                                                    int limit) override;
  absl::StatusOr<Lease> Acquire(absl::string_view instance, absl::string_view address, absl::Duration length) override;
  absl::Status Renew(const Lease& lease, absl::Duration length) override;
  absl::StatusOr<SagaPage> LoadOwned(const Lease& lease, absl::string_view after_id, int limit) override;
  absl::StatusOr<SagaPage> LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what, absl::Time now,
                                   const std::vector<std::string>& without, int limit) override;
  absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> CountUnstarted(
      absl::string_view instance) override;
  absl::StatusOr<std::vector<RestingCount>> CountResting(absl::string_view instance) override;
  absl::Status Release(const Lease& lease) override;
  absl::StatusOr<SagaPage> Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                 int limit) override;
  absl::StatusOr<Saga> Take(const Lease& lease, absl::string_view saga_id) override;
  absl::StatusOr<int> Purge(const Lease& lease, absl::Time before, int limit) override;
  absl::Status PutDefinition(const StoredDefinition& definition) override;
  absl::StatusOr<StoredDefinition> LoadDefinition(absl::string_view name, int version) override;
  absl::StatusOr<std::vector<DefinitionVersion>> StoredDefinitions() override;
  absl::StatusOr<std::vector<DefinitionVersion>> DefinitionsInUse() override;
  absl::StatusOr<std::vector<UnfinishedCount>> CountUnfinished(absl::string_view instance) override;
  absl::StatusOr<std::vector<UnfinishedCount>> CountOrphaned(absl::string_view instance) override;
  absl::StatusOr<std::vector<DefinitionVersion>> PurgeDefinitions(absl::Duration unused_for) override;
  absl::StatusOr<FollowerSet> Followers() override;
  absl::Status PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) override;
  absl::StatusOr<std::vector<Child>> Children(absl::string_view parent_id) override;
  absl::StatusOr<DefinitionPause> PutPause(const std::string& definition, const std::string& actor,
                                           const std::string& reason) override;
  absl::Status RemovePause(const std::string& definition) override;
  absl::StatusOr<std::vector<DefinitionPause>> Pauses() override;

 private:
  struct Row {
    Saga saga;
    std::vector<HistoryEvent> history;
    absl::Time wait_ends_at = absl::InfiniteFuture(), waits_since = absl::InfiniteFuture();

    absl::Time DueAt(DueFor what) const;
  };
  struct Instance {
    std::int64_t epoch = 0;
    absl::Time lease_until;
  };
  struct Definition {
    StoredDefinition stored;
    absl::Time put_time;
  };
  using Key = std::tuple<std::string, std::string, std::string>;  // (definition, key scope, key)

  // All with mutex_ held.
  absl::Status CheckLease(const Lease& lease) const;
  WriteResult Store(const Lease& lease, const SagaWrite& write);
  WriteResult Insert(const Lease& lease, const SagaWrite& write);
  std::vector<UnfinishedCount> Count(const std::function<bool(const Saga&)>& is_counted) const;
  bool IsStored(const std::string& definition) const;
  const std::string* FindKey(absl::string_view definition, absl::string_view key_scope, absl::string_view key) const;

  const std::shared_ptr<const Clock> clock_;
  std::size_t page_bytes_max_ = kPageBytesMax;
  std::mutex mutex_;
  std::map<std::string, Row, std::less<>> sagas_;  // by id
  std::map<Key, std::string> ids_;
  std::map<std::string, Instance> instances_;
  std::map<DefinitionVersion, Definition> definitions_;
  std::map<std::string, DefinitionPause> pauses_;  // by definition
  FollowerSet followers_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_MEMORY_SAGA_STORE_H_
