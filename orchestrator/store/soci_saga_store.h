// The saga store in SQL, through SOCI. Its tables are orchestrator/migrations; their contents saga_codec.h.
#ifndef UNWIND_ORCHESTRATOR_STORE_SOCI_SAGA_STORE_H_
#define UNWIND_ORCHESTRATOR_STORE_SOCI_SAGA_STORE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/db/connection.h"
#include "common/db/statement.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/store/connection_pool.h"
#include "orchestrator/store/follower_rows.h"
#include "orchestrator/store/instance_rows.h"
#include "soci/session.h"

namespace unwind {

// Connections are kept apart by what may wait for what: commits (SQLite: one connection) for no reader, the engine's
// look-ups for no list, and on PostgreSQL the lease's renewal for nothing else.
class SociSagaStore final : public SagaStore {
 public:
  // Opens `database` (see OpenDatabase) and brings its schema up to date. On PostgreSQL up to `writers` commits run at
  // once, and the renewal of a lease of the length `lease` gives up after a fifth of it, so that several are tried
  // before the lease is over. An error is one sentence for a person.
  static absl::StatusOr<std::unique_ptr<SociSagaStore>> Open(const std::string& database, int writers = 1,
                                                             absl::Duration lease = absl::Seconds(15));

  // Who holds the lease of `instance`, before it is acquired.
  absl::StatusOr<std::optional<LeaseHolder>> Holder(const std::string& instance);

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
  explicit SociSagaStore(Dialect dialect) : dialect_(dialect) {}

  // `body`: one statement.
  static absl::Status Read(ConnectionPool& readers, absl::FunctionRef<absl::Status(soci::session&)> body);
  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body);

  // Those of the last read; null: none yet, or not all could be read. A commit finds out if others have come.
  std::shared_ptr<const FollowerSet> KnownFollowers();
  absl::StatusOr<std::shared_ptr<const FollowerSet>> ReadFollowers();
  // DATA_LOSS if one of `writes` ends a saga and nobody knows what follows it. It is refused alone, as a bad row is.
  static absl::Status CheckCanEnd(const FollowerSet& set, const std::vector<SagaWrite>& writes);

  const Dialect dialect_;
  // The pool of the lease's own connection.
  ConnectionPool& leases() { return dialect_ == Dialect::kPostgres ? leases_ : writers_; }

  ConnectionPool writers_;
  ConnectionPool leases_;    // empty on SQLite, where a second writer would wait for the file's lock
  ConnectionPool look_ups_;  // by id or key, for the engine
  ConnectionPool lists_;     // what may read many rows
  std::mutex mutex_;
  std::shared_ptr<const FollowerSet> followers_;  // guarded by mutex_
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_SOCI_SAGA_STORE_H_
