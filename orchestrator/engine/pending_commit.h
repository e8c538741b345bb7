// What was decided and is not known to be stored. Nothing of it is acted on before, and nothing else is decided
// meanwhile. A write that the store refuses for good fails alone.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_PENDING_COMMIT_H_
#define UNWIND_ORCHESTRATOR_ENGINE_PENDING_COMMIT_H_

#include <map>

#include "orchestrator/engine/driver_context.h"
#include "orchestrator/engine/live_sagas.h"

namespace unwind {

// What was decided for one saga since it was last stored.
struct PendingWrite {
  std::int64_t seen_version = 0;
  bool was_due = false;  // the stored row has a due_at
  std::vector<HistoryEvent> events;
  std::vector<Send> sends;
  std::vector<AskMail> asks;  // answered once it is stored
};

// A write whose result is known: it is pending no more. An error: the store takes it never, and takes others.
struct Landed {
  std::string saga_id;
  absl::StatusOr<WriteResult> result;
  PendingWrite write;
};

// Not thread-safe.
class PendingCommit {
 public:
  PendingCommit(DriverContext& context, LiveSagas& live) : context_(context), live_(live) {}

  bool empty() const { return pending_.empty(); }
  bool Has(const std::string& saga_id) const { return pending_.find(saga_id) != pending_.end(); }
  // About as much as what is pending takes, and so the transaction.
  std::size_t bytes() const { return bytes_; }
  // Of a saga for which something was decided, or is now.
  PendingWrite& Of(const LiveSaga& live);

  // Commits all of it, in one transaction if that has at most turn_bytes_max. What failed because the store is away
  // stays pending, and is repeated by a later call.
  std::vector<Landed> Commit();

  // From now on the store is asked nothing for a while, which grows from failure to failure.
  void StoreFailed();
  bool StoreIsDown(absl::Time now) const;
  absl::Time retry_at() const { return retry_at_; }

 private:
  void Prepare();
  bool TakeStored(std::vector<Landed>& landed);
  std::vector<SagaWrite> TakePart(std::size_t writes_max);
  absl::Status CommitPart(const std::vector<SagaWrite>& part, std::vector<Landed>& landed);
  absl::Status ProveRefusal(const std::vector<SagaWrite>& part, std::vector<Landed>& landed, absl::Status& status);
  void CommitFailed(const absl::Status& status);
  void SetFailing(bool failing);
  Landed Take(const std::string& saga_id, absl::StatusOr<WriteResult> result);

  DriverContext& context_;
  LiveSagas& live_;
  std::map<std::string, PendingWrite> pending_;  // by saga id
  std::size_t bytes_ = 0;
  std::vector<SagaWrite> writes_;  // of pending_, from when their commit was begun
  bool outcome_unknown_ = false;   // a commit of writes_ failed, and may have landed
  bool is_failing_ = false;        // counted among the context's shards_failing
  absl::Time retry_at_ = absl::InfinitePast();
  absl::Duration pause_;  // the last; zero: the store answers
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_PENDING_COMMIT_H_
