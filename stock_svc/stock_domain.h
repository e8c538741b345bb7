// Stock as a saga participant: a batch loads rows, stock.h decides, each table is written once. So a thousand buyers of
// one item cost one update of its row per batch.
#ifndef UNWIND_STOCK_SVC_STOCK_DOMAIN_H_
#define UNWIND_STOCK_SVC_STOCK_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"
#include "shop/stock/v1/stock_service.pb.h"
#include "stock_svc/stock.h"

namespace unwind::stock {

// The changing methods of shop.stock.v1.StockService. `clock` must outlive the domain.
std::unique_ptr<StepDomain> NewStockDomain(const Clock& clock);

// A product as the API shows it.
void Write(const Product& from, ::shop::stock::v1::Product& to);

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_DOMAIN_H_
