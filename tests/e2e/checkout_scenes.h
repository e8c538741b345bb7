// The scenes of the demo about orders that their buyers pay themselves: by a webhook, by another card, over an outage,
// and too late.
#ifndef UNWIND_TESTS_E2E_CHECKOUT_SCENES_H_
#define UNWIND_TESTS_E2E_CHECKOUT_SCENES_H_

#include "tests/e2e/scenes.h"
#include "tests/support/short_waits.h"

namespace unwind {

// How long checkouts wait in the demo: longer than the scenes between the first one and the last.
inline constexpr Waits kDemoWaits = {absl::Milliseconds(100), absl::Milliseconds(500), absl::Seconds(20)};

// The cluster must have been started with these waits, and with webhooks.
void PlayCheckouts(Stage& stage, Shop& shop);

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_CHECKOUT_SCENES_H_
