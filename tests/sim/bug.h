// Bugs that a simulation can be given, to see whether it notices.
#ifndef UNWIND_TESTS_SIM_BUG_H_
#define UNWIND_TESTS_SIM_BUG_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace unwind::sim {

enum class Bug : std::uint8_t {
  kNone,
  kNoBarrier,       // the services keep no barrier rows
  kNoTombstones,    // they forget what was compensated or resolved before it came
  kCommitIgnored,   // the orchestrator goes on when a commit failed
  kNoVersionCheck,  // the store overwrites what another one wrote, and asks for no lease
  kResolveIgnored,  // a payment of unknown outcome is taken as one that failed
  kStepNotUndone,   // a step whose outcome is unknown is taken as one that had no effect
  kCutRefused,      // a call whose connection ended is taken as refused for good
  kShedMailLost,    // an answer to a saga that was dropped from memory is lost
  kPauseNotHeld,    // an orchestrator says that a pause holds before what it decided is stored
  kPendingIsOk,     // what is not finished is taken as done
  kSettlingLost,    // the services forget that the compensation of what is not finished has begun
  kWokenLate,       // an orchestrator looks twice a minute for the sagas that rest and are due
};
inline constexpr std::array kBugs = {Bug::kNoBarrier,      Bug::kNoTombstones,   Bug::kCommitIgnored,
                                     Bug::kNoVersionCheck, Bug::kResolveIgnored, Bug::kStepNotUndone,
                                     Bug::kCutRefused,     Bug::kShedMailLost,   Bug::kPauseNotHeld,
                                     Bug::kPendingIsOk,    Bug::kSettlingLost,   Bug::kWokenLate};
const char* NameOf(Bug bug);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_BUG_H_
