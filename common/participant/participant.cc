#include "common/participant/participant.h"

#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/db/batch_writer.h"
#include "common/db/migrate.h"
#include "common/participant/barrier_rows.h"
#include "common/participant/batch.h"
#include "common/rpc/error.h"

extern const unwind::Migrations kBarrierMigrations;  // embedded by the build

namespace unwind {
namespace {

constexpr int kRunsMax = 8;  // of a batch that other processes raced
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);
constexpr absl::Duration kPurgeEvery = absl::Minutes(1);
constexpr std::size_t kPurgeRowsMax = 500;

// What the caller hears of trouble with the store: never the SQL, and never a refusal.
absl::Status StoreError(const absl::Status& status, const std::string& domain) {
  if (absl::IsUnavailable(status) || absl::IsAborted(status)) {
    return WithRetryAfter(MakeError(absl::StatusCode::kUnavailable,
                                    "the store did not say whether the call was stored; call again with the same key",
                                    {"STORE_UNAVAILABLE", domain, {}}),
                          kRetryAfter);
  }
  return MakeError(absl::StatusCode::kInternal, "the store failed at this call", {"STORE_FAILED", domain, {}});
}

}  // namespace

// Owned by the Participant and, weakly, by what the domain still has to continue.
class Participant::Writer : public std::enable_shared_from_this<Writer> {
 public:
  Writer(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock, ParticipantOptions options)
      : connection_(std::move(connection)),
        domain_(domain),
        clock_(clock),
        options_(std::move(options)),
        next_purge_(clock.Now() + kPurgeEvery),
        // Never full: every job is one of the open_ calls.
        queue_(options_.batch_max, options_.queue_max,
               [this](std::vector<CallPtr> calls) { Handle(std::move(calls)); }) {}

