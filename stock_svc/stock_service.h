// shop.stock.v1.StockService: its reads, and its table.
#ifndef UNWIND_STOCK_SVC_STOCK_SERVICE_H_
#define UNWIND_STOCK_SVC_STOCK_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::stock {

// The steps are NewStockDomain's.
ServiceTable StockTable();

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_SERVICE_H_
