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

Later DrawLater(const Scenario& scenario, absl::string_view key) {
  const auto drawn = [&](absl::string_view lot, int percent) { return IsDrawn(scenario.seed, lot, key, percent); };
  Later later;
  later.delay = scenario.async_delay;
  later.early = drawn("early", scenario.webhook_early_percent);
  later.survives_fence = drawn("after fence", scenario.after_fence_percent);
  later.after_fence = scenario.after_fence;
  later.webhook.delay = scenario.webhook_delay;
  later.webhook.lost = drawn("lost", scenario.webhook_lost_percent);
  later.webhook.twice = drawn("twice", scenario.webhook_twice_percent);
  later.webhook.forged = drawn("forged", scenario.webhook_forged_percent);
  return later;
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
  if (captured && (CountDown(scenario.async_first) || IsDrawn(scenario.seed, "async", key, scenario.async_percent))) {
    fate.later = DrawLater(scenario, key);
  }
  return fate;
}

}  // namespace unwind::pg
