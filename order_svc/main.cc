// order_svc: orders and purchase limits.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "common/base/clock.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/participant/options.h"
#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "common/rpc/server.h"
#include "order_svc/order.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"

ABSL_FLAG(std::string, db, "order.db", "SQLite file of the orders; made if it is not there.");
ABSL_FLAG(bool, enable_reset, false, "Whether ResetOrders may remove all orders. Tests only.");

extern const unwind::Migrations kOrderMigrations;  // embedded by the build

namespace unwind::order {
namespace {

absl::Status Run() {
  ASSIGN_OR_RETURN(const ParticipantOptions options, OptionsFromFlags(kErrorDomain));
  const std::string path = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, Connection::Open(path));
  RETURN_IF_ERROR(Participant::Migrate(*connection));
  RETURN_IF_ERROR(Migrate(*connection, "order", kOrderMigrations));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> read_connection, Connection::Open(path));
  const SystemClock clock;
  OrderDomain domain(clock);
  Participant participant(std::move(connection), domain, clock, options);
  Reader reader(std::move(read_connection));
  OrderService service(participant, reader, absl::GetFlag(FLAGS_enable_reset));
  ServerSetup setup;
  setup.services = {{::shop::order::v1::OrderService::service_full_name(), &service}};
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(setup));
  server->WaitAndDrain();
  participant.Stop();
  reader.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace unwind::order

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  unwind::ParseFlagsOnly(argc, argv, "orders and purchase limits.");
  unwind::InitLog("order_svc");
  if (const absl::Status status = unwind::order::Run(); !status.ok()) {
    std::fprintf(stderr, "order_svc: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
