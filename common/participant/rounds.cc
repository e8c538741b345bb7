#include "common/participant/rounds.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/log.h"
#include "common/db/migrate.h"
#include "common/observe/tracer.h"
#include "common/participant/barrier_rows.h"
#include "common/rpc/error.h"
#include "soci/session.h"

namespace unwind {
namespace {

constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
constexpr absl::Duration kPurgeEvery = absl::Minutes(1);
constexpr std::size_t kPurgeRowsMax = 500;
constexpr absl::Duration kClockLogEvery = absl::Seconds(10);

// The transaction that a call shares with others, as a part of the call's own trace.
OpenSpan OpenBatchSpan(const TraceContext& trace) {
  if (ProcessTracer() == nullptr) return {};
  return {SpanKind::kInternal, "batch", ChildOf(trace, RandomSpanId())};
}

}  // namespace

absl::Status StoreError(const absl::Status& status, const std::string& domain) {
  if (absl::IsUnavailable(status) || absl::IsAborted(status)) {
    return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable,
                                    "the store did not say whether the call was stored; call again with the same key",
                                    {"STORE_UNAVAILABLE", domain, {}}),
                          kRetryAfter);
  }
  return MakeError(absl::StatusCode::kInternal, "the store failed at this call", {"STORE_FAILED", domain, {}});
}

absl::Status TooManyCalls(const std::string& domain) {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many calls wait; call again later",
                                  {"OVERLOADED", domain, {}}),
                        kRetryAfter);
}

SubmissionPtr Continued(const SubmissionPtr& call, std::any continuation) {
  auto next = std::make_shared<Submission>();
  next->command.method = call->command.method;
  next->command.key = call->command.key;
  next->command.request = call->command.request;
  next->command.continuation = std::move(continuation);
  next->payload_hash = call->payload_hash;
  next->done = std::move(call->done);
  return next;
}

Rounds::Rounds(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock, ParticipantOptions options,
               Outs outs)
    : connection_(std::move(connection)),
      domain_(domain),
      clock_(clock),
      options_(std::move(options)),
      outs_(std::move(outs)),
      next_purge_(clock.Now() + kPurgeEvery),
      series_(ParticipantSeries::Get()) {}

void Rounds::Handle(std::vector<SubmissionPtr> calls) {
  while (!calls.empty()) calls = HandleRound(std::move(calls));
  Purge();
}

absl::Status Rounds::Probe() { return ProbeWrite(*connection_, kBarrierComponent); }

// One call of each step; returns the others. So a repeat finds its twin's row in the next round and needs no rule of
// its own.
std::vector<SubmissionPtr> Rounds::HandleRound(std::vector<SubmissionPtr> calls) {
  std::set<std::pair<std::string, std::string>> steps;
  std::vector<SubmissionPtr> round, others;
  const absl::Time now = clock_.Now();
  for (SubmissionPtr& call : calls) {
    const CallKey& key = call->command.key;
    if (key.issued_at != absl::InfiniteFuture() && key.issued_at > now + options_.request_age_max) {
      LogClock("calls came from the future, so that late ones are not known as late: this machine's clock is behind",
               key, now);
    }
    if (steps.emplace(key.saga_id, key.step).second) {
      round.push_back(std::move(call));
    } else {
      others.push_back(std::move(call));
    }
  }
  if (round.empty() || Commit(round, now) || others.empty()) return others;
  Fail(others, absl::UnavailableError("the database cannot be written now"));
  return {};
}

// If this machine's clock is too far ahead, every action ends here.
void Rounds::NoteTooOld(const CallKey& key, absl::Time now) {
  series_.too_old.Increment();
  LogClock("calls were refused as too old: compare this machine's clock with the orchestrator's", key, now);
}

// One line for many calls.
void Rounds::LogClock(absl::string_view message, const CallKey& key, absl::Time now) {
  ++calls_to_log_;
  if (now < next_clock_log_) return;
  Log(Severity::kWarning, message,
      {{"calls", absl::StrCat(calls_to_log_)},
       {"age", absl::FormatDuration(now - key.issued_at)},
       {"request_age_max", absl::FormatDuration(options_.request_age_max)},
       {"saga_id", key.saga_id},
       {"step", key.step}});
  calls_to_log_ = 0;
  next_clock_log_ = now + kClockLogEvery;
}

