// When to say that a participant is held back, and that it answers again.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_HELD_BACK_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_HELD_BACK_H_

#include <cstdint>

#include "absl/time/time.h"

namespace unwind {

// No I/O, no clock; not thread-safe. Of a participant that comes and goes it says so once in `kSayEvery`, in pairs.
class HeldBack {
 public:
  static constexpr absl::Duration kSayEvery = absl::Seconds(10);
  enum class Say : std::uint8_t { kNothing, kHeldBack, kAnswersAgain };

  // Call it after each call that ended.
  Say Update(bool held_back, absl::Time now);

  bool held_back() const { return held_back_; }
  absl::Time since() const { return since_; }  // when it changed last

 private:
  bool held_back_ = false;
  bool was_said_ = false;  // and that it answers again was not
  absl::Time since_ = absl::InfinitePast();
  absl::Time said_at_ = absl::InfinitePast();
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_HELD_BACK_H_
