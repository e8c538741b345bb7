#include "tests/sim/orchestrator.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/rpc/deterministic.h"
#include "common/rpc/error.h"
#include "orchestrator/api/served_call.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/host/definition_files.h"
#include "orchestrator/participants/call_failure.h"
#include "saga/participant/v1/nudge_service.pb.h"
#include "tests/sim/load.h"
#include "tests/sim/nudges.h"

namespace unwind::sim {
namespace {

constexpr std::size_t kAmple = 1 << 30;
constexpr absl::Duration kLease = absl::Seconds(15);
constexpr absl::Duration kRenewEvery = absl::Seconds(5);
constexpr absl::Duration kClaimEvery = absl::Seconds(1);
constexpr int kClaimBatch = 20;
constexpr absl::Duration kFollowersEvery = absl::Milliseconds(500);
constexpr absl::Duration kLearnEvery = absl::Seconds(5);
constexpr absl::Duration kIdleTurnEvery = absl::Seconds(1);  // as Shard::WaitAndTurn

Node TargetOf(const std::string& method) {
  if (absl::StartsWith(method, "/shop.order.")) return Node::kOrder;
  if (absl::StartsWith(method, "/shop.stock.")) return Node::kStock;
  if (absl::StartsWith(method, "/sim.")) return Node::kDepot;
  if (absl::StartsWith(method, "/shop.coupon.")) return Node::kCoupon;
  if (absl::StartsWith(method, "/shop.wallet.")) return Node::kWallet;
  return Node::kPayment;
}

// A step that says no without having stored it, as if it had: for Bug::kStepNotUndone.
bool IsUnknownAction(const Request& request, const Reply& reply) {
  return request.Metadata("saga-phase") == "action" && request.Metadata("saga-kind") == "compensatable" &&
         (absl::IsDeadlineExceeded(reply.status) || absl::IsUnavailable(reply.status));
}

// The same error, as some proxy or framework would answer it.
absl::Status Recoded(const absl::Status& status) {
  absl::Status recoded = absl::UnavailableError(status.message());
  status.ForEachPayload(
      [&recoded](absl::string_view url, const absl::Cord& payload) { recoded.SetPayload(url, payload); });
  return recoded;
}

std::unique_ptr<DefinitionCatalog> NewCatalog(const std::vector<std::shared_ptr<const Definition>>& served) {
  auto catalog = std::make_unique<DefinitionCatalog>();
  CHECK(ServeDefinitions(served, *catalog).ok());
  return catalog;
}

absl::Status NeverHappened() {
  return MakeError(absl::StatusCode::kFailedPrecondition, "taken as never happened",
                   {"NEVER_HAPPENED", "sim", {{"cause", "PAYMENT_TIMEOUT"}}});
}

}  // namespace

class Orchestrator::Process final : public Participants, public DriverObserver {
 public:
  Process(Orchestrator& home, Lease lease, DriverOptions options)
      : tells_apart(home.tells_apart_),
        home_(home),
        lease_(lease),
        catalog_(NewCatalog(home.shop_.definitions(home.edition_))),
        driver_(home.store_, *this, *catalog_, home.clock_, *this, lease, options) {}

  Driver& driver() { return driver_; }
  const DefinitionCatalog& catalog() const { return *catalog_; }

  // As DefinitionLearner does: what unfinished sagas run on, and is not known here.
  void Learn() {
    const auto in_use = home_.store_.DefinitionsInUse();
    if (!in_use.ok()) return;
    bool has_learnt = false;
    for (const auto& definition : home_.shop_.definitions()) {
      const Plan& plan = definition->plan();
      const auto known = catalog_->Versions();
      const bool is_known = std::count(known.begin(), known.end(), std::pair(plan.name, plan.version)) > 0;
      if (is_known || std::count(in_use->begin(), in_use->end(), DefinitionVersion{plan.name, plan.version}) == 0) {
        continue;
      }
      CHECK(catalog_->Add(definition).ok());
      home_.faults_.tally().Count(Outcome::kLearnt);
      has_learnt = true;
    }
    if (has_learnt) driver_.OnDefinitionsLearnt();
  }
  const Lease& lease() const { return lease_; }