// False: the database cannot be written now.
bool Rounds::Commit(const std::vector<SubmissionPtr>& calls, absl::Time now) {
  bool by_database = true;
  const absl::Time begun = SteadyNow();
  const absl::Status status = Run(calls, now, by_database);
  if (status.ok()) {
    series_.commit_seconds.Observe(absl::ToDoubleSeconds(SteadyNow() - begun));
    Deliver(calls, now);
    return true;
  }
  // It would fail every call of the batch, and waiting for a lock once a call would stop the service.
  const bool unavailable = by_database && absl::IsUnavailable(status);
  if (by_database) series_.commit_failures.Increment();
  if (calls.size() == 1 || unavailable) {
    Fail(calls, status);
    return !unavailable;
  }
  bool available = true;
  for (const SubmissionPtr& call : calls) {
    if (available) {
      available = Commit({call}, now);
    } else {
      Fail({call}, status);
    }
  }
  return available;
}

// One transaction. `by_database`: the status is not the domain's.
absl::Status Rounds::Run(const std::vector<SubmissionPtr>& calls, absl::Time now, bool& by_database) {
  for (const SubmissionPtr& call : calls) CRASH_POINT("participant.before_begin", CallOf(call->command));
  std::vector<OpenSpan> spans;
  for (const SubmissionPtr& call : calls) spans.push_back(OpenBatchSpan(call->command.key.trace));
  absl::Status status = RetryOnConflict([&] {
    by_database = true;
    return connection_->Write([&](soci::session& session) {
      absl::Status body = RunBatch(session, domain_, options_, now, calls);
      by_database = body.ok();
      return absl::IsAborted(body) ? AsConflict(std::move(body)) : body;
    });
  });
  for (OpenSpan& span : spans) {
    if (span.is_open()) span.End(ErrorOf(status), {{"batch.calls", static_cast<std::int64_t>(calls.size())}});
  }
  return status;
}

void Rounds::Deliver(const std::vector<SubmissionPtr>& calls, absl::Time now) {
  for (const SubmissionPtr& call : calls) CRASH_POINT("participant.after_commit", CallOf(call->command));
  for (const SubmissionPtr& call : calls) {
    if (call->verdict == barrier::Verdict::kExecute) domain_.Committed(call->command);
  }
  for (const SubmissionPtr& call : calls) {
    if (call->continues) continue;
    if (call->verdict == barrier::Verdict::kTooOld) NoteTooOld(call->command.key, now);
    series_.Answered(call->command.key.phase, call->verdict);
    outs_.answer(*call);
  }
  for (const SubmissionPtr& call : calls) {
    if (call->continues) outs_.continue_(call);
  }
}

void Rounds::Fail(const std::vector<SubmissionPtr>& calls, const absl::Status& status) {
  const CallKey& first = calls.front()->command.key;
  Log(Severity::kError, "calls were not stored",
      {{"error", status.ToString()},
       {"calls", absl::StrCat(calls.size())},
       {"saga_id", first.saga_id},
       {"step", first.step}});
  for (const SubmissionPtr& call : calls) {
    call->reply = {.status = StoreError(status, options_.domain), .response = ""};
    outs_.answer(*call);
  }
}

void Rounds::Purge() {
  const absl::Time now = clock_.Now();
  if (now < next_purge_) return;
  std::size_t purged = 0;
  const absl::Status status = connection_->Write([&](soci::session& session) {
    purged = barrier::PurgeRows(session, now, kPurgeRowsMax);
    return absl::OkStatus();
  });
  if (!status.ok()) Log(Severity::kWarning, "old barrier rows were not purged", {{"error", status.ToString()}});
  // A full purge goes on after the next batch, or a busy table would grow faster than it is purged.
  next_purge_ = status.ok() && purged == kPurgeRowsMax ? now : now + kPurgeEvery;
}

}  // namespace unwind
