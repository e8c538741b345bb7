#include "tests/sim/methods.h"

#include "order_svc/order_domain.h"
#include "payment_svc/payment_domain.h"
#include "shop/order/v1/order_service.pb.h"
#include "shop/payment/v1/payment_service.pb.h"
#include "shop/stock/v1/stock_service.pb.h"
#include "stock_svc/stock_domain.h"

namespace unwind::sim {
namespace {

namespace order_api = ::shop::order::v1;
namespace stock_api = ::shop::stock::v1;
namespace payment_api = ::shop::payment::v1;
using barrier::Phase;

template <class Message>
std::unique_ptr<google::protobuf::Message> New() {
  return std::make_unique<Message>();
}

constexpr Method kMethods[] = {
    {"/shop.order.v1.OrderService/CreateOrder", Node::kOrder, order::kCreate, Phase::kAction,
     New<order_api::CreateOrderRequest>},
    {"/shop.order.v1.OrderService/RejectOrder", Node::kOrder, order::kReject, Phase::kCompensation,
     New<order_api::RejectOrderRequest>},
    {"/shop.order.v1.OrderService/ConfirmOrder", Node::kOrder, order::kConfirm, Phase::kAction,
     New<order_api::ConfirmOrderRequest>},
    {"/shop.order.v1.OrderService/StartCancel", Node::kOrder, order::kStartCancel, Phase::kAction,
     New<order_api::StartCancelRequest>},
    {"/shop.order.v1.OrderService/UndoCancel", Node::kOrder, order::kUndoCancel, Phase::kCompensation,
     New<order_api::UndoCancelRequest>},
    {"/shop.order.v1.OrderService/FinishCancel", Node::kOrder, order::kFinishCancel, Phase::kAction,
     New<order_api::FinishCancelRequest>},
    {"/shop.order.v1.OrderService/SetPurchaseLimit", Node::kOrder, order::kSetPurchaseLimit, Phase::kAction,
     New<order_api::SetPurchaseLimitRequest>},
    {"/shop.stock.v1.StockService/Reserve", Node::kStock, stock::kReserve, Phase::kAction,
     New<stock_api::ReserveRequest>},
    {"/shop.stock.v1.StockService/Release", Node::kStock, stock::kRelease, Phase::kCompensation,
     New<stock_api::ReleaseRequest>},
    {"/shop.stock.v1.StockService/Confirm", Node::kStock, stock::kConfirm, Phase::kAction,
     New<stock_api::ConfirmRequest>},
    {"/shop.stock.v1.StockService/ReturnSold", Node::kStock, stock::kReturnSold, Phase::kAction,
     New<stock_api::ReturnSoldRequest>},
    {"/shop.stock.v1.StockService/Restock", Node::kStock, stock::kRestock, Phase::kAction,
     New<stock_api::RestockRequest>},
    {"/shop.payment.v1.PaymentService/Charge", Node::kPayment, payment::kCharge, Phase::kAction,
     New<payment_api::ChargeRequest>},
    {"/shop.payment.v1.PaymentService/ResolveCharge", Node::kPayment, payment::kResolveCharge, Phase::kResolve,
     New<payment_api::ChargeRequest>},
    {"/shop.payment.v1.PaymentService/Refund", Node::kPayment, payment::kRefund, Phase::kAction,
     New<payment_api::RefundRequest>},
    {"/shop.payment.v1.PaymentService/ResolveRefund", Node::kPayment, payment::kResolveRefund, Phase::kResolve,
     New<payment_api::RefundRequest>},
};

}  // namespace

const Method* FindMethod(absl::string_view path) {
  for (const Method& method : kMethods) {
    if (path == method.path) return &method;
  }
  return nullptr;
}

}  // namespace unwind::sim
