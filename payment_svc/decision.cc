#include "payment_svc/decision.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"

namespace unwind::payment {

std::string Show(const Money& money) { return absl::StrCat(money.minor_units, " ", money.currency_code); }

absl::Status Error(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

absl::Status PaymentNotFound(absl::string_view payment_id) {
  return Error(absl::StatusCode::kNotFound, absl::StrCat("there is no payment \"", payment_id, "\""),
               "PAYMENT_NOT_FOUND", {{"payment_id", std::string(payment_id)}});
}

absl::Status PaymentAlreadyExists(absl::string_view payment_id) {
  return Error(absl::StatusCode::kAlreadyExists, "another call made a payment of this id", "PAYMENT_ALREADY_EXISTS",
               {{"payment_id", std::string(payment_id)}});
}

absl::Status CheckAmount(const Money& amount) {
  std::vector<FieldViolation> violations;
  if (amount.minor_units < 0 || amount.minor_units > kAmountMinorMax) {
    violations.push_back({"amount.minor_units", absl::StrCat("must be 0 to ", kAmountMinorMax)});
  }
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  if (amount.currency_code.size() != 3 ||
      !std::all_of(amount.currency_code.begin(), amount.currency_code.end(), capital)) {
    violations.push_back({"amount.currency_code", "must be three capital letters, such as KRW"});
  }
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(kErrorDomain, violations);
}

absl::Status CheckMethod(int method) {
  if (method >= 1 && method <= kMethodMax) return absl::OkStatus();
  return MakeBadRequest(kErrorDomain, {{"method", "must be CARD or TRANSFER"}});
}

Decision Done() { return {Decision::Kind::kDone, absl::OkStatus(), ""}; }
Decision Ask(Question question) { return {Decision::Kind::kAskGateway, absl::OkStatus(), "", std::move(question)}; }
Decision Refuse(absl::Status status) { return {Decision::Kind::kRefused, std::move(status), ""}; }
Decision Waits() { return {Decision::Kind::kWaits, absl::OkStatus(), ""}; }

Decision NotKnown(absl::string_view why, std::string alarm) {
  absl::Status status = Error(absl::StatusCode::kUnavailable, "the gateway has not said whether the money moved",
                              "GATEWAY_UNKNOWN", {{"pg_reason", std::string(why)}});
  return {Decision::Kind::kUnknown, std::move(status), std::move(alarm)};
}

Decision Never(const absl::Status& no) {
  ErrorInfo info = GetErrorInfo(no);
  info.metadata["cause"] = info.reason;
  return Refuse(Error(absl::StatusCode::kFailedPrecondition, no.message(), "NEVER_HAPPENED", std::move(info.metadata)));
}

}  // namespace unwind::payment
