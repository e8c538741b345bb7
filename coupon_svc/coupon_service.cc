#include "coupon_svc/coupon_service.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"
#include "coupon_svc/coupon.h"
#include "coupon_svc/coupon_proto.h"
#include "coupon_svc/coupon_store.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"

namespace unwind::coupon {
namespace {

namespace v1 = ::shop::coupon::v1;

// The filter of a list; a state that this program does not know is refused.
absl::StatusOr<CouponFilter> ReadFilter(const v1::ListCouponsRequest& request) {
  CouponFilter filter{request.member_id(), std::nullopt};
  switch (request.state()) {
    case v1::Coupon::STATE_UNSPECIFIED:
      return filter;
    case v1::Coupon::STATE_AVAILABLE:
      filter.state = State::kAvailable;
      return filter;
    case v1::Coupon::STATE_HELD:
      filter.state = State::kHeld;
      return filter;
    case v1::Coupon::STATE_USED:
      filter.state = State::kUsed;
      return filter;
    case v1::Coupon_State_Coupon_State_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Coupon_State_Coupon_State_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return MakeBadRequest(kErrorDomain, {{"state", "must be one of Coupon.State"}});
}

std::vector<std::string> TokenFilters(const v1::ListCouponsRequest& request) {
  return {"coupons", request.member_id(), absl::StrCat(static_cast<int>(request.state()))};
}

absl::StatusOr<CouponPosition> ReadPosition(const v1::ListCouponsRequest& request) {
  ASSIGN_OR_RETURN(const std::string position,
                   ReadPageToken(kErrorDomain, TokenFilters(request), request.page_token()));
  CouponPosition after;
  if (position.empty()) return after;
  const std::vector<std::string> parts = absl::StrSplit(position, ':');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &after.create_time_us)) return BadPageToken(kErrorDomain);
  after.coupon_id = parts[1];
  return after;
}

absl::Status List(soci::session& session, const v1::ListCouponsRequest& request, v1::ListCouponsResponse& response) {
  ASSIGN_OR_RETURN(const CouponFilter filter, ReadFilter(request));
  ASSIGN_OR_RETURN(const CouponPosition after, ReadPosition(request));
  const std::int64_t page = PageSize(request.page_size());
  std::vector<Coupon> coupons = FindCoupons(session, filter, after, page + 1);  // one more tells whether there are more
  if (static_cast<std::int64_t>(coupons.size()) > page) {
    coupons.pop_back();
    const Coupon& last = coupons.back();
    response.set_next_page_token(
        WritePageToken(TokenFilters(request), absl::StrCat(absl::ToUnixMicros(last.create_time), ":", last.coupon_id)));
  }
  for (const Coupon& coupon : coupons) Write(coupon, *response.add_coupons());
  return absl::OkStatus();
}

absl::Status Get(soci::session& session, const Principal& principal, const v1::GetCouponRequest& request,
                 v1::Coupon& response) {
  const std::string& id = request.coupon_id();
  const std::optional<Coupon> coupon = LoadCoupons(session, {id}, Purpose::kRead)[id];
  if (!coupon || !MayRead(principal, coupon->member_id)) return CouponNotFound(id);
  Write(*coupon, response);
  return absl::OkStatus();
}

absl::Status GetCampaign(soci::session& session, const v1::GetCampaignRequest& request, v1::Campaign& response) {
  const std::string& id = request.campaign_id();
  const std::optional<Campaign> campaign = LoadCampaigns(session, {id}, Purpose::kRead)[id];
  if (!campaign) return CampaignNotFound(id);
  Write(*campaign, response);
  return absl::OkStatus();
}

}  // namespace

ServiceTable CouponTable() {
  return {.name = v1::CouponService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("GetCoupon", &Get), Reads("ListCoupons", &List), Reads("GetCampaign", &GetCampaign)}};
}

}  // namespace unwind::coupon