  void Invoke(unwind::Call call, std::function<void(CallResult)> done) override {
    if (!alive) return;
    const std::weak_ptr<Process> weak = self;
    Request request{std::move(call.method), std::move(call.request), MetadataOf(call), call.timeout};
    const Node to = TargetOf(request.method);
    const bool resolves = request.Metadata("saga-phase") == "resolve";
    if (home_.bug_ == Bug::kResolveIgnored && resolves) {
      return Hear(weak, done, {NeverHappened(), "", false}, call.alone);
    }
    const bool not_undone = home_.bug_ == Bug::kStepNotUndone;
    const Request copy = not_undone ? request : Request();
    home_.network_.Call(home_.node_, to, std::move(request),
                        [this, weak, not_undone, copy, resolves, alone = call.alone, saga_id = std::move(call.saga_id),
                         done = std::move(done)](Reply reply) {
                          const bool final = reply.effect_free && !resolves;
                          if (final && home_.faults_.Strikes(Fault::kRefusalRecoded, 0.5)) {
                            reply.status = Recoded(reply.status);
                          }
                          if (not_undone && IsUnknownAction(copy, reply)) {
                            reply.status = absl::FailedPreconditionError("taken as refused");
                            reply.effect_free = true;
                          }
                          const auto mine = weak.lock();
                          if (mine == nullptr || !mine->alive) return;
                          if (shed_.erase(saga_id) > 0) return;
                          if (home_.faults_.Strikes(Fault::kMailLost, 0.02)) {
                            home_.begin_anew_ = true;
                            return home_.world_.Tell(NameOf(home_.node_), "loses an answer in its mailbox");
                          }
                          Hear(weak, done, std::move(reply), alone);
                        });
  }

  void OnStarted(const Saga&) override {}
  void OnFinished(const Saga&) override {}
  void OnRecovered(const Plan&, const Saga&) override {}
  void OnReplied(const Plan&, const Replied& reply, bool stale) override {
    if (stale) home_.faults_.tally().Count(Outcome::kStaleReply);
    if (reply.outcome == unwind::Outcome::kFenced) home_.faults_.tally().Count(Outcome::kFenced);
  }
  void OnParked(const Saga&, const std::string&) override {}
  void OnQuarantined(const Saga& saga) override {
    home_.faults_.tally().Count(Outcome::kQuarantined);
    home_.world_.Tell(NameOf(home_.node_), "sets saga ", saga.id, " aside");
    if (!home_.store_.IsRefused(saga.id)) {
      home_.world_.Violate("I24", absl::StrCat("saga ", saga.id, " stands still, and the store takes its row"));
    }
  }
  void OnUnreadable() override { home_.world_.Violate("I16", "a row cannot be read"); }
  void OnShed(const std::string& saga_id) override {
    home_.faults_.tally().Count(Outcome::kShed);
    if (home_.bug_ == Bug::kShedMailLost) shed_.insert(saga_id);
  }
  void OnTurn(std::size_t, std::size_t, absl::Duration) override {}
  void OnCommitFailed() override {}
  void OnTakenOver(std::size_t, std::size_t) override {}

  std::weak_ptr<Process> self;
  const bool tells_apart;
  bool alive = true;
  bool paused = false;
  int pauses = 0;        // that began
  bool turning = false;  // a turn is under way: it is in the store
  absl::Time next_turn = absl::InfiniteFuture();

