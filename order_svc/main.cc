// order_svc: orders and purchase limits, carts, and what members are told.
#include <memory>
#include <utility>
#include <vector>

#include "common/participant/service_main.h"
#include "order_svc/cart_domain.h"
#include "order_svc/cart_service.h"
#include "order_svc/notification_domain.h"
#include "order_svc/notification_service.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"

extern const unwind::Migrations kOrderMigrations;  // embedded by the build

namespace unwind::order {
namespace {

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  std::vector<ServicePart> parts;
  parts.push_back({NewOrderDomain(clock), OrderTable()});
  parts.push_back({NewCartDomain(clock), CartTable()});
  parts.push_back({NewNotificationDomain(clock), NotificationTable()});
  return ServeParticipant(std::move(parts), open, clock);
}

}  // namespace
}  // namespace unwind::order

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "order_svc",
                              .usage = "orders and purchase limits, carts, and what members are told.",
                              .component = "order",
                              .migrations = kOrderMigrations,
                              .start = unwind::order::Start});
}
