#include "coupon_svc/coupon_proto.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::coupon {
namespace {

namespace v1 = ::shop::coupon::v1;

using Violations = std::vector<FieldViolation>;

constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the last of the year 9999, as of a Timestamp

void Write(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

void Write(std::int64_t minor_units, const std::string& currency_code, ::shop::type::v1::Money& to) {
  to.set_minor_units(minor_units);
  to.set_currency_code(currency_code);
}

void Write(const Terms& from, v1::Terms& to) {
  if (from.percent > 0) {
    to.mutable_percent_off()->set_percent(static_cast<std::int32_t>(from.percent));
    Write(from.amount_minor, from.currency_code, *to.mutable_percent_off()->mutable_cap());
  } else {
    Write(from.amount_minor, from.currency_code, *to.mutable_amount_off());
  }
  if (from.minimum_minor > 0) Write(from.minimum_minor, from.currency_code, *to.mutable_minimum_total());
}

absl::Time ReadTime(const google::protobuf::Timestamp& time, const char* field, Violations& violations) {
  if (time.seconds() < 0 || time.seconds() > kSecondsMax || time.nanos() < 0 || time.nanos() > 999'999'999) {
    violations.push_back({field, "must be a time between the years 1970 and 9999"});
    return absl::UnixEpoch();
  }
  return absl::FromUnixMicros(time.seconds() * 1'000'000 + time.nanos() / 1000);
}

// An amount that a discount is, of at least 1.
void ReadAmount(const ::shop::type::v1::Money& amount, const std::string& field, Terms& terms, Violations& violations) {
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  const std::string& code = amount.currency_code();
  if (code.size() != 3 || !std::all_of(code.begin(), code.end(), capital)) {
    violations.push_back({field + ".currency_code", "must be three capital letters, such as KRW"});
  }
  if (amount.minor_units() < 1) violations.push_back({field + ".minor_units", "must be at least 1"});
  terms.amount_minor = amount.minor_units();
  terms.currency_code = code;
}

Terms ReadTerms(const v1::Terms& from, Violations& violations) {
  Terms terms;
  switch (from.discount_case()) {
    case v1::Terms::kAmountOff:
      ReadAmount(from.amount_off(), "terms.amount_off", terms, violations);
      break;
    case v1::Terms::kPercentOff:
      terms.percent = from.percent_off().percent();
      ReadAmount(from.percent_off().cap(), "terms.percent_off.cap", terms, violations);
      break;
    case v1::Terms::DISCOUNT_NOT_SET:
      violations.push_back({"terms", "must have amount_off or percent_off"});
      break;
  }
  if (from.has_minimum_total()) {
    terms.minimum_minor = from.minimum_total().minor_units();
    if (!terms.currency_code.empty() && from.minimum_total().currency_code() != terms.currency_code) {
      violations.push_back(
          {"terms.minimum_total.currency_code", absl::StrCat("must be that of the discount, ", terms.currency_code)});
    }
  }
  return terms;
}

v1::Coupon::State StateOf(State state) {
  switch (state) {
    case State::kAvailable:
      return v1::Coupon::STATE_AVAILABLE;
    case State::kHeld:
      return v1::Coupon::STATE_HELD;
    case State::kUsed:
      return v1::Coupon::STATE_USED;
  }
  return v1::Coupon::STATE_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<Campaign> ReadCampaign(const v1::CreateCampaignRequest& request, absl::Time now) {
  Violations violations;
  Campaign campaign;
  campaign.campaign_id = request.campaign_id();
  campaign.terms = ReadTerms(request.terms(), violations);
  campaign.for_apologies = request.for_apologies();
  campaign.valid_from = request.has_valid_from() ? ReadTime(request.valid_from(), "valid_from", violations) : now;
  campaign.valid_until = ReadTime(request.valid_until(), "valid_until", violations);
  campaign.days_valid = request.days_valid();
  campaign.coupons_max = request.coupons_max();
  if (!violations.empty()) return MakeBadRequest(kErrorDomain, violations);
  return campaign;
}

void Write(const Campaign& from, v1::Campaign& to) {
  to.set_campaign_id(from.campaign_id);
  Write(from.terms, *to.mutable_terms());
  Write(from.valid_from, *to.mutable_valid_from());
  Write(from.valid_until, *to.mutable_valid_until());
  to.set_days_valid(static_cast<std::int32_t>(from.days_valid));
  to.set_coupons_max(from.coupons_max);
  to.set_coupons_issued(from.issued);
  to.set_for_apologies(from.for_apologies);
  Write(from.create_time, *to.mutable_create_time());
}

void Write(const Coupon& from, v1::Coupon& to) {
  to.set_coupon_id(from.coupon_id);
  to.set_campaign_id(from.campaign_id);
  to.set_member_id(from.member_id);
  Write(from.terms, *to.mutable_terms());
  to.set_state(StateOf(from.state));
  to.set_order_id(from.order_id);
  Write(from.valid_from, *to.mutable_valid_from());
  Write(from.valid_until, *to.mutable_valid_until());
  Write(from.create_time, *to.mutable_create_time());
  Write(from.update_time, *to.mutable_update_time());
}

}  // namespace unwind::coupon
