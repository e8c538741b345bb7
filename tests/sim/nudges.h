// What participants tell the orchestrators of the steps that wait at them (S14): at the right time, at once, long
// after, twice, never, or of what is not theirs. Nothing may depend on it.
#ifndef UNWIND_TESTS_SIM_NUDGES_H_
#define UNWIND_TESTS_SIM_NUDGES_H_

#include <string>

#include "tests/sim/network.h"

namespace unwind::sim {

inline constexpr char kNudge[] = "/saga.participant.v1.NudgeService/Nudge";

class Nudges {
 public:
  Nudges(World& world, Faults& faults, Network& network, int orchestrators)
      : world_(world), faults_(faults), network_(network), orchestrators_(orchestrators) {}

  // `from` has something to say of the step, some time.
  void Tell(Node from, const std::string& saga_id, const std::string& step);

 private:
  void Send(Node from, Node to, const std::string& bytes, bool forwards);

  World& world_;
  Faults& faults_;
  Network& network_;
  const int orchestrators_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_NUDGES_H_
