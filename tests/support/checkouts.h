// The shop as a customer who pays himself sees it, over public gRPC only.
#ifndef UNWIND_TESTS_SUPPORT_CHECKOUTS_H_
#define UNWIND_TESTS_SUPPORT_CHECKOUTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "shop/payment/v1/payment_service.pb.h"
#include "tests/support/cluster.h"

namespace unwind {

class Checkouts {
 public:
  explicit Checkouts(Cluster& cluster) : cluster_(cluster) {}

  static shop::checkout::v1::CheckoutRequest Of(const std::string& member, const std::string& product,
                                                int quantity = 1);

  // One call of Checkout.
  grpc::Status Ask(const shop::checkout::v1::CheckoutRequest& request, shop::checkout::v1::CheckoutResponse* response);
  // Calls Checkout, again with the same request_id while AskAgain, until `patience` is over.
  grpc::Status Start(const shop::checkout::v1::CheckoutRequest& request, shop::checkout::v1::CheckoutResponse* response,
                     absl::Duration patience = absl::Seconds(60));
  // The same until the saga has ended: its last word.
  grpc::Status AwaitLastWord(const shop::checkout::v1::CheckoutRequest& request,
                             shop::checkout::v1::CheckoutResponse* response,
                             absl::Duration patience = absl::Seconds(60));

  static shop::payment::v1::PayRequest PaymentOf(const std::string& payment_id, const std::string& member);
  // One call of Pay under `key`.
  grpc::Status Pay(const shop::payment::v1::PayRequest& request, const std::string& key,
                   shop::payment::v1::PayResponse* response);
  // One call of CancelPayment under `key`.
  grpc::Status CancelPayment(const std::string& payment_id, const std::string& member, const std::string& key);
  absl::StatusOr<shop::payment::v1::Payment> GetPayment(const std::string& payment_id);

  static shop::checkout::v1::ChargeWalletRequest ChargeOf(const std::string& member, std::int64_t minor_units);
  grpc::Status ChargeWallet(const shop::checkout::v1::ChargeWalletRequest& request,
                            shop::checkout::v1::ChargeWalletResponse* response);

 private:
  Cluster& cluster_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_CHECKOUTS_H_
