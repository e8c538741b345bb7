// stock_svc: products, their stock and reservations.
#include "common/participant/service_main.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"

extern const unwind::Migrations kStockMigrations;  // embedded by the build

namespace unwind::stock {
namespace {

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  return ServeParticipant(NewStockDomain(clock), StockTable(), open, clock);
}

}  // namespace
}  // namespace unwind::stock

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "stock_svc",
                              .usage = "products, their prices, stock and reservations.",
                              .component = "stock",
                              .migrations = kStockMigrations,
                              .start = unwind::stock::Start});
}
