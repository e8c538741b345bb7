#include "coupon_svc/coupon.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"

namespace unwind::coupon {
namespace {

using Metadata = std::map<std::string, std::string>;

absl::Status Refuse(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

std::string DateOf(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

absl::string_view StateName(RedemptionState state) {
  switch (state) {
    case RedemptionState::kHeld:
      return "HELD";
    case RedemptionState::kReleased:
      return "RELEASED";
    case RedemptionState::kUsed:
      return "USED";
    case RedemptionState::kReturned:
      return "RETURNED";
  }
  return "UNKNOWN";
}

absl::Status NotUsable(const Coupon& coupon, absl::string_view why, absl::string_view sentence,
                       Metadata metadata = {}) {
  metadata.insert({{"coupon_id", coupon.coupon_id}, {"why", std::string(why)}});
  return Refuse(absl::StatusCode::kFailedPrecondition, absl::StrCat("coupon ", coupon.coupon_id, " ", sentence),
                "COUPON_NOT_USABLE", std::move(metadata));
}

absl::Status OverBy(const Campaign& campaign) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("campaign ", campaign.campaign_id, " ended at ", DateOf(campaign.valid_until)),
                "CAMPAIGN_OVER", {{"campaign_id", campaign.campaign_id}});
}

absl::Status Exhausted(const Campaign& campaign) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("all ", campaign.coupons_max, " coupons of campaign ", campaign.campaign_id, " are gone"),
                "COUPONS_EXHAUSTED", {{"campaign_id", campaign.campaign_id}});
}

// The redemption is in a state that the step does not start from.
absl::Status WrongState(const Redemption& redemption, RedemptionState wanted) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("the coupon of order ", redemption.order_id, " is ", StateName(redemption.state),
                             "; it must be ", StateName(wanted)),
                absl::StrCat("REDEMPTION_NOT_", StateName(wanted)),
                {{"order_id", redemption.order_id}, {"state", std::string(StateName(redemption.state))}});
}

bool IsOver(const Campaign& campaign, absl::Time now) { return now >= campaign.valid_until; }
bool IsExhausted(const Campaign& campaign) {
  return campaign.coupons_max > 0 && campaign.issued >= campaign.coupons_max;
}

Coupon NewCoupon(Campaign& campaign, absl::string_view member_id, absl::string_view occasion, absl::Time now) {
  ++campaign.issued;
  absl::Time valid_until = campaign.valid_until;
  if (campaign.days_valid > 0) {
    const absl::Time from = std::max(now, campaign.valid_from);
    valid_until = std::min(valid_until, from + campaign.days_valid * absl::Hours(24));
  }
  return {.coupon_id = CouponIdOf(campaign.campaign_id, member_id, occasion),
          .campaign_id = campaign.campaign_id,
          .member_id = std::string(member_id),
          .occasion = std::string(occasion),
          .terms = campaign.terms,
          .state = State::kAvailable,
          .order_id = "",
          .valid_from = campaign.valid_from,
          .valid_until = valid_until,
          .create_time = now,
          .update_time = now};
}

absl::Status CheckUsable(const Coupon& coupon, const Money& total, absl::Time now) {
  switch (coupon.state) {
    case State::kUsed:
      return NotUsable(coupon, "USED", "is used already");
    case State::kHeld:
      return NotUsable(coupon, "HELD", "is held by another order, which is being placed; use it when that has failed");
    case State::kAvailable:
      break;
  }
  if (now < coupon.valid_from) {
    return NotUsable(coupon, "NOT_YET_VALID", absl::StrCat("is valid from ", DateOf(coupon.valid_from)));
  }
  if (now >= coupon.valid_until) {
    return NotUsable(coupon, "EXPIRED", absl::StrCat("was valid until ", DateOf(coupon.valid_until)));
  }
  const Terms& terms = coupon.terms;
  if (total.currency_code != terms.currency_code) {
    return NotUsable(coupon, "OTHER_CURRENCY",
                     absl::StrCat("is in ", terms.currency_code, ", the order in ", total.currency_code));
  }
  if (total.minor_units < terms.minimum_minor) {
    return NotUsable(coupon, "BELOW_MINIMUM",
                     absl::StrCat("is for orders of ", terms.minimum_minor, " minor units or more, this one is of ",
                                  total.minor_units),
                     {{"minimum", absl::StrCat(terms.minimum_minor)}, {"total", absl::StrCat(total.minor_units)}});
  }
  if (DiscountOf(terms, total.minor_units) == 0) {
    return NotUsable(coupon, "NO_DISCOUNT", absl::StrCat("takes nothing off ", total.minor_units, " minor units"));
  }
  return absl::OkStatus();
}

