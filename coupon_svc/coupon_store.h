// The rows of campaigns, coupons, redemptions and apologies. Every function runs inside the caller's transaction and
// lets soci_error pass.
#ifndef UNWIND_COUPON_SVC_COUPON_STORE_H_
#define UNWIND_COUPON_SVC_COUPON_STORE_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/db/statement.h"
#include "coupon_svc/coupon.h"
#include "soci/session.h"

namespace unwind::coupon {

// (campaign, member, product).
using ApologyKeys = std::set<std::tuple<std::string, std::string, std::string>>;

// To be written, in this order: the one in which rows are locked.
Redemptions LoadRedemptions(soci::session& session, const std::set<std::string>& order_ids);
Coupons LoadCoupons(soci::session& session, const std::set<std::string>& coupon_ids, Purpose purpose);
Campaigns LoadCampaigns(soci::session& session, const std::set<std::string>& campaign_ids, Purpose purpose);
Apologies LoadApologies(soci::session& session, const ApologyKeys& wanted);

// Redemptions that end: before InsertRedemptions takes their coupons anew.
void UpdateRedemptions(soci::session& session, const std::vector<const Redemption*>& redemptions);
void UpdateCoupons(soci::session& session, const std::vector<const Coupon*>& coupons);
void UpdateIssued(soci::session& session, const std::vector<const Campaign*>& campaigns);

// In this order. False: another process has inserted one of them meanwhile; roll back.
bool InsertCampaigns(soci::session& session, const std::vector<const Campaign*>& campaigns);
bool InsertCoupons(soci::session& session, const std::vector<const Coupon*>& coupons);
bool InsertRedemptions(soci::session& session, const std::vector<const Redemption*>& redemptions);
bool InsertApologies(soci::session& session, const Apologies& apologies);

std::int64_t CountHeld(soci::session& session);

// Removes all coupons, with what became of them, and says how many there were; every campaign has issued none.
std::int64_t ClearCoupons(soci::session& session);

struct CouponFilter {
  std::string member_id;
  std::optional<State> state;  // none: all
};

// Where a page begins: after this one, in the order of the list.
struct CouponPosition {
  std::int64_t create_time_us = std::numeric_limits<std::int64_t>::max();
  std::string coupon_id;
};

// At most `limit`, newest first.
std::vector<Coupon> FindCoupons(soci::session& session, const CouponFilter& filter, const CouponPosition& after,
                                std::int64_t limit);

}  // namespace unwind::coupon

#endif  // UNWIND_COUPON_SVC_COUPON_STORE_H_
