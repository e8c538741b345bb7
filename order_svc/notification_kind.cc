#include "order_svc/notification_kind.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace unwind::order {
namespace {

using Proto = ::shop::order::v1::Notification;

constexpr std::pair<Kind, Proto::Kind> kKinds[] = {
    {Kind::kOrderPaid, Proto::KIND_ORDER_PAID},
    {Kind::kOrderCancelled, Proto::KIND_ORDER_CANCELLED},
    {Kind::kPaymentExpired, Proto::KIND_PAYMENT_EXPIRED},
    {Kind::kPointsEarned, Proto::KIND_POINTS_EARNED},
    {Kind::kPointsTakenBack, Proto::KIND_POINTS_TAKEN_BACK},
    {Kind::kSoldOutApology, Proto::KIND_SOLD_OUT_APOLOGY},
};

}  // namespace

std::optional<Kind> ReadKind(Proto::Kind kind) {
  const auto* const found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [kind](const auto& each) { return each.second == kind; });
  return found == std::end(kKinds) ? std::nullopt : std::optional(found->first);
}

Proto::Kind WriteKind(Kind kind) {
  const auto* const found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [kind](const auto& each) { return each.first == kind; });
  return found == std::end(kKinds) ? Proto::KIND_UNSPECIFIED : found->second;
}

}  // namespace unwind::order
