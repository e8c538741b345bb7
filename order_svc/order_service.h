// shop.order.v1.OrderService.
#ifndef UNWIND_ORDER_SVC_ORDER_SERVICE_H_
#define UNWIND_ORDER_SVC_ORDER_SERVICE_H_

#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "shop/order/v1/order_service.grpc.pb.h"

namespace unwind::order {

// Thread-safe.
class OrderService final : public ::shop::order::v1::OrderService::CallbackService {
 public:
  // Both must outlive this.
  OrderService(Participant& participant, Reader& reader, bool enable_reset)
      : participant_(participant), reader_(reader), enable_reset_(enable_reset) {}

  grpc::ServerUnaryReactor* CreateOrder(grpc::CallbackServerContext* context,
                                        const ::shop::order::v1::CreateOrderRequest* request,
                                        ::shop::order::v1::CreateOrderResponse* response) override;
  grpc::ServerUnaryReactor* RejectOrder(grpc::CallbackServerContext* context,
                                        const ::shop::order::v1::RejectOrderRequest* request,
                                        ::shop::order::v1::RejectOrderResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmOrder(grpc::CallbackServerContext* context,
                                         const ::shop::order::v1::ConfirmOrderRequest* request,
                                         ::shop::order::v1::ConfirmOrderResponse* response) override;
  grpc::ServerUnaryReactor* StartCancel(grpc::CallbackServerContext* context,
                                        const ::shop::order::v1::StartCancelRequest* request,
                                        ::shop::order::v1::StartCancelResponse* response) override;
  grpc::ServerUnaryReactor* UndoCancel(grpc::CallbackServerContext* context,
                                       const ::shop::order::v1::UndoCancelRequest* request,
                                       ::shop::order::v1::UndoCancelResponse* response) override;
  grpc::ServerUnaryReactor* FinishCancel(grpc::CallbackServerContext* context,
                                         const ::shop::order::v1::FinishCancelRequest* request,
                                         ::shop::order::v1::FinishCancelResponse* response) override;
  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext* context,
                                     const ::shop::order::v1::GetOrderRequest* request,
                                     ::shop::order::v1::GetOrderResponse* response) override;
  grpc::ServerUnaryReactor* ListOrders(grpc::CallbackServerContext* context,
                                       const ::shop::order::v1::ListOrdersRequest* request,
                                       ::shop::order::v1::ListOrdersResponse* response) override;
  grpc::ServerUnaryReactor* SetPurchaseLimit(grpc::CallbackServerContext* context,
                                             const ::shop::order::v1::SetPurchaseLimitRequest* request,
                                             ::shop::order::v1::SetPurchaseLimitResponse* response) override;
  grpc::ServerUnaryReactor* ResetOrders(grpc::CallbackServerContext* context,
                                        const ::shop::order::v1::ResetOrdersRequest* request,
                                        ::shop::order::v1::ResetOrdersResponse* response) override;

 private:
  Participant& participant_;
  Reader& reader_;
  const bool enable_reset_;
};

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_SERVICE_H_
