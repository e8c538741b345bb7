#include "stock_svc/stock_service.h"

#include <string>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/participant/serve.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_store.h"

namespace unwind::stock {
namespace {

namespace v1 = ::shop::stock::v1;
using barrier::Phase;

absl::Status Get(soci::session& session, const std::string& product_id, v1::GetProductResponse& response) {
  const std::optional<Product> product = LoadProducts(session, {product_id}, Purpose::kRead)[product_id];
  if (!product) return ProductNotFound(product_id);
  Write(*product, *response.mutable_product());
  return absl::OkStatus();
}

absl::Status List(soci::session& session, const v1::ListProductsRequest& request, v1::ListProductsResponse& response) {
  const std::vector<std::string> filters = {"products"};
  ASSIGN_OR_RETURN(const std::string after, ReadPageToken(kErrorDomain, filters, request.page_token()));
  const std::int64_t page = PageSize(request.page_size());
  std::vector<Product> products = FindProducts(session, after, page + 1);  // one more tells whether there are more
  if (static_cast<std::int64_t>(products.size()) > page) {
    products.pop_back();
    response.set_next_page_token(WritePageToken(filters, products.back().product_id));
  }
  for (const Product& product : products) Write(product, *response.add_products());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* StockService::Reserve(grpc::CallbackServerContext* context, const v1::ReserveRequest* request,
                                                v1::ReserveResponse* response) {
  return ServeStep(participant_, context, request, response, kReserve, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* StockService::Release(grpc::CallbackServerContext* context, const v1::ReleaseRequest* request,
                                                v1::ReleaseResponse* response) {
  return ServeStep(participant_, context, request, response, kRelease, Phase::kCompensation, kErrorDomain);
}

grpc::ServerUnaryReactor* StockService::Confirm(grpc::CallbackServerContext* context, const v1::ConfirmRequest* request,
                                                v1::ConfirmResponse* response) {
  return ServeStep(participant_, context, request, response, kConfirm, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* StockService::ReturnSold(grpc::CallbackServerContext* context,
                                                   const v1::ReturnSoldRequest* request,
                                                   v1::ReturnSoldResponse* response) {
  return ServeStep(participant_, context, request, response, kReturnSold, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* StockService::GetProduct(grpc::CallbackServerContext* context,
                                                   const v1::GetProductRequest* request,
                                                   v1::GetProductResponse* response) {
  return ServeRead(reader_, context, request, response, kErrorDomain, [request, response](soci::session& session) {
    return Get(session, request->product_id(), *response);
  });
}

grpc::ServerUnaryReactor* StockService::ListProducts(grpc::CallbackServerContext* context,
                                                     const v1::ListProductsRequest* request,
                                                     v1::ListProductsResponse* response) {
  return ServeRead(reader_, context, request, response, kErrorDomain,
                   [request, response](soci::session& session) { return List(session, *request, *response); });
}

grpc::ServerUnaryReactor* StockService::Restock(grpc::CallbackServerContext* context, const v1::RestockRequest* request,
                                                v1::RestockResponse* response) {
  return ServeStep(participant_, context, request, response, kRestock, Phase::kAction, kErrorDomain);
}

grpc::ServerUnaryReactor* StockService::ResetStock(grpc::CallbackServerContext* context,
                                                   const v1::ResetStockRequest* request,
                                                   v1::ResetStockResponse* response) {
  if (enable_reset_) {
    return ServeStep(participant_, context, request, response, kReset, Phase::kAction, kErrorDomain);
  }
  return Serve(context, request, response, kErrorDomain, [](unwind::Done done) {
    std::move(done)(MakeError(absl::StatusCode::kPermissionDenied, "stock is reset only under --enable_reset",
                              {"RESET_DISABLED", std::string(kErrorDomain), {}}));
  });
}

}  // namespace unwind::stock
