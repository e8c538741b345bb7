#include "orchestrator/participants/held_back.h"

#include <utility>

namespace unwind {

HeldBack::Say HeldBack::Update(bool held_back, absl::Time now) {
  if (held_back == std::exchange(held_back_, held_back)) return Say::kNothing;
  since_ = now;
  if (!held_back) return std::exchange(was_said_, false) ? Say::kAnswersAgain : Say::kNothing;
  if (now - said_at_ < kSayEvery) return Say::kNothing;
  said_at_ = now;
  was_said_ = true;
  return Say::kHeldBack;
}

}  // namespace unwind
