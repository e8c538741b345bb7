// The saga store without a disk: for tests, the simulator and trying things out. It forgets when it is destroyed.
#ifndef UNWIND_ORCHESTRATOR_ADAPTERS_MEMORY_SAGA_STORE_H_
#define UNWIND_ORCHESTRATOR_ADAPTERS_MEMORY_SAGA_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/saga_store.h"

namespace unwind {

class MemorySagaStore final : public SagaStore {
 public:
  absl::StatusOr<std::vector<WriteResult>> Commit(const Lease& lease, const std::vector<SagaWrite>& writes) override;
  absl::StatusOr<Saga> Load(absl::string_view saga_id) override;
  absl::StatusOr<Saga> LoadByKey(absl::string_view definition, absl::string_view key) override;
  absl::StatusOr<std::vector<Saga>> List(const SagaFilter& filter) override;
  absl::StatusOr<std::vector<HistoryEvent>> History(absl::string_view saga_id, std::int64_t after_seq,
                                                    int limit) override;
  absl::StatusOr<Lease> Acquire(absl::string_view instance, absl::string_view address, absl::Duration length) override;
  absl::Status Renew(const Lease& lease, absl::Duration length) override;
  absl::StatusOr<std::vector<Saga>> LoadOwned(const Lease& lease, absl::string_view after_id, int limit) override;
  absl::StatusOr<int> Purge(const Lease& lease, absl::Time before, int limit) override;
  absl::Status PutDefinition(const StoredDefinition& definition) override;
  absl::StatusOr<std::vector<StoredDefinition>> LoadDefinitions() override;

 private:
  struct Row {
    Saga saga;
    std::vector<HistoryEvent> history;
  };
  using Key = std::pair<std::string, std::string>;  // (definition, key)

  // All with mutex_ held.
  absl::Status CheckLease(const Lease& lease) const;
  WriteResult Store(const Lease& lease, const SagaWrite& write);
  WriteResult Insert(const Lease& lease, const SagaWrite& write);

  std::mutex mutex_;
  std::map<std::string, Row, std::less<>> sagas_;  // by id
  std::map<Key, std::string> ids_;
  std::map<std::string, std::int64_t> epochs_;  // by instance
  std::map<std::pair<std::string, int>, StoredDefinition> definitions_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ADAPTERS_MEMORY_SAGA_STORE_H_