// Our own rows: a redemption's coupon is there, by foreign key.
void Move(Redemption& redemption, RedemptionState state, Coupons& coupons, State coupon_state, absl::Time now) {
  const auto found = coupons.find(redemption.coupon_id);
  CHECK(found != coupons.end() && found->second.has_value());
  Coupon& coupon = *found->second;
  redemption.state = state;
  redemption.update_time = now;
  coupon.state = coupon_state;
  if (coupon_state == State::kAvailable) coupon.order_id.clear();
  coupon.update_time = now;
}

}  // namespace

std::int64_t DiscountOf(const Terms& terms, std::int64_t total_minor) {
  if (terms.percent == 0) return std::min(terms.amount_minor, total_minor);
  return std::min(terms.amount_minor, total_minor * terms.percent / 100);
}

std::string CouponIdOf(absl::string_view campaign_id, absl::string_view member_id, absl::string_view occasion) {
  // No part holds a '/'. Half of the hash: ids are short, and the table refuses two of the same.
  return HexSha256(absl::StrCat(campaign_id, "/", member_id, "/", occasion)).substr(0, 32);
}

absl::Status CouponNotFound(absl::string_view coupon_id) {
  return Refuse(absl::StatusCode::kNotFound, absl::StrCat("there is no coupon ", coupon_id), "COUPON_NOT_FOUND",
                {{"coupon_id", std::string(coupon_id)}});
}

absl::Status CampaignNotFound(absl::string_view campaign_id) {
  return Refuse(absl::StatusCode::kNotFound, absl::StrCat("there is no campaign ", campaign_id), "CAMPAIGN_NOT_FOUND",
                {{"campaign_id", std::string(campaign_id)}});
}

absl::Status CreateCampaign(std::optional<Campaign>& campaign, const Campaign& call, absl::Time now) {
  if (campaign) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("campaign ", call.campaign_id, " exists, and never changes; choose another campaign_id"),
                  "CAMPAIGN_EXISTS", {{"campaign_id", call.campaign_id}});
  }
  if (call.valid_until <= std::max(now, call.valid_from)) {
    return MakeBadRequest(kErrorDomain, {{"valid_until", "must be later than valid_from, and than now"}});
  }
  campaign = call;
  campaign->issued = 0;
  campaign->create_time = now;
  return absl::OkStatus();
}

absl::Status Issue(std::optional<Campaign>& campaign, std::optional<Coupon>& coupon, const IssueCall& call,
                   absl::Time now) {
  if (!campaign) return CampaignNotFound(call.campaign_id);
  if (campaign->for_apologies) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("the coupons of campaign ", call.campaign_id, " are apologies and cannot be asked for"),
                  "CAMPAIGN_FOR_APOLOGIES", {{"campaign_id", call.campaign_id}});
  }
  if (coupon) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("member ", call.member_id, " has coupon ", coupon->coupon_id, " of campaign ",
                               call.campaign_id, " already"),
                  "COUPON_ALREADY_ISSUED", {{"campaign_id", call.campaign_id}, {"coupon_id", coupon->coupon_id}});
  }
  if (IsOver(*campaign, now)) return OverBy(*campaign);
  if (IsExhausted(*campaign)) return Exhausted(*campaign);
  coupon = NewCoupon(*campaign, call.member_id, "", now);
  return absl::OkStatus();
}

