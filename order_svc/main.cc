// order_svc: orders and purchase limits.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "common/base/clock.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/db/open.h"
#include "common/participant/options.h"
#include "common/participant/participant.h"
#include "common/participant/read.h"
#include "common/rpc/server.h"
#include "order_svc/order.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"

ABSL_FLAG(std::string, db, "order.db",
          "SQLite file of the orders, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=order user=order password_file=PATH\".");
ABSL_FLAG(bool, enable_reset, false, "Whether ResetOrders may remove all orders. Tests only.");

extern const unwind::Migrations kOrderMigrations;  // embedded by the build

namespace unwind::order {
namespace {

// A connection to `database`, whose schema is up to date.
absl::StatusOr<std::unique_ptr<Connection>> OpenMigrated(const std::string& database) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, "order", kOrderMigrations));
  RETURN_IF_ERROR(Participant::Migrate(*connection));
  return connection;
}

absl::Status Run() {
  ASSIGN_OR_RETURN(const ParticipantOptions options, OptionsFromFlags(kErrorDomain));
  const std::string database = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenMigrated(database));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> read_connection, OpenDatabase(database));
  const SystemClock clock;
  OrderDomain domain(clock);
  Participant participant(std::move(connection), domain, clock, options);
  Reader reader(std::move(read_connection));
  OrderService service(participant, reader, absl::GetFlag(FLAGS_enable_reset));
  ServerSetup setup;
  setup.services = {{::shop::order::v1::OrderService::service_full_name(), &service}};
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(setup));
  Log(Severity::kInfo, "ready", {{"store", NameOfDatabase(database)}});
  server->WaitAndDrain();
  participant.Stop();
  reader.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace unwind::order

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const bool only_migrate = unwind::ParseFlagsOrMigrate(argc, argv, "orders and purchase limits.");
  unwind::InitLog("order_svc");
  const absl::Status status =
      only_migrate ? unwind::order::OpenMigrated(absl::GetFlag(FLAGS_db)).status() : unwind::order::Run();
  if (!status.ok()) {
    std::fprintf(stderr, "order_svc: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
