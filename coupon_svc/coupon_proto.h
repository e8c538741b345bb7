// Campaigns and coupons between the API's messages and coupon.h.
#ifndef UNWIND_COUPON_SVC_COUPON_PROTO_H_
#define UNWIND_COUPON_SVC_COUPON_PROTO_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coupon_svc/coupon.h"
#include "shop/coupon/v1/coupon_service.pb.h"

namespace unwind::coupon {

// The campaign that is asked for, valid from `now` on unless it says otherwise. INVALID_ARGUMENT, naming the fields,
// for what the rules of single fields cannot say: of the two discounts one, amounts of one currency, times that can be
// kept.
absl::StatusOr<Campaign> ReadCampaign(const ::shop::coupon::v1::CreateCampaignRequest& request, absl::Time now);

void Write(const Campaign& from, ::shop::coupon::v1::Campaign& to);
void Write(const Coupon& from, ::shop::coupon::v1::Coupon& to);

}  // namespace unwind::coupon

#endif  // UNWIND_COUPON_SVC_COUPON_PROTO_H_
