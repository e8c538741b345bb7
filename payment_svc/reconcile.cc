#include "payment_svc/reconcile.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace unwind::payment {
namespace {

using Stands = OwnKey::Stands;

std::string Show(const TheirCapture& capture) {
  return absl::StrCat("capture ", capture.transaction, " of ", Show(capture.amount), " under key ", capture.key);
}

// How a capture in the gateway's ledger differs from our row `own`; empty: it does not, or may be on its way. `back`:
// what the gateway paid back of the capture, in minor units.
std::string DifferenceOf(const TheirCapture& capture, std::int64_t back, const OwnKey& own, absl::Time before) {
  const auto say = [&](absl::string_view what) {
    return absl::StrCat(Show(capture), ": payment ", own.payment_id, " ", what);
  };
  const bool is_back = back == capture.amount.minor_units;
  switch (own.stands) {
    case Stands::kOpen:
      return is_back || own.time >= before - kOpenMax ? "" : say("has been open for more than a day");
    case Stands::kNothing: {
      const bool is_asked = own.is_inquired && capture.time >= before - kInquiryPauseMax;
      return is_back || is_asked ? "" : say("says that nothing was taken");
    }
    case Stands::kTaken:
    case Stands::kPaidBack:
      break;
  }
  if (own.transaction != capture.transaction) return say(absl::StrCat("has transaction ", own.transaction));
  if (own.amount != capture.amount) return say(absl::StrCat("says ", payment::Show(own.amount)));
  if (own.stands == Stands::kTaken) return back == 0 ? "" : say("does not say that it was paid back");
  const std::int64_t own_back = own.amount.minor_units - own.kept;
  if (own_back == back) return "";
  if (back == 0) return say("says that it was paid back, and it was not");
  return say(absl::StrCat("says that ", own_back, " were paid back, and it was ", back));
}

}  // namespace

void TheirBooks::AddRefund(const std::string& capture, const TheirRefund& refund) {
  TheirRefund& all = refunds.try_emplace(capture, TheirRefund{0, absl::InfinitePast()}).first->second;
  all.amount_minor += refund.amount_minor;
  all.time = std::max(all.time, refund.time);
}

std::vector<std::string> Compare(const OwnBooks& own, const TheirBooks& theirs, absl::Time before) {
  std::vector<std::string> differences;
  std::set<std::string> captured;
  for (const TheirCapture& capture : theirs.captures) {
    captured.insert(capture.key);
    const auto refund = theirs.refunds.find(capture.transaction);
    const TheirRefund back = refund == theirs.refunds.end() ? TheirRefund() : refund->second;
    if (capture.time >= before || (back.amount_minor > 0 && back.time >= before)) continue;
    const auto found = own.find(capture.key);
    if (found == own.end()) {
      if (back.amount_minor != capture.amount.minor_units)
        differences.push_back(absl::StrCat(Show(capture), " belongs to no payment"));
      continue;
    }
    if (found->second.time >= before) continue;
    std::string difference = DifferenceOf(capture, back.amount_minor, found->second, before);
    if (!difference.empty()) differences.push_back(std::move(difference));
  }
  for (const auto& [key, row] : own) {
    const bool has_money = row.stands == Stands::kTaken || row.stands == Stands::kPaidBack;
    if (!has_money || row.time >= before || captured.count(key) > 0) continue;
    differences.push_back(absl::StrCat("payment ", row.payment_id, " says that key ", key, " took ",
                                       payment::Show(row.amount), ", and the gateway has no such capture"));
  }
  return differences;
}

std::string OrderDifference(const std::map<std::string, State>& own, const TheirOrder& order, absl::Time before) {
  if (order.time >= before) return "";
  const std::string& payment_id = order.says == TheirOrder::Says::kFailed ? order.order_id : order.payment_id;
  const auto found = own.find(payment_id);
  const auto is = [&](State state) { return found != own.end() && found->second == state; };
  const auto say = [&](absl::string_view what) {
    return absl::StrCat("order ", order.order_id, " is ", what, ", and its payment ", payment_id, " is ",
                        found == own.end() ? "not there" : NameOf(found->second));
  };
  switch (order.says) {
    case TheirOrder::Says::kPaid:
      return is(State::kSuccess) ? "" : say("PAID");
    case TheirOrder::Says::kCancelled:
      return is(State::kRefunded) ? "" : say("CANCELLED");
    case TheirOrder::Says::kFailed:
      return is(State::kSuccess) ? say("FAILED") : "";
  }
  return "";
}

}  // namespace unwind::payment
