#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coupon_svc/coupon.h"
#include "coupon_svc/coupon_domain.h"
#include "coupon_svc/coupon_service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/contract/service_harness.h"
#include "tests/support/books.h"
#include "tests/support/ware_rules.h"

extern const unwind::Migrations kCouponMigrations;

namespace unwind::coupon {
namespace {

namespace v1 = ::shop::coupon::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stub = v1::CouponService::Stub;

// The domain's time, which a test puts ahead.
class AheadClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now() + absl::Seconds(ahead.load()); }
  std::atomic<int> ahead = 0;
};
AheadClock& TheClock() {
  static auto* const clock = new AheadClock;
  return *clock;
}
std::unique_ptr<StepDomain> NewDomain(const Clock&) { return NewCouponDomain(TheClock()); }

void SetMoney(std::int64_t minor_units, const std::string& currency, ::shop::type::v1::Money& to) {
  to.set_minor_units(minor_units);
  to.set_currency_code(currency);
}

// 1000 won off, from now on for an hour.
v1::CreateCampaignRequest CampaignOf(const std::string& id, std::int64_t coupons_max = 0, std::int64_t minimum = 0) {
  v1::CreateCampaignRequest request;
  request.set_campaign_id(id);
  SetMoney(1000, "KRW", *request.mutable_terms()->mutable_amount_off());
  if (minimum > 0) SetMoney(minimum, "KRW", *request.mutable_terms()->mutable_minimum_total());
  request.mutable_valid_until()->set_seconds(absl::ToUnixSeconds(TheClock().Now() + absl::Hours(1)));
  request.set_coupons_max(coupons_max);
  return request;
}

v1::IssueApologyRequest ApologyOf(const std::string& order, const std::string& member,
                                  const std::vector<std::string>& products) {
  v1::IssueApologyRequest request;
  request.set_campaign_id("sorry");
  request.set_order_id(order);
  request.set_member_id(member);
  for (const std::string& product : products) {
    request.add_items()->set_product_id(product);
    request.mutable_items(request.items_size() - 1)->set_quantity(1);
  }
  return request;
}

v1::HoldRequest HoldOf(const std::string& order, const std::string& coupon, const std::string& member,
                       std::int64_t total = 5000, const std::string& currency = "KRW") {
  v1::HoldRequest request;
  request.set_order_id(order);
  request.set_coupon_id(coupon);
  request.set_member_id(member);
  SetMoney(total, currency, *request.mutable_total());
  return request;
}

template <class Request>
Request Of(const std::string& order) {
  Request request;
  request.set_order_id(order);
  return request;
}

// What rules of the books say of the database at `path`.
std::vector<std::string> Violations(const std::string& path) {
  const auto books = Books::Open({{"coupons", TestDatabaseAt(path)}});
  EXPECT_TRUE(books.ok()) << books.status();
  std::vector<std::string> violations;
  for (const BooksRule& rule : kCouponRules) {
    const auto found = (*books)->Select(rule.sql);
    EXPECT_TRUE(found.ok()) << found.status();
    for (const std::string& sentence : *found) violations.push_back(absl::StrCat(rule.name, ": ", sentence));
  }
  return violations;
}

class CouponServiceTest : public testing::Test {
 protected:
  CouponServiceTest() { TheClock().ahead = 0; }

