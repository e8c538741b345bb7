#include "tests/sim/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/participant/batch.h"
#include "common/participant/call_key.h"
#include "common/rpc/error.h"
#include "common/rpc/validate.h"

namespace unwind::sim {
namespace {

constexpr char kConfirmStock[] = "/shop.stock.v1.StockService/Confirm";
constexpr int kPoisonPercent = 30;  // of the sagas, at full intensity

CallMetadata ReadMetadata(const Request& request) {
  CallMetadata metadata;
  for (const auto& [key, value] : request.metadata) {
    metadata.emplace(grpc::string_ref(key.data(), key.size()), grpc::string_ref(value.data(), value.size()));
  }
  return metadata;
}

Reply Refuse(absl::Status status) { return {std::move(status), "", false}; }

void ForgetBarrier(Database& database) { database.Execute("DELETE FROM saga_barrier WHERE outcome <> 4"); }
void ForgetTombstones(Database& database) { database.Execute("DELETE FROM saga_barrier WHERE outcome = 3"); }
void ForgetSettling(Database& database) { database.Execute("UPDATE saga_barrier SET outcome = 4 WHERE outcome = 5"); }

}  // namespace

const char* NameOf(Bug bug) {
  switch (bug) {
    case Bug::kNone:
      return "none";
    case Bug::kNoBarrier:
      return "no-barrier";
    case Bug::kNoTombstones:
      return "no-tombstones";
    case Bug::kCommitIgnored:
      return "commit-ignored";
    case Bug::kNoVersionCheck:
      return "no-version-check";
    case Bug::kResolveIgnored:
      return "resolve-ignored";
    case Bug::kStepNotUndone:
      return "step-not-undone";
    case Bug::kCutRefused:
      return "cut-refused";
    case Bug::kShedMailLost:
      return "shed-mail-lost";
    case Bug::kPauseNotHeld:
      return "pause-not-held";
    case Bug::kPendingIsOk:
      return "pending-is-ok";
    case Bug::kSettlingLost:
      return "settling-lost";
    case Bug::kWokenLate:
      return "woken-late";
  }
  return "?";
}

// What a crash loses.
struct Service::Process {
  bool alive = true;
  bool turn_is_due = false;
  std::size_t open = 0;  // calls accepted and not answered
  ParticipantOptions options;
  std::unique_ptr<StepDomain> domain;
  std::unique_ptr<Rounds> rounds;
  std::vector<SubmissionPtr> queue;
};

Service::Service(World& world, Faults& faults, Bug bug, ServiceSetup setup)
    : world_(world),
      faults_(faults),
      bug_(bug),
      setup_(std::move(setup)),
      clock_(world),
      turn_(world.dice().Spread(absl::Microseconds(300), absl::Milliseconds(10))),
      poison_seed_(world.dice().Next()),
      slow_until_(world.now()) {
  setup_.database.Clear();
  Start();
}

Service::~Service() = default;

void Service::Start() {
  if (process_ != nullptr) return;
  auto process = std::make_shared<Process>();
  process->options.domain = setup_.table.error_domain;
  process->options.never_cause = setup_.table.never_cause;
  if (faults_.on(Fault::kQueueFull)) process->options.queue_max = static_cast<std::size_t>(world_.dice().Between(1, 4));
  const std::weak_ptr<Process> weak = process;
  process->domain = setup_.new_domain(clock_, [weak] {
    const auto mine = weak.lock();
    return mine != nullptr && mine->alive;
  });
  std::function<void(Database&)> spoil;
  if (bug_ == Bug::kNoBarrier) spoil = ForgetBarrier;
  if (bug_ == Bug::kNoTombstones) spoil = ForgetTombstones;
  if (bug_ == Bug::kSettlingLost) spoil = ForgetSettling;
  process->rounds = std::make_unique<Rounds>(
      std::make_unique<DatabaseConnection>(
          setup_.database, [this] { return DrawFate(); }, spoil),
      *process->domain, clock_, process->options,
      Rounds::Outs{.answer =
                       [raw = process.get()](Submission& call) {
                         --raw->open;
                         if (raw->alive) std::move(call.done)(std::move(call.reply));
                       },
                   .continue_ =
                       [this, weak](const SubmissionPtr& call) {
                         const auto mine = weak.lock();
                         if (mine == nullptr || !mine->alive) return;
                         mine->domain->Continue(call->command, [this, weak, call](std::any continuation) {
                           const auto resumed = weak.lock();
                           if (resumed != nullptr) Resume(resumed, Continued(call, std::move(continuation)));
                         });
                       }});
  process_ = std::move(process);
  world_.Tell(NameOf(setup_.node), "starts");
}

void Service::Serve(const Request& request, Respond respond) {
  const std::vector<StepMethod> methods = process_->domain->methods();
  const auto method = std::find_if(methods.begin(), methods.end(), [&](const StepMethod& candidate) {
    return request.method == absl::StrCat("/", setup_.table.name, "/", candidate.name);
  });
  if (method == methods.end()) return respond(Refuse(absl::UnimplementedError("no method")));
  const std::shared_ptr<google::protobuf::Message> message(method->request->New());
  if (!message->ParseFromString(request.bytes)) return respond(Refuse(absl::InvalidArgumentError("no such message")));
  if (method->phase != barrier::Phase::kResolve) {
    if (absl::Status status = Validate(*message, setup_.table.error_domain); !status.ok())
      return respond(Refuse(status));
  }
  absl::StatusOr<CallKey> key = ReadCallKey(ReadMetadata(request), method->phase, setup_.table.error_domain);
  if (!key.ok()) return respond(Refuse(key.status()));
  if (IsPoisoned(request)) {
    if (poisoned_.insert(key->saga_id).second) faults_.Count(Fault::kPoison);
    return respond(Refuse(MakeError(absl::StatusCode::kInvalidArgument, "a person must look at this",
                                    {"POISONED", setup_.table.error_domain, {}})));
  }
  Submit(process_, MakeSubmission(static_cast<int>(method - methods.begin()), *std::move(key), message,
                                  [this, request, respond = std::move(respond)](Participant::Reply reply) {
                                    if (reply.pending) setup_.on_pending(request);
                                    respond({std::move(reply.status), std::move(reply.response), reply.effect_free,
                                             /*cut=*/false, reply.pending, reply.retry_after});
                                  }));
}

// The same call of the same saga, for ever: only of steps that must succeed in the end. Not the confirmation of stock,
// for which a cancellation of the order would wait as long as a person does.
bool Service::IsPoisoned(const Request& request) const {
  const bool must_succeed =
      request.Metadata("saga-phase") == "compensation" || request.Metadata("saga-kind") == "retriable";
  if (!must_succeed || cured_ || request.method == kConfirmStock) return false;
  const std::string id(request.Metadata("saga-id"));
  if (poisoned_.count(id) > 0) return true;
  Dice dice(poison_seed_ ^ std::hash<std::string>()(id));
  return dice.Chance(faults_.intensity(Fault::kPoison) * kPoisonPercent / 100);
}

void Service::Submit(const std::shared_ptr<Process>& process, SubmissionPtr call) {
  if (process->open >= process->options.queue_max && faults_.on(Fault::kQueueFull)) {
    faults_.Count(Fault::kQueueFull);
    return std::move(call->done)({TooManyCalls(setup_.table.error_domain), "", false});
  }
  ++process->open;
  Resume(process, std::move(call));
}

void Service::Resume(const std::shared_ptr<Process>& process, SubmissionPtr call) {
  if (!process->alive) return;
  process->queue.push_back(std::move(call));
  ScheduleTurn(process);
}

void Service::ScheduleTurn(const std::shared_ptr<Process>& process) {
  if (process->turn_is_due || process->queue.empty()) return;
  process->turn_is_due = true;
  absl::Duration takes = world_.dice().Between(turn_ / 2, turn_ * 2);
  if (world_.now() < slow_until_) takes += slow_turn_;
  world_.In(takes, [this, process] {
    process->turn_is_due = false;
    if (process->alive) Turn(process);
  });
}

void Service::Turn(const std::shared_ptr<Process>& process) {
  std::vector<SubmissionPtr> calls;
  calls.swap(process->queue);
  turning_ = process.get();
  process->rounds->Handle(std::move(calls));
  turning_ = nullptr;
  if (process->alive) return ScheduleTurn(process);
  if (process_ == process) Crash();
}

// A crash inside the transaction leaves the process dead at once: it answers nothing any more.
Fate Service::DrawFate() {
  if (turning_ == nullptr) return Fate::kCommitted;
  if (!turning_->alive) return Fate::kCrashBefore;
  if (faults_.Strikes(Fault::kCrashBeforeCommit, 0.05)) {
    world_.Tell(NameOf(setup_.node), "dies before its commit");
    turning_->alive = false;
    return Fate::kCrashBefore;
  }
  if (faults_.Strikes(Fault::kCrashAfterCommit, 0.05)) {
    world_.Tell(NameOf(setup_.node), "dies after its commit");
    turning_->alive = false;
    return Fate::kCrashAfter;
  }
  if (faults_.Strikes(Fault::kDatabaseBusy, 0.2)) return Fate::kBusy;
  if (faults_.Strikes(Fault::kCommitUnknown, 0.2)) return Fate::kOutcomeUnknown;
  return Fate::kCommitted;
}

void Service::Crash() {
  if (process_ == nullptr) return;
  world_.Tell(NameOf(setup_.node), "is dead; ", process_->open, " calls were open");
  process_->alive = false;
  process_.reset();
  RestartLater();
}

void Service::RestartLater() {
  if (starts_later_) return;
  starts_later_ = true;
  world_.In(world_.dice().Spread(absl::Milliseconds(50), absl::Seconds(45)), [this] {
    starts_later_ = false;
    Start();
  });
}

void Service::SlowDown(absl::Time until, absl::Duration turn) {
  world_.Tell(NameOf(setup_.node), "becomes slow: ", absl::FormatDuration(turn), " a transaction");
  slow_until_ = until;
  slow_turn_ = turn;
}

bool Service::idle() const { return process_ == nullptr ? !starts_later_ : process_->open == 0; }

}  // namespace unwind::sim
