// The faults a mock gateway plays, as a pure function of the scenario and the key.
#ifndef UNWIND_MOCK_PG_SCENARIO_H_
#define UNWIND_MOCK_PG_SCENARIO_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::pg {

inline constexpr absl::string_view kCardDeclined = "CARD_DECLINED";
inline constexpr absl::string_view kAmountRefused = "AMOUNT_REFUSED";

// pg.v1.Scenario; the zero value has no faults.
struct Scenario {
  int fail_percent = 0;
  std::int64_t seed = 0;
  absl::Duration delay = absl::ZeroDuration();
  std::int64_t refuse_amount_minor = 0;
  int fail_first = 0;  // new keys still to be declined
  int hang_percent = 0;
  int hang_first = 0;   // new keys still to be recorded and never answered
  int crash_after = 0;  // answers still to be given; 0: any number
  int async_percent = 0;
  int async_first = 0;  // new keys of captures still to be finished later
  absl::Duration async_delay = absl::ZeroDuration();
  absl::Duration webhook_delay = absl::ZeroDuration();
  int webhook_lost_percent = 0;
  int webhook_twice_percent = 0;
  int webhook_early_percent = 0;
  int webhook_forged_percent = 0;
  int after_fence_percent = 0;
  absl::Duration after_fence = absl::ZeroDuration();

  bool operator==(const Scenario&) const = default;
};

// How the end of what was finished later is told.
struct Webhook {
  absl::Duration delay = absl::ZeroDuration();
  bool lost = false;
  bool twice = false;
  bool forged = false;

  bool operator==(const Webhook&) const = default;
};

// What befalls a capture that is finished later.
struct Later {
  absl::Duration delay = absl::ZeroDuration();
  bool early = false;                                 // it is finished at once, and told before the answer
  bool survives_fence = false;                        // it is finished although its key was fenced,
  absl::Duration after_fence = absl::ZeroDuration();  // so long after that; zero: when it would have been
  Webhook webhook;

  bool operator==(const Later&) const = default;
};

// What befalls one new key.
struct Fate {
  std::string decline_reason;  // empty: not declined
  bool hang = false;           // recorded, then never answered
  std::optional<Later> later;  // of a capture
};

// Draws the fate of a key that the ledger does not hold, and counts `scenario`'s counters down. `captured` is the
// amount to be captured; nothing for a refund, which no amount refuses.
Fate DrawFate(Scenario& scenario, absl::string_view key, std::optional<std::int64_t> captured);

// Whether `key` is among the `percent` of the keys that lot `lot` of `seed` picks. The same arguments, the same answer,
// on every machine and in every run.
bool IsDrawn(std::int64_t seed, absl::string_view lot, absl::string_view key, int percent);

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_SCENARIO_H_
