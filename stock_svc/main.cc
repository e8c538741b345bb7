// stock_svc: products, their stock and reservations.
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
#include "stock_svc/stock.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"

ABSL_FLAG(std::string, db, "stock.db",
          "SQLite file of the stock, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=stock user=stock password_file=PATH\".");
ABSL_FLAG(bool, enable_reset, false, "Whether ResetStock may put every product's stock back. Tests only.");

extern const unwind::Migrations kStockMigrations;  // embedded by the build

namespace unwind::stock {
namespace {

// A connection to `database`, whose schema is up to date.
absl::StatusOr<std::unique_ptr<Connection>> OpenMigrated(const std::string& database) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, "stock", kStockMigrations));
  RETURN_IF_ERROR(Participant::Migrate(*connection));
  return connection;
}

absl::Status Run() {
  ASSIGN_OR_RETURN(const ParticipantOptions options, OptionsFromFlags(kErrorDomain));
  const std::string database = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenMigrated(database));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> read_connection, OpenDatabase(database));
  const SystemClock clock;
  StockDomain domain(clock);
  Participant participant(std::move(connection), domain, clock, options);
  Reader reader(std::move(read_connection));
  StockService service(participant, reader, absl::GetFlag(FLAGS_enable_reset));
  ServerSetup setup;
  setup.services = {{::shop::stock::v1::StockService::service_full_name(), &service}};
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(setup));
  Log(Severity::kInfo, "ready", {{"store", NameOfDatabase(database)}});
  server->WaitAndDrain();
  participant.Stop();
  reader.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace unwind::stock

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const bool only_migrate = unwind::ParseFlagsOrMigrate(argc, argv, "products, their prices, stock and reservations.");
  unwind::InitLog("stock_svc");
  const absl::Status status =
      only_migrate ? unwind::stock::OpenMigrated(absl::GetFlag(FLAGS_db)).status() : unwind::stock::Run();
  if (!status.ok()) {
    std::fprintf(stderr, "stock_svc: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
