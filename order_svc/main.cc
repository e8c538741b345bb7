// order_svc: orders and purchase limits.
#include "common/participant/service_main.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"

extern const unwind::Migrations kOrderMigrations;  // embedded by the build

namespace unwind::order {
namespace {

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  return ServeParticipant(NewOrderDomain(clock), OrderTable(), open, clock);
}

}  // namespace
}  // namespace unwind::order

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "order_svc",
                              .usage = "orders and purchase limits.",
                              .component = "order",
                              .migrations = kOrderMigrations,
                              .start = unwind::order::Start});
}