 private:
  void Hear(const std::weak_ptr<Process>& weak, const std::function<void(CallResult)>& done, Reply reply, bool alone) {
    const auto mine = weak.lock();
    if (mine == nullptr || !mine->alive) return;
    if (reply.cut && home_.bug_ == Bug::kCutRefused) {
      reply = {absl::FailedPreconditionError("taken as refused"), "", /*effect_free=*/true};
    }
    CallResult result;
    result.failure = ReadFailure(ToGrpc(reply.status));
    result.effect_free = !reply.status.ok() && reply.effect_free;
    result.is_answered = !reply.cut;
    result.pending = reply.pending && home_.bug_ != Bug::kPendingIsOk;
    result.retry_after = reply.retry_after;
    result.by_transport = reply.cut && !alone;  // one that was alone is at fault itself
    if (reply.status.ok()) result.reply = std::move(reply.bytes);
    if (!reply.status.ok() && home_.faults_.Strikes(Fault::kAsksToWait, 0.3)) {
      result.retry_after = home_.world_.dice().Spread(absl::Milliseconds(1), absl::Minutes(2));
    }
    done(std::move(result));
    home_.Poke(mine);
  }

  Orchestrator& home_;
  const Lease lease_;
  const std::unique_ptr<DefinitionCatalog> catalog_;
  std::set<std::string> shed_;  // for Bug::kShedMailLost
  Driver driver_;
};

Orchestrator::Orchestrator(World& world, Faults& faults, Network& network, Store& store, const Shop& shop,
                           Edition edition, Bug bug, Node node, AcceptedHook accepted)
    : world_(world),
      faults_(faults),
      network_(network),
      store_(store),
      shop_(shop),
      edition_(edition),
      bug_(bug),
      node_(node),
      accepted_(std::move(accepted)),
      clock_(world),
      turn_(world.dice().Spread(absl::Microseconds(200), absl::Milliseconds(10))),
      shards_(static_cast<std::size_t>(world.dice().Between(1, 3))),
      saga_memory_(world.dice().Chance(0.3) ? static_cast<std::size_t>(world.dice().Between(0, 30'000)) : kAmple) {
  Start();
}

Orchestrator::~Orchestrator() = default;

bool Orchestrator::runs() const { return current_ != nullptr && !current_->paused; }

void Orchestrator::Start() {
  if (current_ != nullptr) return;
  const absl::StatusOr<Lease> lease = store_.Acquire(NameOf(node_), NameOf(node_), kLease);
  if (!lease.ok()) return StartLater();
  DriverOptions options;
  options.shards = shards_;
  options.seed = world_.dice().Next() | 1;
  options.saga_memory_max = saga_memory_;
  if (faults_.on(Fault::kQueueFull)) {
    options.in_flight_max = static_cast<std::size_t>(world_.dice().Between(2, 10));
    options.queue_memory_max = static_cast<std::size_t>(world_.dice().Between(0, 5'000));
    begin_anew_ = true;
  }
  auto process = std::make_shared<Process>(*this, *lease, options);
  process->self = process;
  if (!process->driver().ReadPauses().ok() || !process->driver().Recover().ok()) return StartLater();
  current_ = process;
  world_.Tell(NameOf(node_), "starts in epoch ", lease->epoch);
  Poke(process);
  RenewLater(process);
  ClaimLater(process);
  StartFollowersLater(process);
  LearnLater(process);
}

void Orchestrator::StartLater() {
  if (starts_later_) return;
  starts_later_ = true;
  world_.In(world_.dice().Spread(absl::Milliseconds(50), absl::Seconds(20)), [this] {
    starts_later_ = false;
    Start();
  });
}

void Orchestrator::Crash() {
  if (current_ == nullptr) return;
  world_.Tell(NameOf(node_), "is dead");
  End(current_);
  StartLater();
}

void Orchestrator::SwitchPolicyOn() {
  if (std::exchange(tells_apart_, true)) return;
  world_.Tell(NameOf(node_), "begins to tell its callers apart");
  while (!zombies_.empty()) End(zombies_.back());
  Crash();
}

// Callbacks that are under way find it dead; nothing of it is reached any more.
void Orchestrator::End(const std::shared_ptr<Process>& process) {
  process->alive = false;
  if (current_ == process) current_.reset();
  std::erase(zombies_, process);
}

void Orchestrator::Pause(absl::Duration length, bool replaced) {
  const std::shared_ptr<Process> process = current_;
  if (process == nullptr || process->paused) return;
  world_.Tell(NameOf(node_), "stands still");
  process->paused = true;
  ++process->pauses;
  if (replaced) {
    zombies_.push_back(process);
    current_.reset();
    StartLater();
  }
  world_.In(length, [this, process, replaced] {
    process->paused = false;
    if (!process->alive) return;
    world_.Tell(NameOf(node_), replaced ? "goes on as a zombie of epoch " : "goes on in epoch ",
                process->lease().epoch);
    Poke(process);
    RenewLater(process);
  });
}

void Orchestrator::Jump(absl::Duration by) {
  world_.Tell(NameOf(node_), "'s clock jumps by ", absl::FormatDuration(by));
  clock_.set_error(clock_.error() + by);
  if (current_ != nullptr) Poke(current_);
}

void Orchestrator::Ask(const std::string& saga_id, const Event& event, std::int64_t seen_version) {
  if (current_ == nullptr) return;
  store_.NoteAsked(saga_id);
  current_->driver().Ask(saga_id, event, seen_version, [](const Progress&) {});
  Poke(current_);
}

void Orchestrator::PauseDefinition(const std::string& definition) {
  const std::shared_ptr<Process> process = current_;
  if (process == nullptr || process->paused) return;
  if (!store_.PutPause(definition, "operator", "simulated").ok()) return;
  const auto held = [this, weak = std::weak_ptr<Process>(process), definition,
                     ended = store_.pauses_ended()](const absl::Status& status) {
    const auto mine = weak.lock();
    if (mine == nullptr || !mine->alive || !status.ok() || store_.pauses_ended() != ended) return;
    world_.Tell(NameOf(node_), "begins no saga of ", definition, " any more");
    faults_.tally().Count(Outcome::kPauseHeld);
    store_.HoldPause(mine->lease(), definition);
  };
  if (bug_ == Bug::kPauseNotHeld) return held(process->driver().ReadPauses());
  process->driver().HoldPauses(held);
  Poke(process);
}

void Orchestrator::Heal() {
  clock_.set_error(absl::ZeroDuration());
  if (current_ == nullptr) return;
  if (begin_anew_) return Crash();
  Poke(current_);
}

void Orchestrator::ScheduleTurn(const std::shared_ptr<Process>& process, absl::Time when) {
  if (when >= process->next_turn) return;
  process->next_turn = when;
  world_.At(when, [this, process, when] {
    if (process->next_turn != when) return;
    process->next_turn = absl::InfiniteFuture();
    if (process->alive && !process->paused) Turn(process);
  });
}

void Orchestrator::Poke(const std::shared_ptr<Process>& process) {
  ScheduleTurn(process, world_.now() + world_.dice().Between(turn_ / 2, turn_ * 2));
}

void Orchestrator::Turn(const std::shared_ptr<Process>& process) {
  const auto wait_for = [this](absl::Time due) {
    return std::clamp(due - clock_.Now(), absl::Milliseconds(1), kIdleTurnEvery);
  };
  if (process->turning) {
    process->driver().AnswerLate();
    return ScheduleTurn(process, world_.now() + wait_for(process->driver().NextLate()));
  }
  const StoreCaller caller{.crash =
                               [this, process] {
                                 world_.Tell(NameOf(node_), "dies at a commit");
                                 process->alive = false;
                               },
                           .block = [this, process](absl::Time until) { Block(process, until); }};
  const StoreCaller* const interrupted = store_.set_caller(&caller);
  process->turning = true;
  const bool worked = process->driver().Turn();
  process->turning = false;
  store_.set_caller(interrupted);
  if (process->driver().lease_lost()) world_.Tell(NameOf(node_), "lost its lease and leaves");
  if (!process->alive || process->driver().lease_lost()) {
    const bool was_current = process == current_;
    End(process);
    if (was_current) StartLater();
    return;
  }
  if (worked) return Poke(process);
  const absl::Time due = process->driver().NextDue();
  if (due == absl::InfiniteFuture()) return;
  ScheduleTurn(process, world_.now() + wait_for(due));
}

// The thread of its turn stands still; its other threads and all else in the world go on.
void Orchestrator::Block(const std::shared_ptr<Process>& process, absl::Time until) {
  world_.At(until, [] {});
  Poke(process);
  while ((world_.now() < until || process->paused) && world_.violations().empty() && world_.Step()) continue;
}

void Orchestrator::RenewLater(const std::shared_ptr<Process>& process) {
  world_.In(kRenewEvery, [this, process] {
    if (!process->alive || process->paused) return;
    if (absl::IsAborted(store_.Renew(process->lease(), kLease))) {
      world_.Tell(NameOf(node_), "finds its name taken and leaves");
      const bool was_current = process == current_;
      End(process);
      if (was_current) StartLater();
      return;
    }
    RenewLater(process);
  });
}

void Orchestrator::ClaimLater(const std::shared_ptr<Process>& process) {
  world_.In(world_.dice().Between(kClaimEvery / 2, kClaimEvery * 3 / 2), [this, process] {
    if (!process->alive) return;
    if (!process->paused) {
      process->driver().ReadPauses().IgnoreError();
      process->driver().Claim(kClaimBatch).IgnoreError();
      const bool looks = bug_ != Bug::kWokenLate || absl::ToUnixSeconds(world_.now()) % 30 == 0;
      if (looks) process->driver().WakeResting().IgnoreError();
      Poke(process);
    }
    ClaimLater(process);
  });
}

// As Maintenance does.
void Orchestrator::StartFollowersLater(const std::shared_ptr<Process>& process) {
  world_.In(world_.dice().Between(kFollowersEvery / 2, kFollowersEvery * 3 / 2), [this, process] {
    if (!process->alive) return;
    if (!process->paused) {
      const absl::StatusOr<Driver::Swept> follow = process->driver().StartFollowers();
      if (follow.ok() && follow->sagas > 0) Poke(process);
    }
    StartFollowersLater(process);
  });
}

void Orchestrator::LearnLater(const std::shared_ptr<Process>& process) {
  world_.In(world_.dice().Between(kLearnEvery / 2, kLearnEvery * 3 / 2), [this, process] {
    if (!process->alive) return;
    if (!process->paused) process->Learn();
    LearnLater(process);
  });
}

// What a process says after its death is not heard.
Respond Orchestrator::ByLiving(const std::shared_ptr<Process>& process, Respond respond) {
  return [weak = std::weak_ptr<Process>(process), respond = std::move(respond)](Reply reply) {
    const auto mine = weak.lock();
    if (mine != nullptr && mine->alive) respond(std::move(reply));
  };
}

// I23: a caller is answered before its deadline if the process lives and runs until then and its clock does not
// jump, whatever the store does.
Respond Orchestrator::InTime(const std::shared_ptr<Process>& process, const Request& request, Respond respond) {
  const auto answered = std::make_shared<bool>(false);
  world_.In(request.timeout, [this, answered, what = request.Text(), weak = std::weak_ptr<Process>(process),
                              pauses = process->pauses, jumps = clock_.jumps()] {
    const auto mine = weak.lock();
    const bool ran = mine != nullptr && mine->alive && mine->pauses == pauses && clock_.jumps() == jumps;
    if (ran && !*answered) world_.Violate("I23", absl::StrCat("the caller of ", what, " was not answered in time"));
  });
  return [answered, respond = std::move(respond)](Reply reply) {
    *answered = true;
    respond(std::move(reply));
  };
}

void Orchestrator::Serve(const Request& request, Respond respond) {
  // Those who were connected to a zombie before may still be.
  std::shared_ptr<Process> process = current_;
  if (!zombies_.empty() && world_.dice().Chance(0.3)) process = zombies_.back();
  if (process->paused) return world_.Tell(NameOf(node_), "does not read it");
  respond = ByLiving(process, std::move(respond));
  if (request.method == kNudge) {
    Nudge(process, request, respond);
  } else if (request.method == kCancelSaga) {
    store_.NoteAsked(request.bytes);
    process->driver().Ask(request.bytes, CancelRequested{"operator", "simulated"}, 0,
                          [respond](const Progress& progress) {
                            respond({progress.status, "", false});
                          });
  } else {
    Accept(process, request, std::move(respond));
  }
  if (process->alive) Poke(process);
}

// As NudgeService does.
void Orchestrator::Nudge(const std::shared_ptr<Process>& process, const Request& request, const Respond& respond) {
  ::saga::participant::v1::NudgeRequest nudge;
  nudge.ParseFromString(request.bytes);
  process->driver().Nudge(nudge.saga_id(), nudge.step(), [respond](const absl::Status& status) {
    respond({status, "", false});
  });
}

// I27: who is told for now that his saga goes on asked before it turned back.
void Orchestrator::CheckToldForNow(const Saga& saga, absl::Time asked) {
  faults_.tally().Count(Outcome::kToldForNow);
  if (store_.TurnedBack(saga.id) >= asked) return;
  world_.Violate("I27",
                 absl::StrCat(NameOf(node_), " says of saga ", saga.id, " that it goes on, to one who asked ",
                              absl::FormatDuration(asked - store_.TurnedBack(saga.id)), " after it had turned back"));
}

// As ServedMethods does with a call over gRPC.
void Orchestrator::Accept(const std::shared_ptr<Process>& process, const Request& request, Respond respond) {
  const auto read = [&]() -> absl::StatusOr<NewSaga> {
    NewSaga saga;
    saga.definition = process->catalog().ServedBy(request.method);
    if (saga.definition == nullptr) return absl::UnimplementedError("no method");
    const std::unique_ptr<google::protobuf::Message> input = saga.definition->NewInput();
    if (!input->ParseFromString(request.bytes)) return absl::InvalidArgumentError("no such message");
    RETURN_IF_ERROR(CheckFields(*saga.definition, *input, std::nullopt));
    ASSIGN_OR_RETURN(saga.key, ReadKey(*saga.definition, *input, std::nullopt));
    saga.input = DeterministicBytes(*input);
    saga.input_hash = HexSha256(saga.input);
    if (process->tells_apart) saga.key_scope = ScopeOf(*input);
    return saga;
  };
  absl::StatusOr<NewSaga> saga = read();
  if (!saga.ok()) return respond({saga.status(), "", false});
  if (faults_.Strikes(Fault::kMailLost, 0.05)) return world_.Tell(NameOf(node_), "loses a request in its mailbox");
  respond = InTime(process, request, std::move(respond));
  const absl::Time answer_by = AnswerBy(clock_.Now(), clock_.Now() + request.timeout, request.timeout);
  const std::string definition = saga->definition->plan().name, key = saga->key;
  process->driver().Accept(
      *std::move(saga), answer_by,
      [this, process_alive = std::weak_ptr<Process>(process), definition, key](const std::string& saga_id) {
        const auto mine = process_alive.lock();
        if (mine == nullptr || !mine->alive) return;
        const absl::StatusOr<Saga> stored = store_.rows().Load(saga_id);
        if (mine->tells_apart && stored.ok() && stored->key_scope.empty()) {
          faults_.tally().Count(Outcome::kFoundFromBefore);
        }
        accepted_(definition, key, saga_id);
      },
      [this, weak = std::weak_ptr<Process>(process), asked = world_.now(),
       respond = std::move(respond)](const Progress& progress) {
        const auto mine = weak.lock();
        if (mine == nullptr || !mine->alive) return;
        absl::StatusOr<std::string> answer = Answer(mine->catalog(), progress, clock_.Now());
        if (answer.ok() && !IsTerminal(progress.saga.state)) CheckToldForNow(progress.saga, asked);
        if (!answer.ok()) return respond({answer.status(), "", false});
        respond({absl::OkStatus(), *std::move(answer), false});
      });
}

}  // namespace unwind::sim
