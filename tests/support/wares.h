// Coupons, wallets, carts and notifications as a buyer and an administrator see them: typed calls to a running cluster.
#ifndef UNWIND_TESTS_SUPPORT_WARES_H_
#define UNWIND_TESTS_SUPPORT_WARES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shop/coupon/v1/coupon_service.grpc.pb.h"
#include "shop/order/v1/cart_service.grpc.pb.h"
#include "shop/order/v1/notification_service.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "shop/type/v1/wallet_use.pb.h"
#include "shop/wallet/v1/wallet_service.grpc.pb.h"
#include "tests/support/cluster.h"

namespace unwind {

inline constexpr char kWon[] = "KRW";
shop::type::v1::Money Won(std::int64_t minor_units);
shop::type::v1::WalletUse Use(std::int64_t points, std::int64_t balance);

class Wares {
 public:
  explicit Wares(Cluster& cluster) : cluster_(cluster) {}

  // For a day; of any number of coupons.
  static shop::coupon::v1::CreateCampaignRequest AmountOff(const std::string& campaign, std::int64_t won);
  static shop::coupon::v1::CreateCampaignRequest PercentOff(const std::string& campaign, int percent, std::int64_t cap);
  absl::Status Begin(const shop::coupon::v1::CreateCampaignRequest& campaign);
  // The coupon's id.
  absl::StatusOr<std::string> Issue(const std::string& campaign, const std::string& member);
  absl::StatusOr<shop::coupon::v1::Coupon> Coupon(const std::string& coupon_id);
  absl::StatusOr<std::vector<shop::coupon::v1::Coupon>> CouponsOf(const std::string& member);
  absl::StatusOr<shop::coupon::v1::Campaign> Campaign(const std::string& campaign);

  // What the member has in won; empty: nothing ever.
  absl::StatusOr<shop::wallet::v1::Purse> Purse(const std::string& member);
  // From a card into the balance.
  absl::Status Charge(const std::string& member, std::int64_t won);

  absl::Status AddToCart(const std::string& member, const std::string& product, int quantity);
  // Pieces by product.
  absl::StatusOr<std::map<std::string, int>> Cart(const std::string& member);
  // Newest first.
  absl::StatusOr<std::vector<shop::order::v1::Notification>> Told(const std::string& member);

  absl::StatusOr<shop::payment::v1::Payment> Payment(const std::string& payment_id);

 private:
  Cluster& cluster_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_WARES_H_