  Called<v1::CreateCampaignResponse> Begin(const v1::CreateCampaignRequest& request) {
    return Call(stub(), &Stub::CreateCampaign, request, Key("begin-" + request.campaign_id()));
  }
  Called<v1::IssueResponse> Issue(const std::string& campaign, const std::string& member, const std::string& key = "") {
    v1::IssueRequest request;
    request.set_campaign_id(campaign);
    request.set_member_id(member);
    return Call(stub(), &Stub::Issue, request, Key(key.empty() ? absl::StrCat("issue-", campaign, "-", member) : key));
  }
  Called<v1::IssueApologyResponse> Apologize(const v1::IssueApologyRequest& request) {
    return Call(stub(), &Stub::IssueApology, request,
                SagaCall("after-" + request.order_id(), "apologize", "action", "retriable"));
  }
  Called<v1::HoldResponse> Hold(const v1::HoldRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::Hold, request, metadata);
  }
  // As the saga whose id is the order's.
  Called<v1::HoldResponse> Hold(const v1::HoldRequest& request) {
    return Hold(request, SagaCall(request.order_id(), "hold_coupon", "action"));
  }
  Called<v1::ReleaseResponse> Release(const std::string& order, const Metadata& metadata) {
    return Call(stub(), &Stub::Release, Of<v1::ReleaseRequest>(order), metadata);
  }
  Called<v1::ReleaseResponse> Release(const std::string& order) {
    return Release(order, SagaCall(order, "hold_coupon", "compensation"));
  }
  Called<v1::UseResponse> Use(const std::string& order) {
    return Call(stub(), &Stub::Use, Of<v1::UseRequest>(order), SagaCall(order, "use_coupon", "action", "retriable"));
  }
  Called<v1::ReturnUsedResponse> ReturnUsed(const std::string& order, const std::string& saga = "cancel") {
    return Call(stub(), &Stub::ReturnUsed, Of<v1::ReturnUsedRequest>(order),
                SagaCall(saga, "return_coupon", "action", "retriable"));
  }
  Called<v1::ResetCouponsResponse> Reset(const std::string& key) {
    return Call(stub(), &Stub::ResetCoupons, v1::ResetCouponsRequest(), Key(key));
  }
  Called<v1::Coupon> Get(const std::string& id, const Metadata& metadata = {}) {
    v1::GetCouponRequest request;
    request.set_coupon_id(id);
    return Call(stub(), &Stub::GetCoupon, request, metadata);
  }
  Called<v1::Campaign> GetCampaign(const std::string& id) {
    v1::GetCampaignRequest request;
    request.set_campaign_id(id);
    return Call(stub(), &Stub::GetCampaign, request, {});
  }
  Called<v1::ListCouponsResponse> List(const std::string& member, int page_size = 0, const std::string& token = "",
                                       v1::Coupon::State state = v1::Coupon::STATE_UNSPECIFIED,
                                       const Metadata& metadata = {}) {
    v1::ListCouponsRequest request;
    request.set_member_id(member);
    request.set_page_size(page_size);
    request.set_page_token(token);
    request.set_state(state);
    return Call(stub(), &Stub::ListCoupons, request, metadata);
  }

  // The id of a coupon that `member` got of `campaign`.
  std::string Coupon(const std::string& member, const std::string& campaign = "spring") {
    if (!GetCampaign(campaign).status.ok()) {
      EXPECT_TRUE(Begin(CampaignOf(campaign)).status.ok());
    }
    const auto issued = Issue(campaign, member);
    EXPECT_TRUE(issued.status.ok()) << issued.status;
    return issued.response.coupon().coupon_id();
  }

  void ExpectCoupon(const std::string& id, v1::Coupon::State state, const std::string& order) {
    const auto called = Get(id);
    ASSERT_TRUE(called.status.ok()) << called.status;
    EXPECT_EQ(called.response.state(), state);
    EXPECT_EQ(called.response.order_id(), order);
  }

  void TearDown() override { EXPECT_THAT(Violations(process_.database()), IsEmpty()); }

  Stub& stub() { return process_.stub(); }

  ServiceProcess<v1::CouponService> process_{kCouponMigrations, NewDomain, CouponTable()};
};

TEST_F(CouponServiceTest, AnOrderHoldsUsesAndReturnsACoupon) {
  const std::string id = Coupon("m1");
  ExpectCoupon(id, v1::Coupon::STATE_AVAILABLE, "");
  const auto held = Hold(HoldOf("o1", id, "m1", 5000));
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.discount().minor_units(), 1000);
  EXPECT_EQ(held.response.due().minor_units(), 4000);
  EXPECT_EQ(held.response.due().currency_code(), "KRW");
  EXPECT_FALSE(held.effect_free);
  ExpectCoupon(id, v1::Coupon::STATE_HELD, "o1");
  ASSERT_TRUE(Use("o1").status.ok());
  ExpectCoupon(id, v1::Coupon::STATE_USED, "o1");
  const auto returned = ReturnUsed("o1");
  ASSERT_TRUE(returned.status.ok()) << returned.status;
  EXPECT_EQ(returned.response.coupon_id(), id);
  ExpectCoupon(id, v1::Coupon::STATE_AVAILABLE, "");
}

TEST_F(CouponServiceTest, WhatIsDueMayBeNothing) {
  const auto held = Hold(HoldOf("o1", Coupon("m1"), "m1", 700));
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.discount().minor_units(), 700);
  EXPECT_TRUE(held.response.has_due());
  EXPECT_EQ(held.response.due().minor_units(), 0);
}

TEST_F(CouponServiceTest, ACompensationGivesBackAndARepeatDoesNothing) {
  const std::string id = Coupon("m1");
  const auto first = Hold(HoldOf("o1", id, "m1"));
  const auto repeat = Hold(HoldOf("o1", id, "m1"));
  EXPECT_EQ(first.response.SerializeAsString(), repeat.response.SerializeAsString());
  EXPECT_TRUE(Release("o1").status.ok());
  EXPECT_TRUE(Release("o1").status.ok());
  ExpectCoupon(id, v1::Coupon::STATE_AVAILABLE, "");
  EXPECT_TRUE(Hold(HoldOf("o2", id, "m1")).status.ok());
}

TEST_F(CouponServiceTest, AnActionAfterItsCompensationIsFenced) {
  const std::string id = Coupon("m1");
  EXPECT_TRUE(Release("o1").status.ok());
  const auto late = Hold(HoldOf("o1", id, "m1"));
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(late.reason(), "FENCED");
  ExpectCoupon(id, v1::Coupon::STATE_AVAILABLE, "");
}

