// The scenes of the demo about coupons, points and balance: orders that are paid with them, undone and cancelled, and
// what follows an order.
#ifndef UNWIND_TESTS_E2E_TENDER_SCENES_H_
#define UNWIND_TESTS_E2E_TENDER_SCENES_H_

#include "tests/e2e/scenes.h"

namespace unwind {

void PlayTenders(Stage& stage, Shop& shop);

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_TENDER_SCENES_H_