  void Submit(CallPtr call) {
    absl::Status refusal;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) {
        refusal = StoreError(absl::UnavailableError("stopped"), options_.domain);
      } else if (open_ >= options_.queue_max) {
        refusal =
            WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many calls wait; call again later",
                                     {"OVERLOADED", options_.domain, {}}),
                           kRetryAfter);
      } else {
        ++open_;
        CHECK(queue_.Push(std::move(call)));
        return;
      }
    }
    std::move(call->done)({.status = std::move(refusal), .response = "", .effect_free = false});
  }

  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    queue_.Stop();
  }

 private:
  // On the writer's thread, as all that follows.
  void Handle(std::vector<CallPtr> calls) {
    while (!calls.empty()) calls = HandleRound(std::move(calls));
    Purge();
  }

  // One call of each step; returns the others. So a repeat finds its twin's row in the next round and needs no rule of
  // its own.
  std::vector<CallPtr> HandleRound(std::vector<CallPtr> calls) {
    std::set<std::pair<std::string, std::string>> steps;
    std::vector<CallPtr> round, others;
    const absl::Time now = clock_.Now();
    for (CallPtr& call : calls) {
      const CallKey& key = call->command.key;
      if (IsTooOld(*call, now)) {
        call->reply.status = MakeError(absl::StatusCode::kAborted, "the call was issued too long ago",
                                       {"FENCED", options_.domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
        Answer(*call);
      } else if (steps.emplace(key.saga_id, key.step).second) {
        round.push_back(std::move(call));
      } else {
        others.push_back(std::move(call));
      }
    }
    if (!round.empty()) Commit(round, now);
    return others;
  }

  // The tombstone that would fence it may be purged already.
  bool IsTooOld(const Call& call, absl::Time now) const {
    return call.command.key.phase == barrier::Phase::kAction && !call.command.continuation.has_value() &&
           call.command.key.issued_at < now - options_.request_age_max;
  }

  // False: the database cannot be written now.
  bool Commit(const std::vector<CallPtr>& calls, absl::Time now) {
    bool by_database = true;
    const absl::Status status = Run(calls, now, by_database);
    if (status.ok()) {
      Deliver(calls);
      return true;
    }
    // It hits each call alike, and to wait for a lock once for each would stop the service.
    const bool unavailable = by_database && absl::IsUnavailable(status);
    if (calls.size() == 1 || unavailable) {
      Fail(calls, status);
      return !unavailable;
    }
    bool available = true;
    for (const CallPtr& call : calls) {
      if (available) {
        available = Commit({call}, now);
      } else {
        Fail({call}, status);
      }
    }
    return available;
  }

  // One transaction. `by_database`: the status is not the domain's.
  absl::Status Run(const std::vector<CallPtr>& calls, absl::Time now, bool& by_database) {
    absl::Status status;
    for (int i = 0; i < kRunsMax; ++i) {
      by_database = true;
      status = connection_->Write([&](soci::session& session) {
        absl::Status body = RunBatch(session, domain_, options_, now, calls);
        by_database = body.ok();
        return body;
      });
      if (!absl::IsAborted(status)) break;
    }
    return status;
  }

  void Deliver(const std::vector<CallPtr>& calls) {
    for (const CallPtr& call : calls) {
      if (!call->continues) Answer(*call);
    }
    for (const CallPtr& call : calls) {
      if (call->continues) Continue(call);
    }
  }

  void Fail(const std::vector<CallPtr>& calls, const absl::Status& status) {
    const CallKey& first = calls.front()->command.key;
    Log(Severity::kError, "calls were not stored",
        {{"error", status.ToString()},
         {"calls", absl::StrCat(calls.size())},
         {"saga_id", first.saga_id},
         {"step", first.step}});
    for (const CallPtr& call : calls) {
      call->reply = {StoreError(status, options_.domain), "", false};
      Answer(*call);
    }
  }

  void Continue(const CallPtr& call) {
    domain_.Continue(call->command, [weak = weak_from_this(), domain = options_.domain, call](std::any continuation) {
      // A new call, because Continue may still be reading the old one's command.
      auto next = std::make_shared<Call>();
      next->command.method = call->command.method;
      next->command.key = call->command.key;
      next->command.request = call->command.request;
      next->command.continuation = std::move(continuation);
      next->payload_hash = call->payload_hash;
      next->done = std::move(call->done);
      if (const std::shared_ptr<Writer> writer = weak.lock()) return writer->Resume(std::move(next));
      std::move(next->done)({StoreError(absl::UnavailableError("destroyed"), domain), "", false});
    });
  }

  // On any thread.
  void Resume(CallPtr call) {
    {
      std::lock_guard lock(mutex_);
      if (!stopped_) {
        CHECK(queue_.Push(std::move(call)));
        return;
      }
    }
    call->reply.status = StoreError(absl::UnavailableError("stopped"), options_.domain);
    Answer(*call);
  }

  void Answer(Call& call) {
    {
      std::lock_guard lock(mutex_);
      --open_;
    }
    std::move(call.done)(std::move(call.reply));
  }

  void Purge() {
    const absl::Time now = clock_.Now();
    if (now < next_purge_) return;
    std::size_t purged = 0;
    const absl::Status status = connection_->Write([&](soci::session& session) {
      purged = barrier::PurgeRows(session, now - options_.row_age_max, kPurgeRowsMax);
      return absl::OkStatus();
    });
    if (!status.ok()) Log(Severity::kWarning, "old barrier rows were not purged", {{"error", status.ToString()}});
    // A full purge goes on after the next batch, or a busy table would grow faster than it is purged.
    next_purge_ = status.ok() && purged == kPurgeRowsMax ? now : now + kPurgeEvery;
  }

  const std::unique_ptr<Connection> connection_;
  Domain& domain_;
  const Clock& clock_;
  const ParticipantOptions options_;
  absl::Time next_purge_;
  std::mutex mutex_;
  std::size_t open_ = 0;        // guarded by mutex_: calls accepted and not answered
  bool stopped_ = false;        // guarded by mutex_
  BatchWriter<CallPtr> queue_;  // last: its thread runs on what is above
};

void Domain::Continue(const Command&, std::function<void(std::any)>) {
  CHECK(false && "a domain that answers Pending must say how to continue");
}

absl::Status Participant::Migrate(Connection& connection) {
  return unwind::Migrate(connection, "barrier", kBarrierMigrations);
}

Participant::Participant(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock,
                         ParticipantOptions options)
    : writer_(std::make_shared<Writer>(std::move(connection), domain, clock, std::move(options))) {}

Participant::~Participant() { Stop(); }

void Participant::Submit(int method, CallKey key, std::shared_ptr<const google::protobuf::Message> request, Done done) {
  auto call = std::make_shared<Call>();
  call->command.method = method;
  call->command.key = std::move(key);
  call->payload_hash = PayloadHash(*request);  // on the caller's thread: the writer's time is scarcer
  call->command.request = std::move(request);
  call->done = std::move(done);
  writer_->Submit(std::move(call));
}

void Participant::Stop() { writer_->Stop(); }

}  // namespace unwind
