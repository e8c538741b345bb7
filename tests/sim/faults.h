// What can go wrong in a simulation, and what came of it. Each seed draws its own swarm: every kind is on or off, with
// an intensity of its own; so that some seeds show one fault alone, and some all of them.
#ifndef UNWIND_TESTS_SIM_FAULTS_H_
#define UNWIND_TESTS_SIM_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "tests/sim/world.h"

namespace unwind::sim {

enum class Fault : std::uint8_t {
  // messages
  kLoss,
  kDuplicate,
  kComesAgain,  // long after
  kLongDelay,
  kReorder,
  kPartition,
  kConnectionEnds,  // under all the calls that it carries
  // processes
  kOrchestratorCrash,
  kOrchestratorPause,
  kZombie,
  kOrderCrash,
  kStockCrash,
  kPaymentCrash,
  kDepotCrash,
  kCouponCrash,
  kWalletCrash,
  kGatewayCrash,
  kCrashBeforeCommit,
  kCrashAfterCommit,
  kSlowService,
  kAsksToWait,      // a participant's answer that is not OK
  kRefusalRecoded,  // a stored refusal comes under a code that says nothing
  kQueueFull,
  kMailLost,
  // the orchestrators' store
  kTornLost,
  kTornDurable,
  kTornLate,
  kLoadFails,
  kStoreAway,
  kBlocksAndStores,  // a call of the store takes seconds, and the thread that made it stands still
  kBlocksAndFails,
  kBlocksAndStoresUnsaid,
  kStoreRefuses,  // every write, for a while
  kRowRefused,    // every write of one saga, until a person mends the cause
  // the services' databases
  kDatabaseBusy,
  kCommitUnknown,
  // time
  kClockForward,
  kClockBack,
  // the gateway
  kCardDeclined,
  kGatewaySilent,
  kFinishedLater,  // a capture that is accepted first
  // what waits
  kNeverFinished,  // a parcel that is never packed
  kNudgeLost,
  kNudgeTwice,
  kNudgeEarly,  // before the pending answer is heard
  kNudgeStray,  // of no saga, or of a step that does not wait
  // people
  kBuyerRetries,
  kBuyerLeaves,  // without a final answer, for good
  kOtherBody,
  kBuyerCancels,
  kCustomerAway,       // never pays
  kCustomerLate,       // pays when the wait for him ends, or has ended
  kCustomerPaysTwice,  // at the same time, by two methods
  kCustomerCancels,    // what he was to pay, also while he pays it
  kSagaCancelled,
  kStepRetried,  // of a saga that nobody has to help
  kPoison,
  kPolicySwitchedOn,  // the orchestrators begin to tell callers apart
  kDefinitionPaused,  // no order is taken for a while
};
constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::kDefinitionPaused) + 1;
const char* NameOf(Fault fault);

enum class Outcome : std::uint8_t {
  kCompleted,
  kAborted,
  kParked,
  kResolvedHappened,
  kResolvedNever,
  kTakenOver,
  kFenced,
  kStaleReply,
  kStaleEpoch,  // a commit of an orchestrator that another one has replaced
  kRowMoved,    // a commit that found another version
  kKeyReused,
  kAttached,  // a caller found the saga of its key
  kCancelled,
  kDeadline,
  kTimeout,
  kOverloaded,
  kStillRunning,
  kStoreUnavailable,
  kOrderCancelled,
  kStockNotEnough,
  kProductNotFound,
  kOrderAlreadyExists,
  kPaymentFailed,
  kPaymentTimeout,
  kCompensated,
  kOperated,         // a parked step that a person moved on
  kClaimed,          // sagas of an instance whose lease was over
  kTakenFromOwner,   // a saga that was another instance's, for what a person asked of it
  kQuarantined,      // a saga whose row the store refuses
  kMended,           // one that a person moved on
  kShed,             // a saga whose payload was dropped from memory
  kFoundFromBefore,  // a member's saga of the time when nobody was told apart
  kPauseHeld,        // an orchestrator said that no saga of a definition starts there any more
  kToldOfPause,
  kPending,  // an answer that the call is not finished
  kDecided,  // a resolve that ends a wait
  kNotFinishedInTime,
  kPaymentExpired,
  kPaymentCancelled,
  kToldForNow,  // a caller, while his saga goes on
  kNudged,
  kNudgedElsewhere,  // the saga is another instance's
  kPaidAlready,      // who pays again is told so
  kPaidTooLate,
  kAttemptDeclined,  // or given up for another
  kPaymentOpen,      // told to who pays
  kBorn,
  kBornParked,
  kBornOfUnaware,  // by an instance that does not know the follower
  kLearnt,         // a definition, by an instance that met it
};
constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::kLearnt) + 1;
const char* NameOf(Outcome outcome);

struct Tally {
  std::array<std::int64_t, kFaults> faults = {};
  std::array<std::int64_t, kOutcomes> outcomes = {};
  std::int64_t seeds = 0;
  std::int64_t sagas = 0;
  std::int64_t messages = 0;
  std::int64_t replayed = 0;
  std::int64_t events = 0;
  double simulated_seconds = 0;

  void Add(const Tally& other);
  void Count(Fault fault) { ++faults[static_cast<std::size_t>(fault)]; }
  void Count(Outcome outcome) { ++outcomes[static_cast<std::size_t>(outcome)]; }
};

class Faults {
 public:
  explicit Faults(World& world);

  // Whether this kind is on, and the world not healed yet.
  bool on(Fault fault) const { return !healed_ && intensity_[static_cast<std::size_t>(fault)] > 0; }
  // 0 to 1; 0: off.
  double intensity(Fault fault) const { return on(fault) ? intensity_[static_cast<std::size_t>(fault)] : 0; }

  // Draws whether it strikes here and now, with at most probability `most`; counts it if it does.
  bool Strikes(Fault fault, double most);
  void Count(Fault fault) { tally_.Count(fault); }

  void Heal() { healed_ = true; }
  bool healed() const { return healed_; }
  Tally& tally() { return tally_; }

 private:
  World& world_;
  std::array<double, kFaults> intensity_ = {};
  bool healed_ = false;
  Tally tally_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_FAULTS_H_
