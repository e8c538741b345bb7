#include "mock_pg/scenario.h"

namespace unwind::pg {
namespace {

// FNV-1a, then the finalizer of SplitMix64: std::hash may differ from build to build.
std::uint64_t Mix(std::uint64_t hash, absl::string_view text) {
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

bool CountDown(int& counter) {
  if (counter == 0) return false;
  --counter;
  return true;
}

}  // namespace

bool IsDrawn(std::int64_t seed, absl::string_view lot, absl::string_view key, int percent) {
  const std::uint64_t basis = 0xcbf29ce484222325ULL ^ static_cast<std::uint64_t>(seed);
  return Mix(Mix(basis, lot), key) % 100 < static_cast<std::uint64_t>(percent);
}

Fate DrawFate(Scenario& scenario, absl::string_view key, std::optional<std::int64_t> captured) {
  Fate fate;
  if (captured && scenario.refuse_amount_minor > 0 && *captured >= scenario.refuse_amount_minor) {
    fate.decline_reason = std::string(kAmountRefused);
  } else if (CountDown(scenario.fail_first) || IsDrawn(scenario.seed, "fail", key, scenario.fail_percent)) {
    fate.decline_reason = std::string(kCardDeclined);
  }
  fate.hang = CountDown(scenario.hang_first) || IsDrawn(scenario.seed, "hang", key, scenario.hang_percent);
  return fate;
}

}  // namespace unwind::pg
