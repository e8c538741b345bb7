// Coupons as a saga participant: a batch loads rows, coupon.h decides, each table is written once. So a thousand
// members who want a coupon of one campaign cost one update of its row per batch.
#ifndef UNWIND_COUPON_SVC_COUPON_DOMAIN_H_
#define UNWIND_COUPON_SVC_COUPON_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"

namespace unwind::coupon {

// The changing methods of shop.coupon.v1.CouponService. `clock` must outlive the domain.
std::unique_ptr<StepDomain> NewCouponDomain(const Clock& clock);

}  // namespace unwind::coupon

#endif  // UNWIND_COUPON_SVC_COUPON_DOMAIN_H_
