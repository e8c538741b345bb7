// One state of the model: the stored row, what the participants hold, what is out on the network, what each of two
// orchestrators believes. Small and comparable byte by byte, because a search keeps every one of them.
//
// It has no counters, so that the space is finite without bounds on crashes, takeovers, repeats or delays:
// - a message once sent may be executed any number of times, at any later time, or never: one bit (step, phase);
// - Advance asks of a count of sends only whether it is the first, and of unknown answers whether they are as many as
//   the attempts (2): 0, 1, 2 of each;
// - of a version only whether a copy is the row's: a fresh copy equals the row, and a stale one can commit nothing.
#ifndef UNWIND_TESTS_MODEL_WORLD_H_
#define UNWIND_TESTS_MODEL_WORLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/participant/barrier.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"

namespace unwind::model {

inline constexpr std::size_t kStepsMax = 5;

struct PackedStep {
  std::uint8_t state = 0, phase = 0;
  std::uint8_t action_sends = 0, compensated = 0, resolved = 0;  // sends by phase: at most 2, 1 and 1
  std::uint8_t refusals = 0, unknowns = 0;
  std::uint8_t awaiting = 0, parked = 0, waking = 0, replied = 0, decides = 0;

  bool operator==(const PackedStep&) const = default;
};

struct PackedSaga {
  std::uint8_t state = 0, backward = 0, cancel_requested = 0, failed = 0;
  std::array<PackedStep, kStepsMax> steps;

  bool operator==(const PackedSaga&) const = default;
};

enum class Effect : std::uint8_t { kNone, kDone, kUndone, kUndoneByHand };
// What the payment gateway holds of a pivot that takes two transactions. All but kNone are final.
enum class Gateway : std::uint8_t { kNone, kCaptured, kDeclined, kFenced };

// The service of one step, with a unit of effect in its own database.
struct Service {
  std::array<std::uint8_t, 3> rows = {};  // barrier::Outcome by phase - 1; 0: no row
  std::array<std::uint8_t, 3> sent = {};  // by phase - 1: such a message is out, for ever
  Effect effect = Effect::kNone;
  Gateway gateway = Gateway::kNone;
  std::uint8_t capture_sent = 0, fence_sent = 0;
  std::uint8_t deciding = 0;              // a resolve that ends a wait is out, for ever
  std::uint8_t undoing = 0;               // a compensation was accepted and is not finished
  std::uint8_t acting = 0, skipping = 0;  // the seeded bug of a barrier that checks first and acts later

  bool operator==(const Service&) const = default;
};

enum class Mode : std::uint8_t {
  kDown,
  kIdle,        // runs, and does not hold the saga
  kHolds,       // its copy is the row
  kTakingOver,  // loaded the row; its next decision is TakenOver
  kStale,       // its copy is not the row, and it does not know
};

// The replies of the call it awaits, as bits: what the network may still deliver to it.
inline constexpr std::uint8_t kSaidOk = 1, kSaidRefusedFree = 2, kSaidRefused = 4, kSaidFenced = 8, kSaidNever = 16,
                              kSaidKeyReused = 32;
// Of a move only, for to who hears it that is silence: that the service may have forgotten what it did.
inline constexpr std::uint8_t kSaidForgotten = 64;
inline constexpr std::uint8_t kSaidPending = 128;  // accepted, not finished

struct Orchestrator {
  Mode mode = Mode::kIdle;
  std::array<std::uint8_t, kStepsMax> replies = {};
  PackedSaga copy;  // of a stale one, where a seeded bug lets it commit; else empty

  bool operator==(const Orchestrator&) const = default;
};

// How much time has passed since the saga began; each value is later than the one before it:
// - kInTime: its deadline has not passed;
// - kPastDeadline: its deadline has passed, and the time for which a step may wait has not;
// - kPastWait: that time has passed too; only of a plan with such a step;
// - kTooOld: it sends no calls any more, and its services may purge their rows.
inline constexpr std::uint8_t kInTime = 0, kPastDeadline = 1, kPastWait = 2, kTooOld = 3;
inline const absl::Time kWaitUntil = absl::UnixEpoch() + absl::Seconds(150);

struct World {
  PackedSaga row;
  std::uint8_t owner = 0;
  std::uint8_t late = 0;  // kInTime, kPastDeadline, kPastWait, kTooOld
  std::array<Service, kStepsMax> services;
  std::array<Orchestrator, 2> orchestrators;

  bool operator==(const World&) const = default;
};
static_assert(alignof(World) == 1, "hashed as bytes: no padding");

inline std::size_t Index(Phase phase) { return static_cast<std::size_t>(phase) - 1; }

// Forgets the counts, as said above. `input` is the accepted request's, of which `when` may be a function.
PackedSaga Pack(const Saga& saga);
Saga Unpack(const PackedSaga& packed, std::size_t steps, const std::string& input);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_WORLD_H_
