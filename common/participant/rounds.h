// What the writer of a participant does with the calls it drained: rounds of one call a step, a transaction a round,
// then the answers. It has no thread and no queue of its own and reads time from the Clock port, so that a simulator
// can run it.
#ifndef UNWIND_COMMON_PARTICIPANT_ROUNDS_H_
#define UNWIND_COMMON_PARTICIPANT_ROUNDS_H_

#include <any>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "common/participant/batch.h"
#include "common/participant/participant.h"
#include "common/participant/participant_series.h"

namespace unwind {

// What a caller is told of trouble with the store: never the SQL, and never a refusal.
absl::Status StoreError(const absl::Status& status, const std::string& domain);

// RESOURCE_EXHAUSTED, reason OVERLOADED, with RetryInfo.
absl::Status TooManyCalls(const std::string& domain);

// The call that Domain::Continue has answered, to be handled again. A new one, because Continue may still be reading
// the old one's command.
SubmissionPtr Continued(const SubmissionPtr& call, std::any continuation);

// One thread only.
class Rounds {
 public:
  struct Outs {
    std::function<void(Submission&)> answer;              // reply is set: it was committed, or will not be
    std::function<void(const SubmissionPtr&)> continue_;  // it was committed and answered Intent: call Domain::Continue
  };

  // `domain` and `clock` must outlive it.
  Rounds(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock, ParticipantOptions options,
         Outs outs);

  // Puts every one of `calls` out exactly once.
  void Handle(std::vector<SubmissionPtr> calls);

  // Whether the database takes writes now.
  absl::Status Probe();

 private:
  std::vector<SubmissionPtr> HandleRound(std::vector<SubmissionPtr> calls);
  void NoteTooOld(const CallKey& key, absl::Time now);
  void LogClock(absl::string_view message, const CallKey& key, absl::Time now);
  bool Commit(const std::vector<SubmissionPtr>& calls, absl::Time now);
  absl::Status Run(const std::vector<SubmissionPtr>& calls, absl::Time now, bool& by_database);
  void Deliver(const std::vector<SubmissionPtr>& calls, absl::Time now);
  void Fail(const std::vector<SubmissionPtr>& calls, const absl::Status& status);
  void Purge();

  const std::unique_ptr<Connection> connection_;
  Domain& domain_;
  const Clock& clock_;
  const ParticipantOptions options_;
  const Outs outs_;
  absl::Time next_purge_;
  std::size_t calls_to_log_ = 0;  // whose times do not agree with this clock, since the last line of the log
  absl::Time next_clock_log_ = absl::InfinitePast();
  ParticipantSeries& series_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_ROUNDS_H_
