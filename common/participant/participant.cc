#include "common/participant/participant.h"

#include <functional>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/base/batch_writer.h"
#include "common/base/check.h"
#include "common/db/migrate.h"
#include "common/participant/batch.h"
#include "common/participant/participant_series.h"
#include "common/participant/rounds.h"

extern const unwind::Migrations kBarrierMigrations;  // embedded by the build

namespace unwind {
// Owned by the Participant and, weakly, by what the domain still has to continue.
class Participant::Writer : public std::enable_shared_from_this<Writer> {
 public:
  using Probed = std::function<void(absl::Status)>;

  Writer(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock, ParticipantOptions options)
      : domain_(domain),
        options_(std::move(options)),
        rounds_(std::move(connection), domain, clock, options_,
                {.answer = [this](Submission& call) { Answer(call); },
                 .continue_ = [this](const SubmissionPtr& call) { Continue(call); }}),
        // Never full: every job is one of the open_ calls, or the one probe.
        queue_(options_.batch_max, options_.queue_max + 1, [this](std::vector<Job> jobs) { Handle(std::move(jobs)); }) {
  }

  void Submit(SubmissionPtr call) {
    absl::Status refusal;
    {
      std::lock_guard lock(mutex_);
      if (stopped_) {
        refusal = StoreError(absl::UnavailableError("stopped"), options_.domain);
      } else if (open_ >= options_.queue_max) {
        refusal = TooManyCalls(options_.domain);
      } else {
        ++open_;
        ParticipantSeries::Get().calls_open.Increment();
        CHECK(queue_.Push(std::move(call)));
        return;
      }
    }
    std::move(call->done)({.status = std::move(refusal), .response = ""});
  }

  void Probe(Probed done) {
    {
      std::lock_guard lock(mutex_);
      if (!stopped_) {
        CHECK(queue_.Push(std::move(done)));
        return;
      }
    }
    done(absl::UnavailableError("stopped"));
  }

  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    queue_.Stop();
  }

 private:
  using Job = std::variant<SubmissionPtr, Probed>;

  // On the writer's thread.
  void Handle(std::vector<Job> jobs) {
    std::vector<SubmissionPtr> calls;
    std::vector<Probed> probes;
    for (Job& job : jobs) {
      if (auto* const call = std::get_if<SubmissionPtr>(&job)) calls.push_back(std::move(*call));
      if (auto* const probe = std::get_if<Probed>(&job)) probes.push_back(std::move(*probe));
    }
    if (!calls.empty()) {
      ParticipantSeries::Get().batch_calls.Observe(static_cast<double>(calls.size()));
      rounds_.Handle(std::move(calls));
    }
    for (const Probed& done : probes) done(rounds_.Probe());
  }

  // On the writer's thread.
  void Continue(const SubmissionPtr& call) {
    domain_.Continue(call->command, [weak = weak_from_this(), domain = options_.domain, call](std::any continuation) {
      SubmissionPtr next = Continued(call, std::move(continuation));
      if (const std::shared_ptr<Writer> writer = weak.lock()) return writer->Resume(std::move(next));
      std::move(next->done)({StoreError(absl::UnavailableError("destroyed"), domain), "", false});
    });
  }

  // On any thread.
  void Resume(SubmissionPtr call) {
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

  void Answer(Submission& call) {
    {
      std::lock_guard lock(mutex_);
      --open_;
      ParticipantSeries::Get().calls_open.Decrement();
    }
    std::move(call.done)(std::move(call.reply));
  }

  Domain& domain_;
  const ParticipantOptions options_;
  Rounds rounds_;  // the writer's thread only
  std::mutex mutex_;
  std::size_t open_ = 0;    // guarded by mutex_: calls accepted and not answered
  bool stopped_ = false;    // guarded by mutex_
  BatchWriter<Job> queue_;  // last: its thread runs on what is above
};

std::optional<StepName> StepOf(absl::string_view owner) {
  const std::size_t colon = owner.find(':');
  std::size_t size = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(owner.substr(0, colon), &size)) return std::nullopt;
  const absl::string_view rest = owner.substr(colon + 1);
  if (rest.size() <= size || rest[size] != '/') return std::nullopt;
  const absl::string_view step = rest.substr(size + 1);
  if (step.empty() || step[0] == '@') return std::nullopt;
  return StepName{std::string(rest.substr(0, size)), std::string(step)};
}

void Domain::Committed(const Command&) {}

void Domain::Continue(const Command&, std::function<void(std::any)>) {
  CHECK(false && "a domain that answers Intent must say how to continue");
}

absl::Status Participant::Migrate(Connection& connection) {
  return unwind::Migrate(connection, kBarrierComponent, kBarrierMigrations);
}

Participant::Participant(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock,
                         ParticipantOptions options)
    : writer_(std::make_shared<Writer>(std::move(connection), domain, clock, std::move(options))) {}

Participant::~Participant() { Stop(); }

void Participant::Submit(int method, CallKey key, std::shared_ptr<const google::protobuf::Message> request, Done done) {
  // Hashed here, on the caller's thread: the writer's time is scarcer.
  writer_->Submit(MakeSubmission(method, std::move(key), std::move(request), std::move(done)));
}

void Participant::Probe(std::function<void(absl::Status)> done) { writer_->Probe(std::move(done)); }

void Participant::Stop() { writer_->Stop(); }

}  // namespace unwind
