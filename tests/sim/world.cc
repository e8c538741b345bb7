#include "tests/sim/world.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace unwind::sim {
namespace {

constexpr std::size_t kViolationsMax = 20;
constexpr std::uint64_t kFnvPrime = 0x100000001b3;

}  // namespace

double Dice::Spread(double least, double most) { return least * std::pow(most / least, Unit()); }

absl::Duration Dice::Spread(absl::Duration least, absl::Duration most) {
  return absl::Trunc(absl::Seconds(Spread(absl::ToDoubleSeconds(least), absl::ToDoubleSeconds(most))),
                     absl::Microseconds(1));
}

void World::At(absl::Time when, std::function<void()> what) {
  queue_.push({std::max(when, now_), numbers_++, std::move(what)});
}

bool World::Step() {
  if (queue_.empty()) return false;
  const std::function<void()> what = std::move(const_cast<Event&>(queue_.top()).what);
  now_ = queue_.top().when;
  queue_.pop();
  ++events_;
  Mix(absl::ToUnixMicros(now_));
  what();
  return true;
}

void World::Mix(absl::string_view text) {
  for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * kFnvPrime;
}

void World::Mix(std::int64_t number) {
  hash_ = (hash_ ^ static_cast<std::uint64_t>(number)) * kFnvPrime;
  hash_ ^= hash_ >> 29;
}

void World::Write(absl::string_view who, absl::string_view what) {
  const absl::Duration since = now_ - absl::FromUnixSeconds(1'767'225'600);
  absl::StrAppendFormat(&story_, "%12.6f  %-14s %s\n", absl::ToDoubleSeconds(since), who, what);
}

void World::Violate(absl::string_view name, absl::string_view what) {
  if (violations_.size() >= kViolationsMax) return;
  violations_.push_back(absl::StrCat(name, ": ", what));
  Tell("INVARIANT", violations_.back());
}

}  // namespace unwind::sim
