// shop.coupon.v1.CouponService: its reads, and its table.
#ifndef UNWIND_COUPON_SVC_COUPON_SERVICE_H_
#define UNWIND_COUPON_SVC_COUPON_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::coupon {

// The steps are NewCouponDomain's.
ServiceTable CouponTable();

}  // namespace unwind::coupon

#endif  // UNWIND_COUPON_SVC_COUPON_SERVICE_H_
