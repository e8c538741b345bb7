// Sagas, events and writes for the tests of the stores: plain ones to tell a story with, and random ones to try every
// corner of a stored format.
#ifndef UNWIND_TESTS_CONTRACT_SAGA_SAMPLES_H_
#define UNWIND_TESTS_CONTRACT_SAGA_SAMPLES_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

inline const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000) + absl::Nanoseconds(123'456'789);

// ---- plain

// Just started, its only step out. Its key is its id.
inline Saga SampleSaga(const std::string& id, const std::string& definition = "place-order") {
  Saga saga;
  saga.id = id;
  saga.definition = definition;
  saga.definition_version = 1;
  saga.key = id;
  saga.input_hash = "a1b2";
  saga.input = std::string("in\0put", 6);
  saga.trace = {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1", "tenant=a"};
  saga.create_time = kNoon;
  saga.update_time = kNoon;
  saga.deadline = kNoon + absl::Seconds(30);
  saga.version = 1;
  saga.steps.resize(1);
  saga.steps[0].state = StepState::kInFlight;
  saga.steps[0].sends[1] = 1;
  saga.steps[0].awaiting = true;
  return saga;
}

inline SagaWrite InsertOf(const Saga& saga) {
  return {.seen_version = 0,
          .saga = saga,
          .next_run_at = saga.deadline,
          .events = {{.seq = 1,
                      .moment = {.now = kNoon, .jitter = 0.25},
                      .event = Started{},
                      .state = saga.state,
                      .sends = {{.step = 0, .phase = Phase::kAction, .attempt = 1}}}}};
}

// The next transition of `saga`, whatever it is, to `state`.
inline SagaWrite UpdateOf(const Saga& saga, SagaState state) {
  SagaWrite write{.seen_version = saga.version, .saga = saga, .next_run_at = absl::InfiniteFuture(), .events = {}};
  write.saga.version += 1;
  write.saga.state = state;
  write.saga.update_time = saga.update_time + absl::Milliseconds(5);
  write.saga.steps[0].reply = "reply";
  Replied replied{.step = 0,
                  .phase = Phase::kAction,
                  .attempt = 1,
                  .outcome = Outcome::kOk,
                  .effect_free = false,
                  .reply = "reply",
                  .failure = {},
                  .elapsed = absl::Milliseconds(5)};
  write.events.push_back({.seq = write.saga.version,
                          .moment = {.now = write.saga.update_time, .jitter = 0.5},
                          .event = std::move(replied),
                          .state = state,
                          .sends = {}});
  return write;
}

// A saga is brought here from where it was left to LoadDue.
inline SagaWrite WakeOf(const Saga& saga) {
  SagaWrite write = UpdateOf(saga, SagaState::kRunning);
  write.saga.due_at = absl::InfiniteFuture();
  write.changes_due_at = true;
  return write;
}

inline SagaWrite FinishOf(const Saga& saga) { return UpdateOf(saga, SagaState::kCompleted); }

// ---- random

class SagaDice {
 public:
  explicit SagaDice(std::uint64_t seed) : random_(seed) {}

  // Evenly from [low, high].
  std::int64_t Roll(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  int Small() { return static_cast<int>(Roll(0, 9)); }
  bool Coin() { return Roll(0, 1) == 1; }

  std::string Bytes() {
    std::string bytes(static_cast<std::size_t>(Coin() ? 0 : Roll(1, 40)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(Roll(-128, 127));
    return bytes;
  }

  // Any bytes, such as SQL, SOCI and UTF-8 may each stumble over.
  std::string Text() { return Coin() ? ColumnText() : Bytes(); }

  // UTF-8 without NUL, of what SQL and SOCI may stumble over.
  std::string ColumnText() {
    static const std::vector<std::string> pieces = {"a",
                                                    "Z9",
                                                    " ",
                                                    "'",
                                                    "''",
                                                    "\"",
                                                    "\\",
                                                    "\\0",
                                                    "\\x41",
                                                    ":id",
                                                    "::int",
                                                    "?",
                                                    "%s",
                                                    ";--",
                                                    "\n",
                                                    "\t",
                                                    "\x01",
                                                    "\x7f",
                                                    "\xc3\xa9",
                                                    "{}",
                                                    "$1",
                                                    "\xf0\x9f\x92\xb8",
                                                    "\xea\xb0\x80",
                                                    "null",
                                                    "\xe2\x80\xa8",
                                                    "\xf4\x8f\xbf\xbf",
                                                    "\xef\xbb\xbf"};
    std::string text;
    for (std::int64_t n = Coin() ? 0 : Roll(1, 8); n > 0; --n) {
      text += pieces[static_cast<std::size_t>(Roll(0, static_cast<std::int64_t>(pieces.size()) - 1))];
    }
    return text;
  }

  absl::Time Time() {
    switch (Small()) {
      case 0:
        return absl::InfiniteFuture();
      case 1:
        return absl::InfinitePast();
      case 2:
        return absl::UnixEpoch();
      default:
        return absl::FromUnixNanos(Roll(kNanosMin, kNanosMax));
    }
  }

  absl::Duration Elapsed() {
    return Small() == 0 ? absl::InfiniteDuration() : absl::Nanoseconds(Coin() ? 0 : Roll(0, 5'000'000'000));
  }

  double Jitter() {
    switch (Small()) {
      case 0:
        return 0;
      case 1:
        return std::nextafter(1.0, 0.0);
      case 2:
        return std::numeric_limits<double>::denorm_min();
      default:
        return std::uniform_real_distribution<double>(0, 1)(random_);
    }
  }

  unwind::Failure Failure() {
    unwind::Failure failure;
    if (Coin()) return failure;
    failure.reason = Text();
    failure.domain = Text();
    failure.code = Small();
    failure.message = Text();
    failure.step = Text();
    for (std::int64_t n = Roll(0, 3); n > 0; --n) failure.metadata[Text()] = Text();
    return failure;
  }

  unwind::Phase Phase() { return static_cast<unwind::Phase>(Roll(1, 3)); }
  SagaState State() { return static_cast<SagaState>(Roll(1, 5)); }

  unwind::Step Step() {
    unwind::Step step;
    step.state = static_cast<StepState>(Roll(1, 8));
    step.phase = Phase();
    for (int& sends : step.sends) sends = Small();
    step.refusals = Small();
    step.unknowns = Small();
    step.awaiting = Coin();
    step.parked = Coin();
    step.wake_at = Time();
    step.first_send_time = Time();
    step.reply = Bytes();
    step.last_failure = Failure();
    step.pending_reply = Bytes();
    step.pendings = Small();
    step.wait_until = Time();
    step.decides = Coin();
    step.nudged = Coin();
    step.nudge_time = Time();
    return step;
  }

  // Any values, also such as no saga would come to. `id`, `owner` and the version are given.
  unwind::Saga Saga(const std::string& id, const std::string& owner, std::int64_t version) {
    unwind::Saga saga;
    saga.id = id;
    saga.definition = ColumnText();
    saga.definition_version = static_cast<int>(Roll(1, std::numeric_limits<int>::max()));
    saga.key_scope = ColumnText();
    saga.key = id + ColumnText();
    saga.input_hash = Text();
    saga.input = Bytes();
    saga.trace = {Text(), Text(), Text()};
    saga.owner = owner;
    saga.create_time = Time();
    saga.version = version;
    Change(saga);
    return saga;
  }

  // Throws everything anew that a transition may change.
  void Change(unwind::Saga& saga) {
    saga.update_time = Time();
    saga.deadline = Time();
    saga.state = State();
    saga.cancel_requested = Coin();
    saga.backward = Coin();
    saga.steps.clear();
    for (std::int64_t n = Roll(0, 4); n > 0; --n) saga.steps.push_back(Step());
    saga.failure = Failure();
  }

  unwind::Event Event() {
    switch (Roll(0, 7)) {
      case 7:
        return Nudged{.step = Text()};
      case 6:
        return Born{.parked_step = Small(), .why_parked = Failure()};
      case 0:
        return Started{};
      case 1:
        return Ticked{};
      case 2:
        return CancelRequested{.actor = Text(), .reason = Text()};
      case 3:
        return TakenOver{};
      case 4:
        return Operated{.verb = static_cast<Verb>(Roll(1, 3)),
                        .step = Small(),
                        .reply = Bytes(),
                        .actor = Text(),
                        .reason = Text()};
      default:
        return Replied{.step = Small(),
                       .phase = Phase(),
                       .attempt = Small(),
                       .outcome = static_cast<Outcome>(Roll(1, 5)),
                       .effect_free = Coin(),
                       .reply = Bytes(),
                       .failure = Failure(),
                       .elapsed = Elapsed(),
                       .by_transport = Coin(),
                       .retry_after = Elapsed()};
    }
  }

  HistoryEvent History(std::int64_t seq) {
    HistoryEvent event;
    event.seq = seq;
    event.moment = {.now = Time(), .jitter = Jitter()};
    event.event = Event();
    event.state = State();
    for (std::int64_t n = Roll(0, 3); n > 0; --n) {
      event.sends.push_back({.step = Small(), .phase = Phase(), .attempt = Small()});
    }
    return event;
  }

 private:
  static constexpr std::int64_t kNanosMin = std::numeric_limits<std::int64_t>::min() + 1;
  static constexpr std::int64_t kNanosMax = std::numeric_limits<std::int64_t>::max() - 1;

  std::mt19937_64 random_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_SAGA_SAMPLES_H_
