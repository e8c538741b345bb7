// The mock gateway without gRPC: a durable ledger behind one batching writer, and the scenario in force.
#ifndef UNWIND_MOCK_PG_GATEWAY_H_
#define UNWIND_MOCK_PG_GATEWAY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/base/batch_writer.h"
#include "common/base/clock.h"
#include "common/base/repeat.h"
#include "common/db/connection.h"
#include "common/participant/read.h"
#include "mock_pg/ledger.h"
#include "mock_pg/scenario.h"

namespace unwind::pg {

inline constexpr char kLedgerComponent[] = "mock_pg";  // of the schema

// Thread-safe. `done`s run on the writer's or the reader's thread, after the commit.
class Gateway {
 public:
  struct Answer {
    absl::StatusOr<Entry> entry;
    bool hang = false;  // never answer the caller
  };
  struct Page {
    std::vector<Entry> entries;
    std::int64_t next = 0;  // the position to go on behind; 0 at the end
  };

  // Sends the end of what was pending, as `webhook` says. `tried`: when the first sending has ended, or nothing is
  // sent.
  using Tell = std::function<void(const Entry& end, const Webhook& webhook, std::function<void()> tried)>;

  // `crash` ends the process; it is a parameter so that tests survive it.
  struct Options {
    Scenario scenario;  // of the flags; Reset returns to it
    std::size_t batch_max = 256;
    std::size_t queue_max = 4096;
    absl::AnyInvocable<void()> crash;
    Tell tell;  // empty: nobody is told
  };

  // The two connections are on the same database, one for the writer and one for the reader.
  Gateway(std::unique_ptr<Connection> writer, std::unique_ptr<Connection> reader, const Clock& clock, Options options);

  // Decides `operation` (its transaction_id and now are filled in here).
  void Submit(Operation operation, absl::AnyInvocable<void(Answer) &&> done);

  // Empties the ledger and returns to the scenario of the flags.
  void Reset(absl::AnyInvocable<void(absl::StatusOr<std::int64_t>) &&> done);

  void Get(std::string key, absl::AnyInvocable<void(absl::StatusOr<Entry>) &&> done);
  void List(std::int64_t after, int limit, absl::AnyInvocable<void(absl::StatusOr<Page>) &&> done);

  // `scenario` holds for every operation that is submitted after this returns.
  void SetScenario(const Scenario& scenario);
  Scenario GetScenario() const;

  // Counts one answered Confirm or Cancel; crashes if it was the last that the scenario allows.
  void CountAnswer();

  // Writes what changes nothing; `done` gets how that ended.
  void Probe(std::function<void(absl::Status)> done);

  // Answers what is queued, then stops. Idempotent.
  void Stop();

 private:
  struct Move {
    Operation operation;
    absl::AnyInvocable<void(Answer) &&> done;
  };
  struct Clear {
    absl::AnyInvocable<void(absl::StatusOr<std::int64_t>) &&> done;
  };
  struct Touch {
    std::function<void(absl::Status)> done;
  };
  struct FinishDue {};
  using Job = std::variant<Move, Clear, Touch, FinishDue>;

  void Handle(std::vector<Job> jobs);
  void HandleMoves(absl::Span<Job> moves);
  void HandleClear(Clear& clear);
  void HandleDue();
  void AskForDue();
  void IsDueBy(absl::Time due);
  void TellEnd(const Entry& end, const Webhook& webhook, std::function<void()> tried);
  absl::Status Commit(absl::Span<Job> moves, std::vector<Verdict>& verdicts);

  const std::unique_ptr<Connection> connection_;
  const Clock& clock_;
  const Scenario first_scenario_;
  absl::AnyInvocable<void()> crash_;
  const Tell tell_;
  std::mt19937_64 random_{std::random_device{}()};  // the writer's thread only
  mutable std::mutex mutex_;
  Scenario scenario_;
  int scenario_number_ = 0;  // of SetScenario calls: counters of an older scenario are not written back
  absl::Time next_due_ = absl::InfinitePast();  // guarded by mutex_: no intent is due before; at first nobody knows
  Reader reader_;
  BatchWriter<Job> writer_;  // its thread runs on what is above
  Repeat finishing_;         // last: its thread runs on all of it
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_GATEWAY_H_
