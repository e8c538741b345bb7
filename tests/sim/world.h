// One virtual world: its time, its one queue of events ordered by (time, number), its one source of chance, and its
// story. Everything that happens in a simulation happens in an event, on one thread; so the seed decides all of it.
#ifndef UNWIND_TESTS_SIM_WORLD_H_
#define UNWIND_TESTS_SIM_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace unwind::sim {

// The same draws on every machine, which the standard distributions do not promise.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Next() { return random_(); }
  double Unit() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }  // [0, 1)
  bool Chance(double p) { return p > 0 && Unit() < p; }
  int Between(int least, int most) {
    return least + static_cast<int>(random_() % static_cast<std::uint64_t>(most - least + 1));
  }
  absl::Duration Between(absl::Duration least, absl::Duration most) {
    return absl::Trunc(least + (most - least) * Unit(), absl::Microseconds(1));
  }
  // Small ones more often: even in the logarithm.
  double Spread(double least, double most);
  absl::Duration Spread(absl::Duration least, absl::Duration most);
  std::mt19937_64& engine() { return random_; }

 private:
  std::mt19937_64 random_;
};

class World {
 public:
  // `tells`: keep the story; else only its hash.
  World(std::uint64_t seed, bool tells) : dice_(seed), tells_(tells) {}

  absl::Time now() const { return now_; }
  Dice& dice() { return dice_; }

  void At(absl::Time when, std::function<void()> what);
  void In(absl::Duration delay, std::function<void()> what) { At(now_ + delay, std::move(what)); }

  // The next event. False: there is none.
  bool Step();
  std::int64_t events() const { return events_; }

  // A line of the story.
  template <class... Parts>
  void Tell(absl::string_view who, const Parts&... what) {
    if (tells_) Write(who, absl::StrCat(what...));
  }
  // What enters the hash; of every event its time and number do.
  void Mix(absl::string_view text);
  void Mix(std::int64_t number);
  std::uint64_t hash() const { return hash_; }
  bool tells() const { return tells_; }
  const std::string& story() const { return story_; }

  // An invariant does not hold. `name` is that of the list, such as "I5".
  void Violate(absl::string_view name, absl::string_view what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Event {
    absl::Time when;
    std::int64_t number = 0;
    std::function<void()> what;
    bool operator<(const Event& other) const {  // the queue's top is its greatest
      return when != other.when ? when > other.when : number > other.number;
    }
  };

  void Write(absl::string_view who, absl::string_view what);

  absl::Time now_ = absl::FromUnixSeconds(1'767'225'600);  // 2026-01-01
  Dice dice_;
  std::priority_queue<Event> queue_;
  std::int64_t numbers_ = 0;
  std::int64_t events_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  const bool tells_;
  std::string story_;
  std::vector<std::string> violations_;
};

// The clock of one machine: the world's time, and how wrong it is.
class MachineClock final : public Clock {
 public:
  explicit MachineClock(const World& world) : world_(world) {}
  absl::Time Now() const override { return world_.now() + error_; }
  absl::Duration error() const { return error_; }
  void set_error(absl::Duration error) {
    jumps_ += error != error_;
    error_ = error;
  }
  int jumps() const { return jumps_; }  // that were made

 private:
  const World& world_;
  absl::Duration error_;
  int jumps_ = 0;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_WORLD_H_
