#include "coupon_svc/coupon_proto.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace unwind::coupon {
namespace {

namespace v1 = ::shop::coupon::v1;
using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::CreateCampaignRequest PercentCampaign() {
  v1::CreateCampaignRequest request;
  request.set_campaign_id("spring");
  v1::PercentOff& percent = *request.mutable_terms()->mutable_percent_off();
  percent.set_percent(10);
  percent.mutable_cap()->set_minor_units(3000);
  percent.mutable_cap()->set_currency_code("KRW");
  request.mutable_valid_until()->set_seconds(1'800'000'000);
  return request;
}

v1::CreateCampaignRequest AmountCampaign() {
  v1::CreateCampaignRequest request = PercentCampaign();
  request.mutable_terms()->mutable_amount_off()->set_minor_units(500);
  request.mutable_terms()->mutable_amount_off()->set_currency_code("USD");
  request.mutable_terms()->mutable_minimum_total()->set_minor_units(2000);
  request.mutable_terms()->mutable_minimum_total()->set_currency_code("USD");
  return request;
}

std::vector<std::string> BadFieldsOf(const v1::CreateCampaignRequest& request) {
  std::vector<std::string> fields;
  google::rpc::BadRequest bad;
  const auto payload = ReadCampaign(request, kNow).status().GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) bad.ParseFromString(std::string(*payload));
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

TEST(ReadCampaign, APercentageWithACap) {
  const auto campaign = ReadCampaign(PercentCampaign(), kNow);
  ASSERT_TRUE(campaign.ok()) << campaign.status();
  EXPECT_EQ(campaign->terms, (Terms{10, 3000, 0, "KRW"}));
  EXPECT_EQ(campaign->valid_from, kNow);
  EXPECT_EQ(campaign->valid_until, absl::FromUnixSeconds(1'800'000'000));
  EXPECT_FALSE(campaign->for_apologies);
}

TEST(ReadCampaign, AnAmountWithAMinimum) {
  v1::CreateCampaignRequest request = AmountCampaign();
  request.mutable_valid_from()->set_seconds(1'750'000'000);
  request.mutable_valid_from()->set_nanos(7'999);
  request.set_days_valid(30);
  request.set_coupons_max(100);
  request.set_for_apologies(true);
  const auto campaign = ReadCampaign(request, kNow);
  ASSERT_TRUE(campaign.ok()) << campaign.status();
  EXPECT_EQ(campaign->terms, (Terms{0, 500, 2000, "USD"}));
  EXPECT_EQ(campaign->valid_from, absl::FromUnixMicros(1'750'000'000'000'007));
  EXPECT_EQ(campaign->days_valid, 30);
  EXPECT_EQ(campaign->coupons_max, 100);
  EXPECT_TRUE(campaign->for_apologies);
}

TEST(ReadCampaign, WhatIsWrittenIsRead) {
  for (const v1::CreateCampaignRequest& request : {PercentCampaign(), AmountCampaign()}) {
    const auto campaign = ReadCampaign(request, kNow);
    ASSERT_TRUE(campaign.ok()) << campaign.status();
    v1::Campaign written;
    Write(*campaign, written);
    EXPECT_EQ(written.terms().SerializeAsString(), request.terms().SerializeAsString());
    EXPECT_EQ(written.valid_until().seconds(), 1'800'000'000);
  }
}

TEST(ReadCampaign, NamesEveryFieldThatCannotBe) {
  const auto with = [](const std::function<void(v1::CreateCampaignRequest&)>& change) {
    v1::CreateCampaignRequest request = AmountCampaign();
    change(request);
    return BadFieldsOf(request);
  };
  EXPECT_THAT(with([](auto& r) { r.mutable_terms()->clear_discount(); }), ElementsAre("terms"));
  EXPECT_THAT(with([](auto& r) { r.mutable_terms()->mutable_amount_off()->set_minor_units(0); }),
              ElementsAre("terms.amount_off.minor_units"));
  EXPECT_THAT(with([](auto& r) { r.mutable_terms()->mutable_amount_off()->set_currency_code("usd"); }),
              ElementsAre("terms.amount_off.currency_code", "terms.minimum_total.currency_code"));
  EXPECT_THAT(with([](auto& r) { r.mutable_terms()->mutable_minimum_total()->set_currency_code("KRW"); }),
              ElementsAre("terms.minimum_total.currency_code"));
  EXPECT_THAT(with([](auto& r) {
                r.mutable_terms()->mutable_percent_off()->set_percent(10);
                r.mutable_terms()->clear_minimum_total();
              }),
              ElementsAre("terms.percent_off.cap.currency_code", "terms.percent_off.cap.minor_units"));
  EXPECT_THAT(with([](auto& r) { r.mutable_valid_from()->set_seconds(-1); }), ElementsAre("valid_from"));
  EXPECT_THAT(with([](auto& r) { r.mutable_valid_until()->set_seconds(253'402'300'800); }), ElementsAre("valid_until"));
  EXPECT_THAT(with([](auto& r) { r.mutable_valid_until()->set_nanos(1'000'000'000); }), ElementsAre("valid_until"));
  EXPECT_THAT(with([](auto& r) { r.mutable_valid_until()->set_nanos(-1); }), ElementsAre("valid_until"));
}

}  // namespace
}  // namespace unwind::coupon
