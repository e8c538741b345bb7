#include "order_svc/notification.h"

#include <functional>
#include <vector>

#include "common/rpc/error.h"
#include "gtest/gtest.h"

namespace unwind::order {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

Notification Paid() {
  return {.order_id = "o1",
          .kind = Kind::kOrderPaid,
          .member_id = "m1",
          .amount = {1500, "KRW"},
          .points = 0,
          .product_id = "",
          .coupon_id = "",
          .create_time = kNow};
}

TEST(Notify, TellsOnce) {
  std::optional<Notification> told;
  EXPECT_TRUE(Notify(told, Paid()).ok());
  EXPECT_EQ(told, Paid());
  Notification again = Paid();
  again.create_time = kNow + absl::Hours(1);
  EXPECT_TRUE(Notify(told, again).ok());
  EXPECT_EQ(told, Paid());
}

TEST(Notify, SomethingElseIsRefusedAndWhatWasToldStands) {
  const std::vector<std::function<void(Notification&)>> changes = {
      [](Notification& other) { other.member_id = "m2"; },
      [](Notification& other) { other.amount.minor_units = 1; },
      [](Notification& other) { other.amount.currency_code = "USD"; },
      [](Notification& other) { other.points = 1; },
      [](Notification& other) { other.product_id = "p1"; },
      [](Notification& other) { other.coupon_id = "c1"; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::optional<Notification> told = Paid();
    Notification other = Paid();
    changes[i](other);
    const absl::Status status = Notify(told, other);
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << i;
    EXPECT_EQ(GetErrorInfo(status).reason, "NOTIFICATION_EXISTS") << i;
    EXPECT_EQ(told, Paid()) << i;
  }
}

TEST(Notify, AnAmountHasACurrency) {
  for (const char* const currency : {"", "krw", "KR", "K1W"}) {
    std::optional<Notification> told;
    Notification notification = Paid();
    notification.amount.currency_code = currency;
    EXPECT_EQ(Notify(told, notification).code(), absl::StatusCode::kInvalidArgument) << currency;
    EXPECT_FALSE(told.has_value());
  }
  std::optional<Notification> told;
  Notification without = Paid();
  without.amount = {};
  EXPECT_TRUE(Notify(told, without).ok());
}

}  // namespace
}  // namespace unwind::order
