#include "coupon_svc/coupon.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::coupon {
namespace {

constexpr std::int64_t kAmountMinorMax = 1'000'000'000'000'000;
const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(1);
const absl::Time kLongAfter = kNow + absl::Hours(24 * 365);
constexpr char kOwner[] = "saga/hold_coupon";

Campaign TenPercent() {
  return {.campaign_id = "spring",
          .terms = {.percent = 10, .amount_minor = 3000, .minimum_minor = 5000, .currency_code = "KRW"},
          .for_apologies = false,
          .valid_from = kNow,
          .valid_until = kNow + absl::Hours(48),
          .days_valid = 0,
          .coupons_max = 0,
          .issued = 0,
          .create_time = kNow};
}

Coupon Available() {
  std::optional<Campaign> campaign = TenPercent();
  std::optional<Coupon> coupon;
  EXPECT_TRUE(Issue(campaign, coupon, {"spring", "m1"}, kNow).ok());
  return *coupon;
}

HoldCall CallOf(const Coupon& coupon, std::int64_t total = 20000) {
  return {"o1", kOwner, coupon.coupon_id, coupon.member_id, {total, "KRW"}};
}

struct Held {
  std::optional<Redemption> redemption;
  Coupons coupons;

  std::optional<Coupon>& coupon() { return coupons.begin()->second; }
};

// The coupon of m1, held for 20000 by o1, and brought to `state`.
Held InState(RedemptionState state) {
  Held held;
  const Coupon coupon = Available();
  held.coupons[coupon.coupon_id] = coupon;
  EXPECT_TRUE(Hold(held.redemption, held.coupon(), CallOf(coupon), kNow).ok());
  if (state == RedemptionState::kReleased) {
    EXPECT_TRUE(Release(held.redemption, held.coupons, kOwner, kNow).ok());
  }
  if (state == RedemptionState::kUsed || state == RedemptionState::kReturned) {
    EXPECT_TRUE(Use(held.redemption, held.coupons, "o1", kNow).ok());
  }
  if (state == RedemptionState::kReturned) {
    EXPECT_TRUE(ReturnUsed(held.redemption, held.coupons, kNow).ok());
  }
  return held;
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, absl::string_view reason,
                   const std::map<std::string, std::string>& metadata) {
  EXPECT_EQ(status.code(), code) << status;
  const ErrorInfo info = GetErrorInfo(status);
  EXPECT_EQ(info.reason, std::string(reason));
  EXPECT_EQ(info.domain, "coupon.shop.unwind");
  EXPECT_EQ(info.metadata, metadata);
}

void ExpectNotUsable(Coupon coupon, const HoldCall& call, absl::Time now, const std::string& why,
                     std::map<std::string, std::string> more = {}) {
  SCOPED_TRACE(why);
  more.insert({{"coupon_id", coupon.coupon_id}, {"why", why}});
  std::optional<Coupon> held = coupon;
  std::optional<Redemption> redemption;
  ExpectRefused(Hold(redemption, held, call, now), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE", more);
  EXPECT_FALSE(redemption.has_value());
  EXPECT_EQ(held, coupon);
}

using Step = std::function<absl::Status(std::optional<Redemption>&, Coupons&)>;

// Every state that `step` does not start from: refused with this, and nothing has changed.
void ExpectRefusedIn(const std::map<RedemptionState, std::string>& states, absl::string_view reason, const Step& step) {
  for (const auto& [state, name] : states) {
    SCOPED_TRACE(name);
    Held held = InState(state);
    const Held before = held;
    ExpectRefused(step(held.redemption, held.coupons), absl::StatusCode::kFailedPrecondition, reason,
                  {{"order_id", "o1"}, {"state", name}});
    EXPECT_EQ(held.redemption, before.redemption);
    EXPECT_EQ(held.coupons, before.coupons);
  }
}

TEST(DiscountOf, IsTheAmountButNeverMoreThanTheTotal) {
  const Terms terms{.percent = 0, .amount_minor = 3000, .minimum_minor = 0, .currency_code = "KRW"};
  EXPECT_EQ(DiscountOf(terms, 10000), 3000);
  EXPECT_EQ(DiscountOf(terms, 3000), 3000);
  EXPECT_EQ(DiscountOf(terms, 2999), 2999);
  EXPECT_EQ(DiscountOf(terms, 0), 0);
}

TEST(DiscountOf, IsThePercentageRoundedDownAndCapped) {
  const Terms terms{.percent = 10, .amount_minor = 3000, .minimum_minor = 0, .currency_code = "KRW"};
  EXPECT_EQ(DiscountOf(terms, 20019), 2001);
  EXPECT_EQ(DiscountOf(terms, 30000), 3000);
  EXPECT_EQ(DiscountOf(terms, 30010), 3000);
  EXPECT_EQ(DiscountOf(terms, 9), 0);
  EXPECT_EQ(DiscountOf(terms, kAmountMinorMax), 3000);
}

TEST(DiscountOf, OfTheLargestAmountsIsExact) {
  const Terms terms{.percent = 100, .amount_minor = kAmountMinorMax, .minimum_minor = 0, .currency_code = "KRW"};
  EXPECT_EQ(DiscountOf(terms, kAmountMinorMax), kAmountMinorMax);
  EXPECT_EQ(DiscountOf(terms, kAmountMinorMax - 1), kAmountMinorMax - 1);
}

TEST(CouponIdOf, IsOneForEachCampaignMemberAndOccasion) {
  EXPECT_EQ(CouponIdOf("c", "m", ""), CouponIdOf("c", "m", ""));
  EXPECT_EQ(CouponIdOf("c", "m", "").size(), 32U);
  EXPECT_NE(CouponIdOf("c", "m", ""), CouponIdOf("c", "m", "o"));
  EXPECT_NE(CouponIdOf("ca", "m", ""), CouponIdOf("c", "am", ""));
}

TEST(CreateCampaign, KeepsWhatWasAskedFor) {
  std::optional<Campaign> campaign;
  Campaign call = TenPercent();
  call.issued = 7;
  ASSERT_TRUE(CreateCampaign(campaign, call, kLater).ok());
  Campaign expected = TenPercent();
  expected.create_time = kLater;
  EXPECT_EQ(*campaign, expected);
}

TEST(CreateCampaign, NeverChangesOne) {
  std::optional<Campaign> campaign = TenPercent();
  ExpectRefused(CreateCampaign(campaign, TenPercent(), kNow), absl::StatusCode::kAlreadyExists, "CAMPAIGN_EXISTS",
                {{"campaign_id", "spring"}});
}

TEST(CreateCampaign, MustEndAfterItBeginsAndAfterNow) {
  for (const auto& [from, until] : {std::pair(kLater, kLater), std::pair(kNow - absl::Hours(2), kNow)}) {
    std::optional<Campaign> campaign;
    Campaign call = TenPercent();
    call.valid_from = from;
    call.valid_until = until;
    const absl::Status status = CreateCampaign(campaign, call, kNow);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
    EXPECT_FALSE(campaign.has_value());
  }
}

TEST(Issue, GivesAMemberTheCampaignsTerms) {
  std::optional<Campaign> campaign = TenPercent();
  std::optional<Coupon> coupon;
  ASSERT_TRUE(Issue(campaign, coupon, {"spring", "m1"}, kLater).ok());
  EXPECT_EQ(campaign->issued, 1);
  EXPECT_EQ(coupon->coupon_id, CouponIdOf("spring", "m1", ""));
  EXPECT_EQ(coupon->member_id, "m1");
  EXPECT_EQ(coupon->terms, campaign->terms);
  EXPECT_EQ(coupon->state, State::kAvailable);
  EXPECT_EQ(coupon->valid_from, kNow);
  EXPECT_EQ(coupon->valid_until, campaign->valid_until);
  EXPECT_EQ(coupon->create_time, kLater);
}

TEST(Issue, DaysCountFromTheIssueOrFromTheBeginningAndEndWithTheCampaign) {
  std::optional<Campaign> campaign = TenPercent();
  campaign->days_valid = 1;
  std::optional<Coupon> early, late, last;
  ASSERT_TRUE(Issue(campaign, early, {"spring", "m1"}, kNow - absl::Hours(5)).ok());
  EXPECT_EQ(early->valid_until, kNow + absl::Hours(24));
  ASSERT_TRUE(Issue(campaign, late, {"spring", "m2"}, kNow + absl::Hours(2)).ok());
  EXPECT_EQ(late->valid_until, kNow + absl::Hours(26));
  ASSERT_TRUE(Issue(campaign, last, {"spring", "m3"}, kNow + absl::Hours(47)).ok());
  EXPECT_EQ(last->valid_until, kNow + absl::Hours(48));
}

TEST(Issue, OfNExactlyNAreGiven) {
  std::optional<Campaign> campaign = TenPercent();
  campaign->coupons_max = 2;
  std::optional<Coupon> first, second, third;
  EXPECT_TRUE(Issue(campaign, first, {"spring", "m1"}, kNow).ok());
  EXPECT_TRUE(Issue(campaign, second, {"spring", "m2"}, kNow).ok());
  ExpectRefused(Issue(campaign, third, {"spring", "m3"}, kNow), absl::StatusCode::kFailedPrecondition,
                "COUPONS_EXHAUSTED", {{"campaign_id", "spring"}});
  EXPECT_FALSE(third.has_value());
  EXPECT_EQ(campaign->issued, 2);
}

TEST(Issue, OnceForAMember) {
  std::optional<Campaign> campaign = TenPercent();
  std::optional<Coupon> coupon = Available();
  const Coupon before = *coupon;
  ExpectRefused(Issue(campaign, coupon, {"spring", "m1"}, kNow), absl::StatusCode::kAlreadyExists,
                "COUPON_ALREADY_ISSUED", {{"campaign_id", "spring"}, {"coupon_id", before.coupon_id}});
  EXPECT_EQ(*coupon, before);
  EXPECT_EQ(campaign->issued, 0);
}

TEST(Issue, NotOfAnUnknownAnEndedOrAnApologysCampaign) {
  std::optional<Coupon> coupon;
  std::optional<Campaign> none, over = TenPercent(), sorry = TenPercent();
  sorry->for_apologies = true;
  ExpectRefused(Issue(none, coupon, {"c9", "m1"}, kNow), absl::StatusCode::kNotFound, "CAMPAIGN_NOT_FOUND",
                {{"campaign_id", "c9"}});
  ExpectRefused(Issue(over, coupon, {"spring", "m1"}, over->valid_until), absl::StatusCode::kFailedPrecondition,
                "CAMPAIGN_OVER", {{"campaign_id", "spring"}});
  ExpectRefused(Issue(sorry, coupon, {"spring", "m1"}, kNow), absl::StatusCode::kFailedPrecondition,
                "CAMPAIGN_FOR_APOLOGIES", {{"campaign_id", "spring"}});
  EXPECT_FALSE(coupon.has_value());
  EXPECT_EQ(over->issued + sorry->issued, 0);
}

std::optional<Campaign> Sorry() {
  Campaign campaign = TenPercent();
  campaign.campaign_id = "sorry";
  campaign.for_apologies = true;
  return campaign;
}

TEST(IssueApology, IsGivenOnceForAMemberAndEachProductOfTheOrder) {
  std::optional<Campaign> campaign = Sorry();
  Apologies apologies;
  std::optional<Coupon> first, second, third, of_other;
  ASSERT_TRUE(IssueApology(campaign, first, apologies, {"sorry", "o1", "m1", {"p1", "p2"}}, kNow).ok());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->coupon_id, CouponIdOf("sorry", "m1", "o1"));
  EXPECT_EQ(first->occasion, "o1");
  ASSERT_TRUE(IssueApology(campaign, second, apologies, {"sorry", "o2", "m1", {"p3", "p2"}}, kNow).ok());
  EXPECT_FALSE(second.has_value());
  ASSERT_TRUE(IssueApology(campaign, third, apologies, {"sorry", "o3", "m1", {"p3"}}, kNow).ok());
  EXPECT_TRUE(third.has_value());
  ASSERT_TRUE(IssueApology(campaign, of_other, apologies, {"sorry", "o4", "m2", {"p1"}}, kNow).ok());
  EXPECT_TRUE(of_other.has_value());
  EXPECT_EQ(campaign->issued, 3);
  EXPECT_EQ(apologies.size(), 4U);
}

TEST(IssueApology, OfTheSameOrderIsTheSame) {
  std::optional<Campaign> campaign = Sorry();
  Apologies apologies;
  std::optional<Coupon> coupon;
  ASSERT_TRUE(IssueApology(campaign, coupon, apologies, {"sorry", "o1", "m1", {"p1"}}, kNow).ok());
  const Coupon before = *coupon;
  ASSERT_TRUE(IssueApology(campaign, coupon, apologies, {"sorry", "o1", "m1", {"p1"}}, kLater).ok());
  EXPECT_EQ(*coupon, before);
  EXPECT_EQ(campaign->issued, 1);
}

TEST(IssueApology, GivesNothingWhenThereIsNothingToGive) {
  std::optional<Campaign> none, over = Sorry(), exhausted = Sorry();
  exhausted->coupons_max = exhausted->issued = 5;
  Apologies apologies;
  std::optional<Coupon> coupon;
  EXPECT_TRUE(IssueApology(none, coupon, apologies, {"sorry", "o1", "m1", {"p1"}}, kNow).ok());
  EXPECT_TRUE(IssueApology(over, coupon, apologies, {"sorry", "o1", "m1", {"p1"}}, over->valid_until).ok());
  EXPECT_TRUE(IssueApology(exhausted, coupon, apologies, {"sorry", "o1", "m1", {"p1"}}, kNow).ok());
  EXPECT_FALSE(coupon.has_value());
  EXPECT_TRUE(apologies.empty());
}

TEST(IssueApology, NeedsACampaignForApologies) {
  std::optional<Campaign> other = TenPercent();
  Apologies apologies;
  std::optional<Coupon> coupon;
  ExpectRefused(IssueApology(other, coupon, apologies, {"spring", "o1", "m1", {"p1"}}, kNow),
                absl::StatusCode::kFailedPrecondition, "CAMPAIGN_NOT_FOR_APOLOGIES", {{"campaign_id", "spring"}});
  EXPECT_FALSE(coupon.has_value());
}

TEST(Hold, TakesTheCouponForOneOrder) {
  std::optional<Coupon> coupon = Available();
  std::optional<Redemption> redemption;
  ASSERT_TRUE(Hold(redemption, coupon, CallOf(*coupon), kLater).ok());
  EXPECT_EQ(coupon->state, State::kHeld);
  EXPECT_EQ(coupon->order_id, "o1");
  EXPECT_EQ(coupon->update_time, kLater);
  EXPECT_EQ(redemption->state, RedemptionState::kHeld);
  EXPECT_EQ(redemption->owner, kOwner);
  EXPECT_EQ(redemption->total_minor, 20000);
  EXPECT_EQ(redemption->discount_minor, 2000);
  EXPECT_EQ(redemption->currency_code, "KRW");
}

TEST(Hold, AnothersCouponIsToldAsAnUnknownOne) {
  std::optional<Coupon> coupon = Available(), none;
  const Coupon before = *coupon;
  std::optional<Redemption> redemption;
  HoldCall call = CallOf(before);
  call.member_id = "m2";
  const absl::Status of_other = Hold(redemption, coupon, call, kNow);
  ExpectRefused(of_other, absl::StatusCode::kNotFound, "COUPON_NOT_FOUND", {{"coupon_id", before.coupon_id}});
  EXPECT_EQ(of_other, Hold(redemption, none, call, kNow));
  EXPECT_EQ(*coupon, before);
  EXPECT_FALSE(redemption.has_value());
}

TEST(Hold, SaysWhyACouponCannotBeUsed) {
  const Coupon coupon = Available();
  const HoldCall call = CallOf(coupon);
  Coupon used = coupon, held = coupon, tiny = coupon;
  used.state = State::kUsed;
  held.state = State::kHeld;
  used.order_id = held.order_id = "o0";
  tiny.terms.minimum_minor = 0;
  HoldCall dollars = call;
  dollars.total.currency_code = "USD";
  ExpectNotUsable(used, call, kNow, "USED");
  ExpectNotUsable(held, call, kNow, "HELD");
  ExpectNotUsable(coupon, call, kNow - absl::Microseconds(1), "NOT_YET_VALID");
  ExpectNotUsable(coupon, call, coupon.valid_until, "EXPIRED");
  ExpectNotUsable(coupon, dollars, kNow, "OTHER_CURRENCY");
  ExpectNotUsable(coupon, CallOf(coupon, 4999), kNow, "BELOW_MINIMUM", {{"minimum", "5000"}, {"total", "4999"}});
  ExpectNotUsable(tiny, CallOf(tiny, 9), kNow, "NO_DISCOUNT");
  ExpectNotUsable(tiny, CallOf(tiny, 0), kNow, "NO_DISCOUNT");
}

TEST(Hold, AtTheEdgesOfWhatIsValid) {
  for (const absl::Time now : {kNow, kNow + absl::Hours(48) - absl::Microseconds(1)}) {
    std::optional<Coupon> coupon = Available();
    std::optional<Redemption> redemption;
    EXPECT_TRUE(Hold(redemption, coupon, CallOf(*coupon, 5000), now).ok());
  }
}

TEST(Hold, AnOrderHasOneCouponAtMost) {
  for (const RedemptionState state :
       {RedemptionState::kHeld, RedemptionState::kReleased, RedemptionState::kUsed, RedemptionState::kReturned}) {
    Held held = InState(state);
    const Held before = held;
    std::optional<Coupon> other = Available();
    ExpectRefused(Hold(held.redemption, other, CallOf(*other), kLater), absl::StatusCode::kAlreadyExists,
                  "ORDER_HAS_COUPON", {{"order_id", "o1"}});
    EXPECT_EQ(held.redemption, before.redemption);
    EXPECT_EQ(other->state, State::kAvailable);
  }
}

TEST(Release, GivesTheCouponBackWithItsOldExpiryHoweverLate) {
  Held held = InState(RedemptionState::kHeld);
  ASSERT_TRUE(Release(held.redemption, held.coupons, kOwner, kLongAfter).ok());
  EXPECT_EQ(held.redemption->state, RedemptionState::kReleased);
  Coupon expected = Available();
  expected.update_time = kLongAfter;
  EXPECT_EQ(held.coupon(), expected);
}

TEST(Release, WhatNeverCameOrIsReleasedIsNothingToUndo) {
  std::optional<Redemption> none;
  Coupons coupons;
  EXPECT_TRUE(Release(none, coupons, kOwner, kLater).ok());
  EXPECT_FALSE(none.has_value());
  Held held = InState(RedemptionState::kReleased);
  const Held before = held;
  EXPECT_TRUE(Release(held.redemption, held.coupons, kOwner, kLater).ok());
  EXPECT_EQ(held.redemption, before.redemption);
  EXPECT_EQ(held.coupons, before.coupons);
}

TEST(Release, OnlyByTheCallThatTookIt) {
  Held held = InState(RedemptionState::kHeld);
  const Held before = held;
  ExpectRefused(Release(held.redemption, held.coupons, "other/hold_coupon", kLater),
                absl::StatusCode::kFailedPrecondition, "REDEMPTION_OWNED_BY_OTHER", {{"order_id", "o1"}});
  EXPECT_EQ(held.redemption, before.redemption);
  EXPECT_EQ(held.coupons, before.coupons);
}

TEST(Release, WhatWasUsedIsRefused) {
  ExpectRefusedIn({{RedemptionState::kUsed, "USED"}, {RedemptionState::kReturned, "RETURNED"}}, "REDEMPTION_NOT_HELD",
                  [](std::optional<Redemption>& redemption, Coupons& coupons) {
                    return Release(redemption, coupons, kOwner, kLater);
                  });
}

TEST(Use, WhatIsHeldIsUsedHoweverLate) {
  Held held = InState(RedemptionState::kHeld);
  ASSERT_TRUE(Use(held.redemption, held.coupons, "o1", kLongAfter).ok());
  EXPECT_EQ(held.redemption->state, RedemptionState::kUsed);
  EXPECT_EQ(held.coupon()->state, State::kUsed);
  EXPECT_EQ(held.coupon()->order_id, "o1");
}

TEST(Use, AnUnknownOrderIsNotFound) {
  std::optional<Redemption> none;
  Coupons coupons;
  ExpectRefused(Use(none, coupons, "o7", kLater), absl::StatusCode::kNotFound, "REDEMPTION_NOT_FOUND",
                {{"order_id", "o7"}});
}

TEST(Use, OtherStatesAreRefused) {
  ExpectRefusedIn({{RedemptionState::kReleased, "RELEASED"},
                   {RedemptionState::kUsed, "USED"},
                   {RedemptionState::kReturned, "RETURNED"}},
                  "REDEMPTION_NOT_HELD", [](std::optional<Redemption>& redemption, Coupons& coupons) {
                    return Use(redemption, coupons, "o1", kLater);
                  });
}

TEST(ReturnUsed, WhatWasUsedIsTheMembersAgain) {
  Held held = InState(RedemptionState::kUsed);
  ASSERT_TRUE(ReturnUsed(held.redemption, held.coupons, kLongAfter).ok());
  EXPECT_EQ(held.redemption->state, RedemptionState::kReturned);
  Coupon expected = Available();
  expected.update_time = kLongAfter;
  EXPECT_EQ(held.coupon(), expected);
}

TEST(ReturnUsed, AnOrderWithoutACouponIsNothingToReturn) {
  std::optional<Redemption> none;
  Coupons coupons;
  EXPECT_TRUE(ReturnUsed(none, coupons, kLater).ok());
  EXPECT_FALSE(none.has_value());
}

TEST(ReturnUsed, ACouponOnItsWayToBeUsedIsAskedForAgain) {
  Held held = InState(RedemptionState::kHeld);
  const absl::Status status = ReturnUsed(held.redemption, held.coupons, kLater);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(status).reason, "REDEMPTION_IN_PROGRESS");
  EXPECT_EQ(held.redemption->state, RedemptionState::kHeld);
}

TEST(ReturnUsed, OtherStatesAreRefused) {
  ExpectRefusedIn(
      {{RedemptionState::kReleased, "RELEASED"}, {RedemptionState::kReturned, "RETURNED"}}, "REDEMPTION_NOT_USED",
      [](std::optional<Redemption>& redemption, Coupons& coupons) { return ReturnUsed(redemption, coupons, kLater); });
}

TEST(ACoupon, ThatCameBackCanBeUsedByAnotherOrder) {
  for (const RedemptionState state : {RedemptionState::kReleased, RedemptionState::kReturned}) {
    Held held = InState(state);
    std::optional<Redemption> second;
    HoldCall call = CallOf(*held.coupon());
    call.order_id = "o2";
    EXPECT_TRUE(Hold(second, held.coupon(), call, kLater).ok());
    EXPECT_EQ(held.coupon()->order_id, "o2");
  }
}

}  // namespace
}  // namespace unwind::coupon
