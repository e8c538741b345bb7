// shop.stock.v1.StockService.
#ifndef UNWIND_STOCK_SVC_STOCK_SERVICE_H_
#define UNWIND_STOCK_SVC_STOCK_SERVICE_H_

#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"

namespace unwind::stock {

// Thread-safe.
class StockService final : public ::shop::stock::v1::StockService::CallbackService {
 public:
  // Both must outlive this.
  StockService(Participant& participant, Reader& reader, bool enable_reset)
      : participant_(participant), reader_(reader), enable_reset_(enable_reset) {}

  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context,
                                    const ::shop::stock::v1::ReserveRequest* request,
                                    ::shop::stock::v1::ReserveResponse* response) override;
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context,
                                    const ::shop::stock::v1::ReleaseRequest* request,
                                    ::shop::stock::v1::ReleaseResponse* response) override;
  grpc::ServerUnaryReactor* Confirm(grpc::CallbackServerContext* context,
                                    const ::shop::stock::v1::ConfirmRequest* request,
                                    ::shop::stock::v1::ConfirmResponse* response) override;
  grpc::ServerUnaryReactor* ReturnSold(grpc::CallbackServerContext* context,
                                       const ::shop::stock::v1::ReturnSoldRequest* request,
                                       ::shop::stock::v1::ReturnSoldResponse* response) override;
  grpc::ServerUnaryReactor* GetProduct(grpc::CallbackServerContext* context,
                                       const ::shop::stock::v1::GetProductRequest* request,
                                       ::shop::stock::v1::GetProductResponse* response) override;
  grpc::ServerUnaryReactor* ListProducts(grpc::CallbackServerContext* context,
                                         const ::shop::stock::v1::ListProductsRequest* request,
                                         ::shop::stock::v1::ListProductsResponse* response) override;
  grpc::ServerUnaryReactor* Restock(grpc::CallbackServerContext* context,
                                    const ::shop::stock::v1::RestockRequest* request,
                                    ::shop::stock::v1::RestockResponse* response) override;
  grpc::ServerUnaryReactor* ResetStock(grpc::CallbackServerContext* context,
                                       const ::shop::stock::v1::ResetStockRequest* request,
                                       ::shop::stock::v1::ResetStockResponse* response) override;

 private:
  Participant& participant_;
  Reader& reader_;
  const bool enable_reset_;
};

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_SERVICE_H_
