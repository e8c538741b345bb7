// Campaigns, coupons and their redemptions, and the decisions over them, without I/O. A coupon is AVAILABLE -> HELD ->
// USED, or back to AVAILABLE; the redemption of an order is HELD -> RELEASED | USED; USED -> RETURNED. Every other step
// is refused, and a refusal changes nothing. A coupon's one redemption that is HELD or USED says why it is so.
#ifndef UNWIND_COUPON_SVC_COUPON_H_
#define UNWIND_COUPON_SVC_COUPON_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::coupon {

inline constexpr absl::string_view kErrorDomain = "coupon.shop.unwind";

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

struct Terms {
  std::int64_t percent = 0;        // 0: a fixed amount
  std::int64_t amount_minor = 0;   // the fixed amount, or the most that the percentage may come to
  std::int64_t minimum_minor = 0;  // of an order's total
  std::string currency_code;       // of all amounts

  bool operator==(const Terms&) const = default;
};

// What `terms` take off `total_minor`. REQUIRES: both are within the limits of amounts, so that nothing overflows.
std::int64_t DiscountOf(const Terms& terms, std::int64_t total_minor);

struct Campaign {
  std::string campaign_id;
  Terms terms;
  bool for_apologies = false;
  absl::Time valid_from;
  absl::Time valid_until;
  std::int64_t days_valid = 0;   // 0: until valid_until
  std::int64_t coupons_max = 0;  // 0: any number
  std::int64_t issued = 0;
  absl::Time create_time;

  bool operator==(const Campaign&) const = default;
};

// Stored: never renumber.
enum class State : std::uint8_t { kAvailable = 1, kHeld = 2, kUsed = 3 };

struct Coupon {
  std::string coupon_id;
  std::string campaign_id;
  std::string member_id;
  std::string occasion;  // the order that it is an apology for; else empty
  Terms terms;           // the campaign's when it was issued
  State state = State::kAvailable;
  std::string order_id;  // that holds or has used it; else empty
  absl::Time valid_from;
  absl::Time valid_until;
  absl::Time create_time;
  absl::Time update_time;

  bool operator==(const Coupon&) const = default;
};

// Stored: never renumber.
enum class RedemptionState : std::uint8_t { kHeld = 1, kReleased = 2, kUsed = 3, kReturned = 4 };

// What became of a coupon in one order.
struct Redemption {
  std::string order_id;
  std::string coupon_id;
  std::string owner;  // the call that made it; only its compensation releases it
  RedemptionState state = RedemptionState::kHeld;
  std::int64_t total_minor = 0;  // of the order, without the coupon
  std::int64_t discount_minor = 0;
  std::string currency_code;
  absl::Time create_time;
  absl::Time update_time;

  bool operator==(const Redemption&) const = default;
};

// By id. An id that was asked for and has no row is there without a value.
using Campaigns = std::map<std::string, std::optional<Campaign>>;
using Coupons = std::map<std::string, std::optional<Coupon>>;
using Redemptions = std::map<std::string, std::optional<Redemption>>;

// The coupon that a member got for each (campaign, member, product).
using Apologies = std::map<std::tuple<std::string, std::string, std::string>, std::string>;

// The id of the coupon of a campaign, a member and an occasion: there is one of each.
std::string CouponIdOf(absl::string_view campaign_id, absl::string_view member_id, absl::string_view occasion);

// `call` is the campaign as asked for; `campaign` the row of its campaign_id, if there is one.
absl::Status CreateCampaign(std::optional<Campaign>& campaign, const Campaign& call, absl::Time now);

struct IssueCall {
  std::string campaign_id;
  std::string member_id;
};

// `coupon` is the row of CouponIdOf the call, without an occasion.
absl::Status Issue(std::optional<Campaign>& campaign, std::optional<Coupon>& coupon, const IssueCall& call,
                   absl::Time now);

struct ApologyCall {
  std::string campaign_id;
  std::string order_id;
  std::string member_id;
  std::vector<std::string> product_ids;
};

// `coupon` is the row of CouponIdOf the call, with the order as the occasion; without a value after it: none was given.
// `apologies` holds at least those of the call's products.
absl::Status IssueApology(std::optional<Campaign>& campaign, std::optional<Coupon>& coupon, Apologies& apologies,
                          const ApologyCall& call, absl::Time now);

struct HoldCall {
  std::string order_id;
  std::string owner;
  std::string coupon_id;
  std::string member_id;
  Money total;
};

// `redemption` is the row of the call's order_id, `coupon` that of its coupon_id.
absl::Status Hold(std::optional<Redemption>& redemption, std::optional<Coupon>& coupon, const HoldCall& call,
                  absl::Time now);

// Of these `coupons` holds the redemption's. A redemption that never came is nothing to undo, and nothing to return.
absl::Status Release(std::optional<Redemption>& redemption, Coupons& coupons, absl::string_view owner, absl::Time now);
absl::Status Use(std::optional<Redemption>& redemption, Coupons& coupons, absl::string_view order_id, absl::Time now);
absl::Status ReturnUsed(std::optional<Redemption>& redemption, Coupons& coupons, absl::Time now);

absl::Status CouponNotFound(absl::string_view coupon_id);
absl::Status CampaignNotFound(absl::string_view campaign_id);

}  // namespace unwind::coupon

#endif  // UNWIND_COUPON_SVC_COUPON_H_
