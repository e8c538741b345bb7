#include "tests/support/checkouts.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "grpcpp/client_context.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::checkout::v1::ChargeWalletRequest;
using shop::checkout::v1::ChargeWalletResponse;
using shop::checkout::v1::CheckoutRequest;
using shop::checkout::v1::CheckoutResponse;
using shop::checkout::v1::CheckoutService;
using shop::payment::v1::PaymentService;
using shop::payment::v1::PayRequest;
using shop::payment::v1::PayResponse;

constexpr absl::Duration kCallDeadline = absl::Seconds(40);  // above --call_wait_max, whose answer says more

void Prepare(grpc::ClientContext& context) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallDeadline));
  context.set_wait_for_ready(true);
}

}  // namespace

CheckoutRequest Checkouts::Of(const std::string& member, const std::string& product, int quantity) {
  CheckoutRequest request;
  request.set_request_id(NewKey());
  request.set_member_id(member);
  auto* const item = request.add_items();
  item->set_product_id(product);
  item->set_quantity(quantity);
  return request;
}

grpc::Status Checkouts::Ask(const CheckoutRequest& request, CheckoutResponse* response) {
  grpc::ClientContext context;
  Prepare(context);
  return CheckoutService::NewStub(cluster_.Channel(Node::kOrchestrator))->Checkout(&context, request, response);
}

grpc::Status Checkouts::Start(const CheckoutRequest& request, CheckoutResponse* response, absl::Duration patience) {
  grpc::Status status;
  Eventually(patience, [&] {
    status = Ask(request, response);
    return !AskAgain(status);
  });
  return status;
}

grpc::Status Checkouts::AwaitLastWord(const CheckoutRequest& request, CheckoutResponse* response,
                                      absl::Duration patience) {
  grpc::Status status;
  Eventually(patience, [&] {
    status = Ask(request, response);
    return status.ok() ? response->payment_state() != shop::payment::v1::Payment::STATE_PENDING : !AskAgain(status);
  });
  return status;
}

PayRequest Checkouts::PaymentOf(const std::string& payment_id, const std::string& member) {
  PayRequest request;
  request.set_payment_id(payment_id);
  request.set_member_id(member);
  request.set_method(shop::type::v1::PAYMENT_METHOD_CARD);
  return request;
}

grpc::Status Checkouts::Pay(const PayRequest& request, const std::string& key, PayResponse* response) {
  grpc::ClientContext context;
  Prepare(context);
  context.AddMetadata("idempotency-key", key);
  return PaymentService::NewStub(cluster_.Channel(Node::kPayment))->Pay(&context, request, response);
}

grpc::Status Checkouts::CancelPayment(const std::string& payment_id, const std::string& member,
                                      const std::string& key) {
  shop::payment::v1::CancelPaymentRequest request;
  request.set_payment_id(payment_id);
  request.set_member_id(member);
  grpc::ClientContext context;
  Prepare(context);
  context.AddMetadata("idempotency-key", key);
  shop::payment::v1::CancelPaymentResponse response;
  return PaymentService::NewStub(cluster_.Channel(Node::kPayment))->CancelPayment(&context, request, &response);
}

absl::StatusOr<shop::payment::v1::Payment> Checkouts::GetPayment(const std::string& payment_id) {
  shop::payment::v1::GetPaymentRequest request;
  request.set_payment_id(payment_id);
  shop::payment::v1::Payment response;
  grpc::ClientContext context;
  Prepare(context);
  RETURN_IF_ERROR(
      FromGrpc(PaymentService::NewStub(cluster_.Channel(Node::kPayment))->GetPayment(&context, request, &response)));
  return response;
}

ChargeWalletRequest Checkouts::ChargeOf(const std::string& member, std::int64_t minor_units) {
  ChargeWalletRequest request;
  request.set_request_id(NewKey());
  request.set_member_id(member);
  request.set_amount_minor_units(minor_units);
  request.set_currency_code("KRW");
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
  return request;
}

grpc::Status Checkouts::ChargeWallet(const ChargeWalletRequest& request, ChargeWalletResponse* response) {
  grpc::ClientContext context;
  Prepare(context);
  return CheckoutService::NewStub(cluster_.Channel(Node::kOrchestrator))->ChargeWallet(&context, request, response);
}

}  // namespace unwind