TEST_F(CouponServiceTest, TheSameKeyWithAnotherBodyIsRefused) {
  const std::string id = Coupon("m1");
  ASSERT_TRUE(Hold(HoldOf("o1", id, "m1", 5000)).status.ok());
  EXPECT_EQ(Hold(HoldOf("o1", id, "m1", 6000)).reason(), "KEY_REUSED");
}

TEST_F(CouponServiceTest, WithoutMetadataAChangingCallIsRefused) {
  const Metadata none;
  for (const absl::Status& status : {Hold(HoldOf("o1", "c", "m1"), none).status, Release("o1", none).status,
                                     Call(stub(), &Stub::Use, Of<v1::UseRequest>("o1"), none).status,
                                     Call(stub(), &Stub::ReturnUsed, Of<v1::ReturnUsedRequest>("o1"), none).status,
                                     Call(stub(), &Stub::IssueApology, ApologyOf("o1", "m1", {"p1"}), none).status,
                                     Call(stub(), &Stub::CreateCampaign, CampaignOf("c"), none).status,
                                     Call(stub(), &Stub::ResetCoupons, v1::ResetCouponsRequest(), none).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_MISSING");
    EXPECT_EQ(GetErrorInfo(status).domain, "coupon.shop.unwind");
    EXPECT_THAT(std::string(status.message()), HasSubstr("idempotency-key"));
  }
}

TEST_F(CouponServiceTest, EveryCouponThatCannotBeUsedSaysWhy) {
  ASSERT_TRUE(Begin(CampaignOf("minimum", 0, 3000)).status.ok());
  v1::CreateCampaignRequest later = CampaignOf("later");
  later.mutable_valid_from()->set_seconds(later.valid_until().seconds() - 60);
  ASSERT_TRUE(Begin(later).status.ok());
  const std::string used = Coupon("m1", "used"), held = Coupon("m1", "held"), early = Coupon("m1", "later"),
                    minimum = Coupon("m1", "minimum"), foreign = Coupon("m2", "used");
  ASSERT_TRUE(Hold(HoldOf("o0", used, "m1")).status.ok());
  ASSERT_TRUE(Use("o0").status.ok());
  ASSERT_TRUE(Hold(HoldOf("o1", held, "m1")).status.ok());
  const std::vector<std::tuple<v1::HoldRequest, absl::StatusCode, std::string, std::string>> cases = {
      {HoldOf("o2", "none", "m1"), absl::StatusCode::kNotFound, "COUPON_NOT_FOUND", ""},
      {HoldOf("o3", foreign, "m1"), absl::StatusCode::kNotFound, "COUPON_NOT_FOUND", ""},
      {HoldOf("o4", used, "m1"), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE", "USED"},
      {HoldOf("o5", held, "m1"), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE", "HELD"},
      {HoldOf("o6", early, "m1"), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE", "NOT_YET_VALID"},
      {HoldOf("o7", minimum, "m1", 2999), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE", "BELOW_MINIMUM"},
      {HoldOf("o8", minimum, "m1", 5000, "USD"), absl::StatusCode::kFailedPrecondition, "COUPON_NOT_USABLE",
       "OTHER_CURRENCY"},
  };
  for (const auto& [request, code, reason, why] : cases) {
    const auto called = Hold(request);
    EXPECT_EQ(called.status.code(), code) << called.status;
    EXPECT_EQ(called.reason(), reason);
    EXPECT_EQ(called.info().domain, "coupon.shop.unwind");
    EXPECT_EQ(called.info().metadata.count("why") > 0 ? called.info().metadata.at("why") : "", why);
    EXPECT_TRUE(called.effect_free);
    EXPECT_EQ(called.outcome_key, request.order_id() + "/hold_coupon/action");
  }
  const auto twice = Hold(HoldOf("o1", minimum, "m1"), SagaCall("o1", "hold_another", "action"));
  EXPECT_EQ(twice.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(twice.reason(), "ORDER_HAS_COUPON");
  TheClock().ahead = 2 * 3600;
  EXPECT_EQ(Hold(HoldOf("o9", minimum, "m1")).info().metadata.at("why"), "EXPIRED");
  ExpectCoupon(minimum, v1::Coupon::STATE_AVAILABLE, "");
  ExpectCoupon(foreign, v1::Coupon::STATE_AVAILABLE, "");
}

// The expiry passes while the order is being paid: what was held is used, or given back, and it is no different
// afterwards.
TEST_F(CouponServiceTest, ValidityIsJudgedWhenItIsHeldAndNeverAgain) {
  const std::string to_use = Coupon("m1", "a"), to_release = Coupon("m1", "b");
  const auto before = Get(to_use).response;
  ASSERT_TRUE(Hold(HoldOf("o1", to_use, "m1")).status.ok());
  ASSERT_TRUE(Hold(HoldOf("o2", to_release, "m1")).status.ok());
  TheClock().ahead = 48 * 3600;
  EXPECT_TRUE(Use("o1").status.ok());
  EXPECT_TRUE(Release("o2").status.ok());
  ExpectCoupon(to_use, v1::Coupon::STATE_USED, "o1");
  EXPECT_TRUE(ReturnUsed("o1").status.ok());
  EXPECT_EQ(Get(to_use).response.valid_until().seconds(), before.valid_until().seconds());
  for (const std::string& id : {to_use, to_release}) {
    EXPECT_EQ(Hold(HoldOf("o3-" + id, id, "m1")).info().metadata.at("why"), "EXPIRED");
  }
}

TEST_F(CouponServiceTest, ARefusalIsStickyAndSaysThatNothingHappened) {
  const std::string id = Coupon("m1");
  ASSERT_TRUE(Hold(HoldOf("o1", id, "m1")).status.ok());
  const auto refused = Hold(HoldOf("o2", id, "m1"));
  EXPECT_EQ(refused.reason(), "COUPON_NOT_USABLE");
  ASSERT_TRUE(Release("o1").status.ok());
  const auto repeat = Hold(HoldOf("o2", id, "m1"));
  EXPECT_EQ(repeat.status, refused.status);
  EXPECT_TRUE(repeat.effect_free);
}

TEST_F(CouponServiceTest, ARefusedRetriableStepMayBeTriedAgain) {
  const std::string id = Coupon("m1");
  const auto early = Use("o1");
  EXPECT_EQ(early.reason(), "REDEMPTION_NOT_FOUND");
  EXPECT_FALSE(early.effect_free);
  ASSERT_TRUE(Hold(HoldOf("o1", id, "m1")).status.ok());
  const auto overtaking = ReturnUsed("o1");
  EXPECT_EQ(overtaking.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(overtaking.reason(), "REDEMPTION_IN_PROGRESS");
  EXPECT_TRUE(Use("o1").status.ok());
  EXPECT_TRUE(ReturnUsed("o1").status.ok());
  const auto again = ReturnUsed("o1", "cancel2");
  EXPECT_EQ(again.reason(), "REDEMPTION_NOT_USED");
  EXPECT_EQ(again.info().metadata.at("state"), "RETURNED");
}

TEST_F(CouponServiceTest, AnOrderWithoutACouponIsNothingToReturn) {
  const auto returned = ReturnUsed("o1");
  ASSERT_TRUE(returned.status.ok()) << returned.status;
  EXPECT_EQ(returned.response.coupon_id(), "");
}

TEST_F(CouponServiceTest, ACampaignIsMadeOnceAndNeverChanges) {
  v1::CreateCampaignRequest request = CampaignOf("spring", 7);
  request.mutable_terms()->mutable_percent_off()->set_percent(15);
  SetMoney(2000, "KRW", *request.mutable_terms()->mutable_percent_off()->mutable_cap());
  const auto made = Begin(request);
  ASSERT_TRUE(made.status.ok()) << made.status;
  EXPECT_EQ(made.response.campaign().coupons_max(), 7);
  EXPECT_EQ(made.response.campaign().terms().percent_off().percent(), 15);
  const auto again = Call(stub(), &Stub::CreateCampaign, request, Key("another"));
  EXPECT_EQ(again.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(again.reason(), "CAMPAIGN_EXISTS");
  ASSERT_TRUE(Issue("spring", "m1").status.ok());
  const auto shown = GetCampaign("spring");
  EXPECT_EQ(shown.response.coupons_issued(), 1);
  EXPECT_EQ(shown.response.valid_until().seconds(), request.valid_until().seconds());
  EXPECT_EQ(GetCampaign("none").reason(), "CAMPAIGN_NOT_FOUND");
}

TEST_F(CouponServiceTest, AMemberGetsACampaignsCouponOnce) {
  ASSERT_TRUE(Begin(CampaignOf("spring")).status.ok());
  const auto first = Issue("spring", "m1", "k1");
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_EQ(Issue("spring", "m1", "k1").response.SerializeAsString(), first.response.SerializeAsString());
  const auto second = Issue("spring", "m1", "k2");
  EXPECT_EQ(second.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.reason(), "COUPON_ALREADY_ISSUED");
  EXPECT_EQ(second.info().metadata.at("coupon_id"), first.response.coupon().coupon_id());
  EXPECT_EQ(Issue("none", "m1").reason(), "CAMPAIGN_NOT_FOUND");
  TheClock().ahead = 2 * 3600;
  EXPECT_EQ(Issue("spring", "m2").reason(), "CAMPAIGN_OVER");
}

TEST_F(CouponServiceTest, OfAThousandMembersExactlyAHundredGetOneOfAHundredCoupons) {
  constexpr int kCoupons = 100, kMembers = 1000, kThreads = 20;
  ASSERT_TRUE(Begin(CampaignOf("rush", kCoupons)).status.ok());
  std::atomic<int> got = 0, refused = 0;
  std::vector<std::future<void>> members;
  for (int t = 0; t < kThreads; ++t) {
    members.push_back(std::async(std::launch::async, [&, t] {
      for (int i = t; i < kMembers; i += kThreads) {
        const auto called = Issue("rush", absl::StrCat("m", i));
        if (called.status.ok()) ++got;
        if (called.reason() == "COUPONS_EXHAUSTED") ++refused;
      }
    }));
  }
  for (std::future<void>& member : members) member.get();
  EXPECT_EQ(got, kCoupons);
  EXPECT_EQ(refused, kMembers - kCoupons);
  EXPECT_EQ(GetCampaign("rush").response.coupons_issued(), kCoupons);
}

TEST_F(CouponServiceTest, AnApologyIsGivenOnceForAMemberAndProduct) {
  v1::CreateCampaignRequest sorry = CampaignOf("sorry");
  sorry.set_for_apologies(true);
  ASSERT_TRUE(Begin(sorry).status.ok());
  const auto first = Apologize(ApologyOf("o1", "m1", {"p1"}));
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_NE(first.response.coupon_id(), "");
  EXPECT_EQ(Apologize(ApologyOf("o1", "m1", {"p1"})).response.coupon_id(), first.response.coupon_id());
  EXPECT_EQ(Apologize(ApologyOf("o2", "m1", {"p1", "p2"})).response.coupon_id(), "");
  EXPECT_NE(Apologize(ApologyOf("o3", "m1", {"p2"})).response.coupon_id(), "");
  EXPECT_NE(Apologize(ApologyOf("o4", "m2", {"p1"})).response.coupon_id(), "");
  EXPECT_EQ(List("m1").response.coupons_size(), 2);
  EXPECT_EQ(Get(first.response.coupon_id()).response.member_id(), "m1");
  EXPECT_EQ(Issue("sorry", "m1").reason(), "CAMPAIGN_FOR_APOLOGIES");
}

TEST_F(CouponServiceTest, WithoutACampaignNoApologyIsGiven) {
  const auto none = Apologize(ApologyOf("o1", "m1", {"p1"}));
  ASSERT_TRUE(none.status.ok()) << none.status;
  EXPECT_EQ(none.response.coupon_id(), "");
  v1::CreateCampaignRequest sorry = CampaignOf("sorry");
  sorry.set_for_apologies(true);
  ASSERT_TRUE(Begin(sorry).status.ok());
  EXPECT_EQ(Apologize(ApologyOf("o1", "m1", {"p1"})).response.coupon_id(), "") << "it was answered";
  EXPECT_NE(Apologize(ApologyOf("o2", "m1", {"p1"})).response.coupon_id(), "");
}

TEST_F(CouponServiceTest, ACampaignOfAnotherKindGivesNoApologies) {
  ASSERT_TRUE(Begin(CampaignOf("spring")).status.ok());
  v1::IssueApologyRequest other = ApologyOf("o2", "m1", {"p2"});
  other.set_campaign_id("spring");
  EXPECT_EQ(Apologize(other).reason(), "CAMPAIGN_NOT_FOR_APOLOGIES");
}

TEST_F(CouponServiceTest, EachFieldKeepsItsLimits) {
  const std::string id = Coupon("m1"), long_id(65, 'a');
  const auto fields = [](const absl::Status& status) {
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST") << status;
    return BadFields(status);
  };
  EXPECT_THAT(fields(Hold(HoldOf("", id, "m1")).status), ElementsAre("order_id"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", "", "m1")).status), ElementsAre("coupon_id"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", long_id, "m1")).status), ElementsAre("coupon_id"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", id, "\xED\x95\x9C")).status), ElementsAre("member_id"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", id, "m1", -1)).status), ElementsAre("total.minor_units"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", id, "m1", 1'000'000'000'000'001)).status), ElementsAre("total.minor_units"));
  EXPECT_THAT(fields(Hold(HoldOf("o1", id, "m1", 1, "")).status), ElementsAre("total.currency_code"));
  v1::HoldRequest moneyless = HoldOf("o1", id, "m1");
  moneyless.clear_total();
  EXPECT_THAT(fields(Hold(moneyless).status), ElementsAre("total"));
  EXPECT_THAT(fields(Issue("", "m 1").status), ElementsAre("campaign_id", "member_id"));
  EXPECT_THAT(fields(Apologize(ApologyOf("o1", "m1", {})).status), ElementsAre("items"));
  EXPECT_THAT(fields(Apologize(ApologyOf("o1", "m1", {"p1", "p1"})).status), ElementsAre("items[1].product_id"));
  EXPECT_THAT(fields(Release("!").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(Use(long_id).status), ElementsAre("order_id"));
  EXPECT_THAT(fields(ReturnUsed("").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(Get("").status), ElementsAre("coupon_id"));
  EXPECT_THAT(fields(List("").status), ElementsAre("member_id"));
  EXPECT_THAT(fields(List("m1", -1).status), ElementsAre("page_size"));
  EXPECT_THAT(fields(List("m1", 1, "", static_cast<v1::Coupon::State>(9)).status), ElementsAre("state"));
  const auto begin = [&](const std::function<void(v1::CreateCampaignRequest&)>& change) {
    v1::CreateCampaignRequest request = CampaignOf("bad");
    change(request);
    return fields(Call(stub(), &Stub::CreateCampaign, request, Key("bad" + request.ShortDebugString())).status);
  };
  EXPECT_THAT(begin([](auto& r) { r.clear_terms(); }), ElementsAre("terms"));
  EXPECT_THAT(begin([](auto& r) { r.mutable_terms()->clear_discount(); }), ElementsAre("terms"));
  EXPECT_THAT(begin([](auto& r) { r.clear_valid_until(); }), ElementsAre("valid_until"));
  EXPECT_THAT(begin([](auto& r) { r.mutable_valid_until()->set_seconds(1); }), ElementsAre("valid_until"));
  EXPECT_THAT(begin([](auto& r) { r.set_days_valid(3651); }), ElementsAre("days_valid"));
  EXPECT_THAT(begin([](auto& r) { r.set_coupons_max(-1); }), ElementsAre("coupons_max"));
  EXPECT_THAT(begin([](auto& r) {
                r.mutable_terms()->mutable_percent_off()->set_percent(101);
                SetMoney(1, "KRW", *r.mutable_terms()->mutable_percent_off()->mutable_cap());
              }),
              ElementsAre("terms.percent_off.percent"));
  EXPECT_EQ(GetCampaign("bad").reason(), "CAMPAIGN_NOT_FOUND");
  ExpectCoupon(id, v1::Coupon::STATE_AVAILABLE, "");
  EXPECT_TRUE(Hold(HoldOf("o1", id, "m1")).status.ok());  // an invalid request uses up no key
}

TEST_F(CouponServiceTest, ListsAMembersCouponsNewestFirst) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.insert(ids.begin(), Coupon("m1", absl::StrCat("c", i)));
  Coupon("m2", "c0");
  ASSERT_TRUE(Hold(HoldOf("o1", ids[1], "m1")).status.ok());
  std::vector<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const auto page = List("m1", 2, token);
    ASSERT_TRUE(page.status.ok()) << page.status;
    for (const auto& coupon : page.response.coupons()) seen.push_back(coupon.coupon_id());
    token = page.response.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(seen, ids);
  EXPECT_EQ(pages, 3);
  const auto held = List("m1", 0, "", v1::Coupon::STATE_HELD);
  ASSERT_EQ(held.response.coupons_size(), 1);
  EXPECT_EQ(held.response.coupons(0).coupon_id(), ids[1]);
  EXPECT_EQ(List("m1", 0, "", v1::Coupon::STATE_AVAILABLE).response.coupons_size(), 4);
  EXPECT_EQ(List("m1", 0, "", v1::Coupon::STATE_USED).response.coupons_size(), 0);
  const std::string of_m1 = List("m1", 2).response.next_page_token();
  for (const std::string& bad : {std::string("x"), std::string("!"), std::string("MQpvcmRlcnMKYQ"), of_m1}) {
    EXPECT_EQ(List("m2", 2, bad).reason(), "INVALID_PAGE_TOKEN");
  }
}

TEST_F(CouponServiceTest, WhatWasAnsweredSurvivesARestart) {
  const std::string id = Coupon("m1");
  const auto before = Hold(HoldOf("o1", id, "m1"));
  process_.Stop();
  process_.Start();
  const auto after = Hold(HoldOf("o1", id, "m1"));
  ASSERT_TRUE(after.status.ok()) << after.status;
  EXPECT_EQ(before.response.SerializeAsString(), after.response.SerializeAsString());
  ExpectCoupon(id, v1::Coupon::STATE_HELD, "o1");
}

TEST_F(CouponServiceTest, AResetTakesAllCouponsBackUnlessOneIsHeld) {
  ASSERT_TRUE(Begin(CampaignOf("spring", 2)).status.ok());
  const std::string used = Coupon("m1"), held = Coupon("m2");
  ASSERT_TRUE(Hold(HoldOf("o1", used, "m1")).status.ok());
  ASSERT_TRUE(Use("o1").status.ok());
  ASSERT_TRUE(Hold(HoldOf("o2", held, "m2")).status.ok());
  const auto refused = Reset("reset1");
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "RESET_REFUSED");
  EXPECT_EQ(refused.info().metadata.at("held"), "1");
  ASSERT_TRUE(Release("o2").status.ok());
  const auto reset = Reset("reset2");
  ASSERT_TRUE(reset.status.ok()) << reset.status;
  EXPECT_EQ(reset.response.coupons_removed(), 2);
  EXPECT_EQ(Get(used).reason(), "COUPON_NOT_FOUND");
  EXPECT_EQ(GetCampaign("spring").response.coupons_issued(), 0);
  EXPECT_TRUE(Issue("spring", "m1", "anew").status.ok());
}

TEST(CouponReset, IsOffByDefault) {
  ServiceProcess<v1::CouponService> process(kCouponMigrations, NewDomain, CouponTable(), false);
  const auto called = Call(process.stub(), &Stub::ResetCoupons, v1::ResetCouponsRequest(), Key("k"));
  EXPECT_EQ(called.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(called.reason(), "RESET_DISABLED");
}

// Who asks, once callers are told apart.

constexpr char kGateway[] = R"(rules:
  - callers: [gateway]
    member: allowed
    methods:
      - shop.coupon.v1.CouponService/GetCoupon
      - shop.coupon.v1.CouponService/ListCoupons
      - shop.coupon.v1.CouponService/Issue
)";

Metadata OnBehalfOf(const std::string& member, Metadata metadata = {}) {
  metadata.insert({{kTestIdentity, "gateway"}, {"x-member-id", member}});
  return metadata;
}

TEST_F(CouponServiceTest, AMemberSeesAndGetsOnlyItsOwnCoupons) {
  const std::string id = Coupon("juno");
  process_.Stop();
  process_.Guard(kGateway);
  process_.Start();
  const auto foreign = Get(id, OnBehalfOf("mina"));
  EXPECT_EQ(foreign.reason(), "COUPON_NOT_FOUND");
  EXPECT_EQ(foreign.info().metadata, (std::map<std::string, std::string>{{"coupon_id", id}}));
  EXPECT_EQ(Get(id, OnBehalfOf("juno")).response.member_id(), "juno");
  const auto listed = [&](const std::string& of, const std::string& by) {
    return List(of, 0, "", v1::Coupon::STATE_UNSPECIFIED, OnBehalfOf(by));
  };
  EXPECT_EQ(listed("juno", "juno").response.coupons_size(), 1);
  EXPECT_EQ(listed("juno", "mina").reason(), "CALLER_NOT_ALLOWED");
  v1::IssueRequest request;
  request.set_campaign_id("spring");
  request.set_member_id("mina");
  EXPECT_EQ(Call(stub(), &Stub::Issue, request, OnBehalfOf("juno", Key("k"))).reason(), "CALLER_NOT_ALLOWED");
  EXPECT_TRUE(Call(stub(), &Stub::Issue, request, OnBehalfOf("mina", Key("k"))).status.ok());
}

// Batches straight into the domain, without gRPC and the barrier.
class CouponBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    TheClock().ahead = 0;
    connection_ = OpenTestDatabase(folder_.File("coupon.db"));
    ASSERT_TRUE(Migrate(*connection_, "coupon", kCouponMigrations).ok());
  }

  template <class Request>
  void Add(const char* method, const std::string& owner, Request request) {
    auto command = std::make_unique<Command>();
    command->method = domain_->NumberOf(method);
    command->key.saga_id = owner;
    command->request = std::make_shared<Request>(std::move(request));
    batch_.push_back(std::move(command));
  }
  void AddIssue(const std::string& campaign, const std::string& member) {
    v1::IssueRequest request;
    request.set_campaign_id(campaign);
    request.set_member_id(member);
    Add("Issue", "k", request);
  }

  // How many of the batch were OK.
  int Apply() {
    std::vector<Command*> commands;
    for (const auto& command : batch_) commands.push_back(command.get());
    const absl::Status status =
        connection_->Write([&](soci::session& session) { return domain_->Apply(session, commands); });
    EXPECT_TRUE(status.ok()) << status;
    int ok = 0;
    for (const Command* command : commands) ok += std::holds_alternative<Ok>(command->answer) ? 1 : 0;
    batch_.clear();
    return ok;
  }

  void Run(const std::string& sql) {
    const absl::Status status = connection_->Write([&](soci::session& session) {
      session << sql;
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status << sql;
  }

  std::vector<std::string> Wrong() { return Violations(folder_.File("coupon.db")); }

  const TempDir folder_;
  const std::unique_ptr<StepDomain> domain_ = NewCouponDomain(TheClock());
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Command>> batch_;
};

TEST_F(CouponBatchTest, CommandsOfOneBatchSeeEachOther) {
  const std::string id = CouponIdOf("spring", "m1", "");
  AddIssue("spring", "m1");  // before the campaign is there
  Add("CreateCampaign", "k", CampaignOf("spring", 2));
  AddIssue("spring", "m1");
  AddIssue("spring", "m1");  // twice
  AddIssue("spring", "m2");
  AddIssue("spring", "m3");  // none left
  Add("Hold", "o1", HoldOf("o1", id, "m1"));
  Add("Hold", "o2", HoldOf("o2", id, "m1"));  // held
  Add("Release", "o1", Of<v1::ReleaseRequest>("o1"));
  Add("Hold", "o3", HoldOf("o3", id, "m1"));
  Add("Use", "o3", Of<v1::UseRequest>("o3"));
  Add("ReturnUsed", "c", Of<v1::ReturnUsedRequest>("o3"));
  Add("ResetCoupons", "k", v1::ResetCouponsRequest());
  AddIssue("spring", "m3");
  EXPECT_EQ(Apply(), 10);
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(CouponBatchTest, ACouponIsReleasedAndHeldAnewInOneBatch) {
  const std::string id = CouponIdOf("spring", "m1", "");
  Add("CreateCampaign", "k", CampaignOf("spring"));
  AddIssue("spring", "m1");
  Add("Hold", "o1", HoldOf("o1", id, "m1"));
  ASSERT_EQ(Apply(), 3);
  Add("Release", "o1", Of<v1::ReleaseRequest>("o1"));
  Add("Hold", "o2", HoldOf("o2", id, "m1"));
  EXPECT_EQ(Apply(), 2);
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(CouponBatchTest, TheBooksAgreeWhateverComes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  v1::CreateCampaignRequest sorry = CampaignOf("sorry", 12);
  sorry.set_for_apologies(true);
  Add("CreateCampaign", "k", sorry);
  for (int round = 0; round < 60 && !HasFailure(); ++round) {
    const int commands = 1 + draw(40);
    for (int i = 0; i < commands; ++i) {
      const std::string order = absl::StrCat("o", draw(60)), member = absl::StrCat("m", draw(6)),
                        campaign = absl::StrCat("c", draw(4)), product = absl::StrCat("p", draw(8));
      switch (draw(16)) {
        case 0:
          Add("CreateCampaign", "k", CampaignOf(campaign, draw(6)));
          break;
        case 1:
        case 2:
          AddIssue(campaign, member);
          break;
        case 3:
          Add("IssueApology", "k", ApologyOf(order, member, {product}));
          break;
        case 4:
        case 5:
          Add("Release", order, Of<v1::ReleaseRequest>(order));
          break;
        case 6:
        case 7:
        case 8:
          Add("Use", "other", Of<v1::UseRequest>(order));
          break;
        case 9:
        case 10:
          Add("ReturnUsed", "other", Of<v1::ReturnUsedRequest>(order));
          break;
        case 11:
          if (draw(20) == 0) Add("ResetCoupons", "k", v1::ResetCouponsRequest());
          break;
        default:
          Add("Hold", order, HoldOf(order, CouponIdOf(campaign, member, ""), member, 1 + draw(3000)));
      }
    }
    Apply();
    EXPECT_THAT(Wrong(), IsEmpty());
  }
}

TEST_F(CouponBatchTest, EachRuleOfTheBooksSeesItsDamage) {
  const std::string id = CouponIdOf("spring", "m1", "");
  v1::CreateCampaignRequest sorry = CampaignOf("sorry");
  sorry.set_for_apologies(true);
  Add("CreateCampaign", "k", sorry);
  Add("CreateCampaign", "k", CampaignOf("spring"));
  AddIssue("spring", "m1");
  Add("IssueApology", "k", ApologyOf("o9", "m1", {"p1"}));
  Add("Hold", "o1", HoldOf("o1", id, "m1"));
  ASSERT_EQ(Apply(), 5);
  ASSERT_THAT(Wrong(), IsEmpty());
  const std::vector<std::tuple<const char*, std::string, std::string>> damages = {
      {"a coupon is held or used exactly", "UPDATE redemptions SET state = 2", "UPDATE redemptions SET state = 1"},
      {"a coupon is held or used exactly", "UPDATE coupons SET state = 3 WHERE state = 2",
       "UPDATE coupons SET state = 2 WHERE state = 3"},
      {"a campaign has issued", "UPDATE campaigns SET issued = issued + 1", "UPDATE campaigns SET issued = issued - 1"},
      {"every apology is a coupon", "UPDATE coupons SET occasion = 'o1' WHERE occasion = ''",
       "UPDATE coupons SET occasion = '' WHERE occasion = 'o1'"},
      {"every apology is a coupon", "UPDATE apologies SET member_id = 'm2'", "UPDATE apologies SET member_id = 'm1'"},
      {"nobody got a campaign's coupon twice",
       "UPDATE coupons SET campaign_id = 'spring', occasion = '' WHERE occasion = 'o9'", ""},
  };
  for (const auto& [rule, damage, repair] : damages) {
    if (repair.empty()) Run("DROP INDEX coupons_once");
    Run(damage);
    EXPECT_THAT(Wrong(), testing::Contains(HasSubstr(rule))) << damage;
    if (repair.empty()) break;
    Run(repair);
    EXPECT_THAT(Wrong(), IsEmpty()) << repair;
  }
}

}  // namespace
}  // namespace unwind::coupon