absl::Status IssueApology(std::optional<Campaign>& campaign, std::optional<Coupon>& coupon, Apologies& apologies,
                          const ApologyCall& call, absl::Time now) {
  if (!campaign) return absl::OkStatus();  // this shop gives none
  if (!campaign->for_apologies) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("campaign ", call.campaign_id, " is not for apologies; name one that is"),
                  "CAMPAIGN_NOT_FOR_APOLOGIES", {{"campaign_id", call.campaign_id}});
  }
  if (coupon || IsOver(*campaign, now) || IsExhausted(*campaign)) return absl::OkStatus();
  const auto had = [&](const std::string& product_id) {
    return apologies.count({call.campaign_id, call.member_id, product_id}) > 0;
  };
  if (std::any_of(call.product_ids.begin(), call.product_ids.end(), had)) return absl::OkStatus();
  coupon = NewCoupon(*campaign, call.member_id, call.order_id, now);
  for (const std::string& product_id : call.product_ids) {
    apologies[{call.campaign_id, call.member_id, product_id}] = coupon->coupon_id;
  }
  return absl::OkStatus();
}

absl::Status Hold(std::optional<Redemption>& redemption, std::optional<Coupon>& coupon, const HoldCall& call,
                  absl::Time now) {
  if (redemption) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("order ", call.order_id, " has a coupon; an order uses one at most"), "ORDER_HAS_COUPON",
                  {{"order_id", call.order_id}});
  }
  // A member learns nothing of another member's coupons.
  if (!coupon || coupon->member_id != call.member_id) return CouponNotFound(call.coupon_id);
  RETURN_IF_ERROR(CheckUsable(*coupon, call.total, now));
  redemption = Redemption{.order_id = call.order_id,
                          .coupon_id = call.coupon_id,
                          .owner = call.owner,
                          .state = RedemptionState::kHeld,
                          .total_minor = call.total.minor_units,
                          .discount_minor = DiscountOf(coupon->terms, call.total.minor_units),
                          .currency_code = call.total.currency_code,
                          .create_time = now,
                          .update_time = now};
  coupon->state = State::kHeld;
  coupon->order_id = call.order_id;
  coupon->update_time = now;
  return absl::OkStatus();
}

absl::Status Release(std::optional<Redemption>& redemption, Coupons& coupons, absl::string_view owner, absl::Time now) {
  if (!redemption) return absl::OkStatus();
  if (redemption->owner != owner) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("another call took the coupon of order ", redemption->order_id),
                  "REDEMPTION_OWNED_BY_OTHER", {{"order_id", redemption->order_id}});
  }
  if (redemption->state == RedemptionState::kReleased) return absl::OkStatus();
  if (redemption->state != RedemptionState::kHeld) return WrongState(*redemption, RedemptionState::kHeld);
  Move(*redemption, RedemptionState::kReleased, coupons, State::kAvailable, now);
  return absl::OkStatus();
}

absl::Status Use(std::optional<Redemption>& redemption, Coupons& coupons, absl::string_view order_id, absl::Time now) {
  if (!redemption) {
    return Refuse(absl::StatusCode::kNotFound, absl::StrCat("order ", order_id, " holds no coupon"),
                  "REDEMPTION_NOT_FOUND", {{"order_id", std::string(order_id)}});
  }
  if (redemption->state != RedemptionState::kHeld) return WrongState(*redemption, RedemptionState::kHeld);
  Move(*redemption, RedemptionState::kUsed, coupons, State::kUsed, now);
  return absl::OkStatus();
}

absl::Status ReturnUsed(std::optional<Redemption>& redemption, Coupons& coupons, absl::Time now) {
  if (!redemption) return absl::OkStatus();
  if (redemption->state == RedemptionState::kHeld) {
    // Its order is paid and cancelled already, and the use is still on its way.
    return Refuse(absl::StatusCode::kUnavailable,
                  absl::StrCat("the coupon of order ", redemption->order_id, " is not used yet"),
                  "REDEMPTION_IN_PROGRESS", {{"order_id", redemption->order_id}});
  }
  if (redemption->state != RedemptionState::kUsed) return WrongState(*redemption, RedemptionState::kUsed);
  Move(*redemption, RedemptionState::kReturned, coupons, State::kAvailable, now);
  return absl::OkStatus();
}

}  // namespace unwind::coupon
