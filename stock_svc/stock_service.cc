#include "stock_svc/stock_service.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status_macros.h"
#include "common/rpc/page_token.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_store.h"

namespace unwind::stock {
namespace {

namespace v1 = ::shop::stock::v1;

absl::Status Get(soci::session& session, const v1::GetProductRequest& request, v1::Product& response) {
  const std::string& product_id = request.product_id();
  const std::optional<Product> product = LoadProducts(session, {product_id}, Purpose::kRead)[product_id];
  if (!product) return ProductNotFound(product_id);
  Write(*product, response);
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

ServiceTable StockTable() {
  return {.name = v1::StockService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("GetProduct", &Get), Reads("ListProducts", &List)}};
}

}  // namespace unwind::stock
