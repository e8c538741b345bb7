#include "tests/sim/invariants.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "orchestrator/api/served_call.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"
#include "payment_svc/collect.h"
#include "saga/participant/v1/nudge_service.pb.h"
#include "tests/sim/load.h"
#include "tests/sim/nudges.h"
#include "tests/sim/orchestrator.h"
#include "tests/sim/sale_laws.h"

namespace unwind::sim {
namespace {

bool IsOrchestrator(Node node) { return node == Node::kOrchestratorA || node == Node::kOrchestratorB; }

Phase PhaseOf(const Request& request) {
  const absl::string_view phase = request.Metadata("saga-phase");
  return phase == "action" ? Phase::kAction : phase == "compensation" ? Phase::kCompensation : Phase::kResolve;
}

// What is compared when an answer must not change. The saga's state of the day is no part of it.
std::string Digest(const Reply& reply) {
  if (reply.status.ok()) return absl::StrCat("OK ", reply.bytes);
  return absl::StrCat(absl::StatusCodeToString(reply.status.code()), " ", GetErrorInfo(reply.status).reason);
}

std::string Short(const std::string& digest) { return digest.substr(0, digest.find(' ')); }

}  // namespace

Invariants::Invariants(World& world, Faults& faults, Store& store, const DefinitionCatalog& catalog)
    : world_(world), faults_(faults), store_(store), catalog_(catalog) {}

std::shared_ptr<const Definition> Invariants::DefinitionOf(const Saga& saga) const {
  return catalog_.Find(saga.definition, saga.definition_version);
}

// I16: nothing is sent before the commit that says so.
void Invariants::Sent(Node from, Node, const Request& request) {
  if (!IsOrchestrator(from)) return;
  const std::string id(request.Metadata("saga-id"));
  const absl::StatusOr<Saga> saga = store_.rows().Load(id);
  int attempt = 0, step = -1;
  if (saga.ok()) {
    step = static_cast<int>(StepNamed(DefinitionOf(*saga)->plan(), std::string(request.Metadata("saga-step"))));
  }
  if (!absl::SimpleAtoi(request.Metadata("saga-attempt"), &attempt) ||
      !store_.IsAuthorised(id, step, PhaseOf(request), attempt)) {
    world_.Violate("I16", absl::StrCat(request.Text(), " of saga ", id, " was sent, and no stored decision says so"));
  } else if (!request.Metadata("saga-decide").empty()) {
    CheckDecides(*saga, step);
  }
}

// I26.
void Invariants::CheckDecides(const Saga& saga, int step) {
  faults_.tally().Count(Outcome::kDecided);
  if (saga.steps[static_cast<std::size_t>(step)].decides) return;
  world_.Violate("I26", absl::StrCat("saga ", saga.id, " ends a wait, and its row does not say so"));
}

// I26: only who accepts it is told so, and what had an end has it for ever.
void Invariants::CheckPending(const Request& request) {
  faults_.tally().Count(Outcome::kPending);
  if (request.Metadata("saga-accepts") != "pending") {
    world_.Violate("I26",
                   absl::StrCat(request.Text(), " is told that it is not finished, and does not know what that is"));
  }
  if (answers_.count(std::string(request.Metadata("idempotency-key"))) > 0) {
    world_.Violate("I12", absl::StrCat(request.Text(), " was finished, and now is not"));
  }
}

void Invariants::Answered(Node to, const Request& request, const Reply& reply) {
  if (ErrorInfo info = GetErrorInfo(reply.status);
      info.reason == "SAGA_QUARANTINED" && !store_.IsRefused(info.metadata["saga_id"])) {
    world_.Violate("I24", absl::StrCat(request.Text(), " was told that its saga stands still, and the store takes it"));
  }
  if (!request.Metadata("saga-id").empty()) CheckStepAnswer(request, reply);
  const bool is_served = IsOrchestrator(to) && request.method != kCancelSaga && request.method != kNudge;
  if (is_served) CheckServedAnswer(request, reply);
}

// I12: a repeat is answered with the same bytes. A lasting answer is one that was stored.
void Invariants::CheckStepAnswer(const Request& request, const Reply& reply) {
  if (reply.pending) return CheckPending(request);
  if (!reply.status.ok() && !reply.effect_free) return;
  const std::string key(request.Metadata("idempotency-key"));
  const auto [answer, first] = answers_.emplace(key, Digest(reply));
  if (!first && answer->second != Digest(reply)) {
    world_.Violate("I12", absl::StrCat(key, " was answered ", Short(answer->second), ", and now ", Digest(reply)));
  }
  if (first && reply.status.ok() && PhaseOf(request) == Phase::kCompensation) {
    undone_[absl::StrCat(request.Metadata("saga-id"), "/", request.Metadata("saga-step"))] = ++undone_count_;
  }
}

// I17: a final answer is never contradicted nor tells the caller to repeat the call, and one key is one saga.
void Invariants::CheckServedAnswer(const Request& request, const Reply& reply) {
  if (!IsFinal(request.method, reply)) return;
  if (absl::IsUnavailable(reply.status) || absl::IsResourceExhausted(reply.status)) {
    world_.Violate("I17", absl::StrCat(request.Text(), " was answered for ever: ", Digest(reply)));
  }
  const auto definition = catalog_.ServedBy(request.method);
  const auto input = definition->NewInput();
  input->ParseFromString(request.bytes);
  const std::string key = definition->Key(*input);
  const std::string digest = Digest(reply);
  const auto [told, first] = told_.emplace(absl::StrCat(request.method, "\n", key, "\n", request.bytes),
                                           Told{definition->plan().name, ScopeOf(*input), key, request.bytes, digest});
  if (!first && told->second.answer != digest) {
    world_.Violate("I17", absl::StrCat("the caller of ", key, " was told ", told->second.answer, ", and now ", digest));
  }
}

void Invariants::Accepted(const std::string& definition, const std::string& key, const std::string& saga_id) {
  const auto [known, first] = accepted_.emplace(absl::StrCat(definition, "/", key), saga_id);
  if (!first && known->second != saga_id) {
    world_.Violate("I17", absl::StrCat("key ", key, " is saga ", known->second, ", and now ", saga_id));
  }
  if (!store_.rows().Load(saga_id).ok()) {
    world_.Violate("I7", absl::StrCat("saga ", saga_id, " was promised and is not stored"));
  }
}

bool Invariants::IsSettled(const Request& request) const {
  const std::string saga_id(request.method == kCancelSaga ? request.bytes : request.Metadata("saga-id"));
  if (request.method == kNudge) {
    ::saga::participant::v1::NudgeRequest nudge;
    nudge.ParseFromString(request.bytes);
    const absl::StatusOr<Saga> saga = store_.rows().Load(nudge.saga_id());
    return !saga.ok() || IsTerminal(saga->state);
  }
  if (!saga_id.empty()) {
    const absl::StatusOr<Saga> saga = store_.rows().Load(saga_id);
    return saga.ok() && IsTerminal(saga->state);
  }
  const auto definition = catalog_.ServedBy(request.method);
  if (definition == nullptr) {  // payment_svc's to the gateway, for a saga whose id is in its key
    const std::set<std::string>& refused = store_.refused();
    return std::none_of(refused.begin(), refused.end(),
                        [&](const std::string& id) { return absl::StrContains(request.bytes, id); });
  }
  const auto input = definition->NewInput();
  input->ParseFromString(request.bytes);
  return store_.rows().LoadByKey(definition->plan().name, ScopeOf(*input), definition->Key(*input)).ok();
}

void Invariants::CheckBooks(const Books& books, int scarce) {
  for (const auto& [name, what] : Contradictions(books, scarce)) world_.Violate(name, what);
}

void Invariants::CheckEnd(const Books& books, const std::set<std::string>& poisoned, const Customers& customers) {
  for (const Saga& saga : store_.All()) {
    CountOutcomes(saga);
    CheckHistory(saga);
    if (!saga.parent.empty()) CheckFollower(world_, saga, store_.rows().Load(saga.parent), books);
    if (!IsTerminal(saga.state) && store_.IsRefused(saga.id)) continue;  // it stands as it is stored
    if (saga.state == SagaState::kParked) {
      if (IsUnbuilt(saga)) continue;
      if (poisoned.count(saga.id) == 0 || saga.failure.reason.empty()) {
        world_.Violate("I22",
                       absl::StrCat("saga ", saga.id, " is parked for no reason of ours: ", saga.failure.reason));
      }
      continue;
    }
    if (!IsTerminal(saga.state)) {
      world_.Violate("I7", absl::StrCat("saga ", saga.id, " is still ", NameOf(saga.state)));
      continue;
    }
    if (saga.state == SagaState::kAborted && saga.failure.reason.empty()) {
      world_.Violate("I22", absl::StrCat("saga ", saga.id, " was undone without a reason"));
    }
    CheckUndoOrder(saga, DefinitionOf(saga)->plan());
    if (saga.definition == "place-order") CheckOrder(saga, books);
    if (saga.definition == "cancel-order") CheckCancel(saga, books);
    if (saga.definition == "sale") CheckSale(world_, saga, books);
  }
  CheckOrphans(books);
  CheckTold();
  CheckPaid(world_, customers.paid(), books);
  CheckCancelled(world_, customers.cancelled(), books);
}

// I14, I18: the history is whole, and folding it gives the row.
void Invariants::CheckHistory(const Saga& saga) {
  const std::vector<HistoryEvent> history = store_.WholeHistory(saga.id);
  Saga folded;
  folded.id = saga.id;
  folded.definition = saga.definition;
  folded.definition_version = saga.definition_version;
  folded.key_scope = saga.key_scope;
  folded.key = saga.key;
  folded.input = saga.input;
  folded.input_hash = saga.input_hash;
  folded.trace = saga.trace;
  folded.parent = saga.parent;
  folded.owner = saga.owner;
  folded.steps.resize(saga.steps.size());
  std::int64_t seq = 0;
  for (const HistoryEvent& event : history) {
    if (event.seq != ++seq) world_.Violate("I14", absl::StrCat("saga ", saga.id, " has no event ", seq));
    Decision decision = Advance(DefinitionOf(saga)->plan(), folded, event.event, event.moment);
    if (decision.sends != event.sends || decision.next.state != event.state) {
      world_.Violate("I18", absl::StrCat("event ", seq, " of saga ", saga.id, " is another when it is decided again"));
    }
    CheckWaits(world_, DefinitionOf(saga)->plan(), folded, event, decision.next);
    folded = std::move(decision.next);
  }
  if (folded != saga) world_.Violate("I18", absl::StrCat("the history of saga ", saga.id, " does not give its row"));
}

// I8, I4: everything or nothing.
void Invariants::CheckOrder(const Saga& saga, const Books& books) {
  const auto order = books.orders.find(saga.id);
  const auto reservation = books.reservations.find(saga.id);
  const auto payment = books.payments.find(saga.id);
  const bool captured = books.captures.count(payment::ChargeKey(saga.id)) > 0;
  const auto say = [&](const char* what) {
    world_.Violate("I8", absl::StrCat("saga ", saga.id, " is ", NameOf(saga.state), ", ", what));
  };
  if (saga.state == SagaState::kCompleted) {
    if (order == books.orders.end() || order->second.state == order::State::kPending ||
        order->second.state == order::State::kFailed) {
      say("its order is not paid");
    }
    if (reservation == books.reservations.end() ||
        (reservation->second.state != stock::State::kSold && reservation->second.state != stock::State::kReturned)) {
      say("its pieces are not sold");
    } else if (order != books.orders.end() && order->second.total != reservation->second.total) {
      say("its order costs something else than its pieces");
    }
    if (!captured || payment == books.payments.end()) say("and the gateway took no money");
    return;
  }
  if (order != books.orders.end() && order->second.state != order::State::kFailed) say("its order is not failed");
  if (reservation != books.reservations.end() && reservation->second.state != stock::State::kReleased) {
    say("its pieces are not back on the shelf");
  }
  if (captured) say("and the gateway has the money");
  if (payment != books.payments.end() && payment->second.state != payment::State::kFailed) say("its payment is open");
}

void Invariants::CheckCancel(const Saga& saga, const Books& books) {
  const auto refund = books.refunds.find(saga.id);
  const bool repaid = books.repaid.count(payment::RefundKey(saga.id)) > 0;
  const std::string canceller = absl::StrCat(saga.id, "/start_cancel");
  std::string order_id;
  for (const auto& [id, order] : books.orders) {
    if (absl::EndsWith(order.canceller, canceller)) order_id = id;
  }
  const auto say = [&](const char* what) {
    world_.Violate("I8", absl::StrCat("cancellation ", saga.id, " is ", NameOf(saga.state), ", ", what));
  };
  if (saga.state == SagaState::kAborted) {
    if (repaid) say("and the gateway paid back");
    if (!order_id.empty()) say("and its order is under cancellation");
    if (refund != books.refunds.end() && refund->second.state != payment::State::kFailed) say("its refund is open");
    return;
  }
  if (order_id.empty() || books.orders.at(order_id).state != order::State::kCancelled)
    return say("its order is not cancelled");
  if (!repaid || refund == books.refunds.end() || refund->second.state != payment::State::kSuccess) {
    say("and nothing was paid back");
  }
  if (books.reservations.at(order_id).state != stock::State::kReturned) say("its pieces are not back on the shelf");
}

// I7: nothing is invented.
void Invariants::CheckOrphans(const Books& books) {
  std::set<std::string> sagas;
  for (const Saga& saga : store_.All()) sagas.insert(saga.id);
  const auto belongs = [&](const std::string& id, const char* what) {
    if (sagas.count(id) == 0) world_.Violate("I7", absl::StrCat(what, " ", id, " belongs to no saga"));
  };
  for (const auto& [id, row] : books.orders) belongs(id, "order");
  for (const auto& [id, row] : books.reservations) belongs(id, "reservation");
  for (const auto& [id, row] : books.payments) belongs(id, "payment");
  for (const auto& [id, row] : books.refunds) belongs(id, "refund");
  for (const auto& [id, state] : books.parcels) belongs(id, "parcel");
  for (const auto& [id, row] : books.notes) belongs(id, "note");
  for (const auto& [key, entry] : books.captures) {
    if (books.payments.count(payment::PaymentIdOf(key)) == 0) {
      world_.Violate("I5", absl::StrCat("capture ", key, " belongs to no payment"));
    }
  }
}

// I17, I7: what callers were told is what is stored, of one body a key.
void Invariants::CheckTold() {
  for (const auto& [id, told] : told_) {
    const absl::StatusOr<Saga> saga = store_.rows().LoadByKey(told.definition, told.key_scope, told.key);
    if (!saga.ok()) {
      if (!absl::StartsWith(told.answer, "INVALID_ARGUMENT")) {
        world_.Violate("I7", absl::StrCat("the caller of ", told.key, " was told ", told.answer, ", there is no saga"));
      }
      continue;
    }
    const bool same_body = saga->input == told.body;
    const absl::StatusOr<std::string> answer = Answer(catalog_, {absl::OkStatus(), *saga}, world_.now());
    const std::string now = same_body ? Digest({answer.status(), answer.ok() ? *answer : "", false})
                                      : std::string("INVALID_ARGUMENT KEY_REUSED");
    if (told.answer != now) {
      world_.Violate("I17",
                     absl::StrCat("the caller of ", told.key, " was told ", told.answer, "; the saga says ", now));
    }
  }
}

// I9: a step is undone only after those that came after it.
void Invariants::CheckUndoOrder(const Saga& saga, const Plan& plan) {
  for (std::size_t j = 0; j < plan.steps.size(); ++j) {
    for (const int before : plan.steps[j].after) {
      const auto earlier = undone_.find(absl::StrCat(saga.id, "/", plan.steps[static_cast<std::size_t>(before)].name));
      const auto later = undone_.find(absl::StrCat(saga.id, "/", plan.steps[j].name));
      if (earlier == undone_.end() || later == undone_.end() || later->second < earlier->second) continue;
      world_.Violate("I9", absl::StrCat("saga ", saga.id, " undid ", plan.steps[static_cast<std::size_t>(before)].name,
                                        " before ", plan.steps[j].name));
    }
  }
}

void Invariants::CountOutcomes(const Saga& saga) {
  Tally& tally = faults_.tally();
  ++tally.sagas;
  if (saga.state == SagaState::kCompleted) tally.Count(Outcome::kCompleted);
  if (saga.state == SagaState::kCompleted && saga.definition == "cancel-order") tally.Count(Outcome::kOrderCancelled);
  if (saga.state == SagaState::kAborted) tally.Count(Outcome::kAborted);
  if (saga.state == SagaState::kParked) tally.Count(Outcome::kParked);
  constexpr std::pair<const char*, Outcome> reasons[] = {
      {"SAGA_CANCELLED", Outcome::kCancelled},
      {"SAGA_DEADLINE", Outcome::kDeadline},
      {"STOCK_NOT_ENOUGH", Outcome::kStockNotEnough},
      {"PRODUCT_NOT_FOUND", Outcome::kProductNotFound},
      {"PAYMENT_FAILED", Outcome::kPaymentFailed},
      {"PAYMENT_TIMEOUT", Outcome::kPaymentTimeout},
      {"PAYMENT_EXPIRED", Outcome::kPaymentExpired},
      {"PAYMENT_CANCELLED", Outcome::kPaymentCancelled},
      {"STEP_NOT_FINISHED", Outcome::kNotFinishedInTime},
      {"ORDER_ALREADY_EXISTS", Outcome::kOrderAlreadyExists},
  };
  for (const auto& [reason, outcome] : reasons) {
    if (saga.failure.reason == reason) tally.Count(outcome);
  }
  for (const Step& step : saga.steps) {
    if (step.state == StepState::kCompensated) tally.Count(Outcome::kCompensated);
  }
  for (const HistoryEvent& event : store_.WholeHistory(saga.id)) {
    if (std::holds_alternative<TakenOver>(event.event)) tally.Count(Outcome::kTakenOver);
    const auto* const reply = std::get_if<Replied>(&event.event);
    if (reply == nullptr || reply->phase != Phase::kResolve) continue;
    if (reply->outcome == unwind::Outcome::kOk) tally.Count(Outcome::kResolvedHappened);
    if (reply->outcome == unwind::Outcome::kRefused) tally.Count(Outcome::kResolvedNever);
  }
}

}  // namespace unwind::sim
