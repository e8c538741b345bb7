#include "tests/sim/sale_laws.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"
#include "tests/sim/sale.pb.h"

namespace unwind::sim {
namespace {

constexpr char kUnbuilt[] = "PARENT_NOT_READ";
// After the time of a wait: a sweep and a turn; and before that who has just started may have to learn its definition.
constexpr absl::Duration kLearntWithin = absl::Seconds(10);
constexpr absl::Duration kEndedWithin = absl::Seconds(4);

bool IsAnswer(const HistoryEvent& event, std::size_t step) {
  const auto* const reply = std::get_if<Replied>(&event.event);
  return reply != nullptr && reply->step == static_cast<int>(step);
}

bool IsNo(const HistoryEvent& event) {
  const auto outcome = std::get<Replied>(event.event).outcome;
  return outcome == unwind::Outcome::kRefused || outcome == unwind::Outcome::kFenced;
}

// What the note of `child` must say.
bool TextFits(const Saga& child, const Saga& parent, const std::string& text) {
  ::sim::v1::BuyRequest input;
  input.ParseFromString(parent.input);
  if (child.definition == "after-sale") return text == input.member_id();
  if (child.definition == "after-shelf") return absl::StartsWith(text, "shelf-");
  if (child.definition == "after-unpaid") return text == parent.failure.reason;
  return text == "again";
}

}  // namespace

void CheckWaits(World& world, const Plan& plan, const Saga& before, const HistoryEvent& event, const Saga& after) {
  const auto say = [&](std::size_t i, const char* what) {
    world.Violate("I26", absl::StrCat("saga ", before.id, ", event ", event.seq, ": ", what, " ", plan.steps[i].name));
  };
  for (std::size_t i = 0; i < before.steps.size(); ++i) {
    const Step& was = before.steps[i];
    const Step& is = after.steps[i];
    const bool is_over = after.cancel_requested || event.moment.now >= was.wait_until;
    if (!was.decides && is.decides && !is_over) say(i, "too early it is decided what becomes of");
    const bool gives_up = !before.backward && after.backward && after.failure.reason == "STEP_NOT_FINISHED" &&
                          after.failure.step == plan.steps[i].name;
    if (gives_up && !is_over) say(i, "too early nobody waits any more for");
    const bool asks = was.state == StepState::kWaiting && was.phase == Phase::kAction && is.phase == Phase::kResolve;
    const bool was_told = IsAnswer(event, i) && IsNo(event);
    if (asks && !is.decides && !was_told) say(i, "nothing has ended the wait for");
    const bool is_pending = IsAnswer(event, i) && std::get<Replied>(event.event).outcome == unwind::Outcome::kPending;
    if (is_pending && is.state == StepState::kSucceeded) say(i, "what is not finished is taken as done:");
  }
}

void CheckLateWaits(World& world, const Plan& plan, const Saga& saga, absl::Time well_since) {
  for (std::size_t i = 0; i < saga.steps.size(); ++i) {
    if (!WaitMayEnd(plan, saga, i)) continue;
    const absl::Time until = std::max(saga.steps[i].wait_until, well_since + kLearntWithin);
    if (world.now() < until + kEndedWithin) continue;
    world.Violate("I30", absl::StrCat("saga ", saga.id, " still waits for ", plan.steps[i].name, ", ",
                                      absl::FormatDuration(world.now() - until), " after its time"));
  }
}

void CheckSale(World& world, const Saga& saga, const Books& books) {
  const auto reservation = books.reservations.find(saga.id);
  const auto payment = books.payments.find(saga.id);
  const auto parcel = books.parcels.find(saga.id);
  const std::vector<pg::Entry> captures = books.CapturesOf(saga.id);
  const auto say = [&](const char* what) {
    world.Violate("I8", absl::StrCat("sale ", saga.id, " is ", NameOf(saga.state), ", ", what));
  };
  if (saga.state == SagaState::kCompleted) {
    const bool is_sold = reservation != books.reservations.end() && reservation->second.state == stock::State::kSold;
    if (!is_sold) say("its pieces are not sold");
    if (parcel == books.parcels.end() || parcel->second != ParcelState::kShipped) say("its parcel is not shipped");
    if (payment == books.payments.end() || payment->second.state != payment::State::kSuccess)
      say("its payment is open");
    if (captures.size() != 1 || !is_sold || captures[0].amount_minor != reservation->second.total) {
      say("and the gateway did not take its price once");
    }
    return;
  }
  if (reservation != books.reservations.end() && reservation->second.state != stock::State::kReleased) {
    say("its pieces are not back on the shelf");
  }
  if (parcel != books.parcels.end() && parcel->second != ParcelState::kUnpacked &&
      parcel->second != ParcelState::kNotPacked) {
    say("its parcel is not unpacked");
  }
  if (payment != books.payments.end() && payment->second.state != payment::State::kFailed) say("its payment is open");
  if (!captures.empty()) say("and the gateway has the money");
}

void CheckFollower(World& world, const Saga& child, const absl::StatusOr<Saga>& parent, const Books& books) {
  const auto say = [&](const char* what) {
    world.Violate("I28",
                  absl::StrCat("saga ", child.id, " of ", child.definition, " follows ", child.parent, ", ", what));
  };
  if (!parent.ok() || !IsTerminal(parent->state)) return say("which is not over");
  if (child.key != child.parent) say("and has another key");
  const bool lacks = child.definition == "after-shelf" && parent->definition_version == 1;
  if (IsUnbuilt(child) != lacks && child.state == SagaState::kParked && (lacks || IsUnbuilt(child))) {
    say("and is parked as it must not be");
  }
  const auto note = books.notes.find(child.id);
  const bool has_run = !child.steps.empty() && child.steps[0].state == StepState::kSucceeded;
  if (has_run != (note != books.notes.end()) && child.state == SagaState::kCompleted) {
    say(has_run ? "and left no note" : "and left a note without having run");
  }
  if (note == books.notes.end()) return;
  if (lacks) say("and read what its parent has not");
  if (note->second.about != child.parent || !TextFits(child, *parent, note->second.text)) {
    say("and its note says something else");
  }
}

bool IsUnbuilt(const Saga& child) { return child.failure.reason == kUnbuilt; }

void CheckPaid(World& world, const std::set<std::string>& paid, const Books& books) {
  for (const std::string& id : paid) {
    const auto payment = books.payments.find(id);
    const bool is_made = payment != books.payments.end() && payment->second.state == payment::State::kSuccess;
    if (is_made && books.CapturesOf(id).size() == 1) continue;
    world.Violate("I29", absl::StrCat("the customer of payment ", id, " was told that it is made, and it is not"));
  }
}

void CheckCancelled(World& world, const std::set<std::string>& cancelled, const Books& books) {
  for (const std::string& id : cancelled) {
    const auto payment = books.payments.find(id);
    if (payment != books.payments.end() && payment->second.state == payment::State::kFailed) continue;
    world.Violate("I29", absl::StrCat("the customer of payment ", id, " was told that it is cancelled, and it is not"));
  }
}

}  // namespace unwind::sim
