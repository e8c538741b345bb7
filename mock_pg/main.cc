// mock_pg: the payment gateway that fails on demand.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/db/open.h"
#include "common/rpc/server.h"
#include "common/rpc/validate.h"
#include "mock_pg/gateway.h"
#include "mock_pg/gateway_service.h"

ABSL_FLAG(std::string, db, "mock_pg.db",
          "SQLite file of the ledger, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=mock_pg user=mock_pg password_file=PATH\".");
ABSL_FLAG(std::int32_t, fail_percent, 0, "Per cent of keys that are declined with CARD_DECLINED, 0 to 100.");
ABSL_FLAG(std::int64_t, seed, 0, "Seed of every draw.");
ABSL_FLAG(std::int32_t, delay_ms, 0, "Milliseconds that every call waits, 0 to 600000.");
ABSL_FLAG(std::int64_t, refuse_amount_minor, 0, "Captures of at least this are declined with AMOUNT_REFUSED; 0: none.");
ABSL_FLAG(std::int32_t, fail_first, 0, "The first N new keys are declined with CARD_DECLINED.");
ABSL_FLAG(std::int32_t, hang_percent, 0, "Per cent of new keys that are recorded and then never answered, 0 to 100.");
ABSL_FLAG(std::int32_t, hang_first, 0, "The first N new keys are recorded and then never answered.");
ABSL_FLAG(std::int32_t, crash_after, 0, "After N answered calls the process exits with status 137; 0: never.");

extern const unwind::Migrations kLedgerMigrations;  // embedded by the build

namespace unwind::pg {
namespace {

constexpr int kCrashStatus = 137;  // as after kill -9

// The flags, held to the limits of pg.v1.Scenario.
absl::StatusOr<Scenario> ScenarioOfFlags() {
  ::pg::v1::Scenario scenario;
  scenario.set_fail_percent(absl::GetFlag(FLAGS_fail_percent));
  scenario.set_seed(absl::GetFlag(FLAGS_seed));
  scenario.set_delay_ms(absl::GetFlag(FLAGS_delay_ms));
  scenario.set_refuse_amount_minor(absl::GetFlag(FLAGS_refuse_amount_minor));
  scenario.set_fail_first(absl::GetFlag(FLAGS_fail_first));
  scenario.set_hang_percent(absl::GetFlag(FLAGS_hang_percent));
  scenario.set_hang_first(absl::GetFlag(FLAGS_hang_first));
  scenario.set_crash_after(absl::GetFlag(FLAGS_crash_after));
  if (absl::Status status = Validate(scenario, kErrorDomain); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("a flag is out of its range: ", status.message()));
  }
  return ReadScenario(scenario);
}

// A connection to `database`, whose schema is up to date.
absl::StatusOr<std::unique_ptr<Connection>> OpenMigrated(const std::string& database) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, "mock_pg", kLedgerMigrations));
  return connection;
}

absl::Status Run() {
  Gateway::Options options;
  ASSIGN_OR_RETURN(options.scenario, ScenarioOfFlags());
  options.crash = [] { ::_exit(kCrashStatus); };
  const std::string database = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer, OpenMigrated(database));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, OpenDatabase(database));
  const SystemClock clock;
  Gateway gateway(std::move(writer), std::move(reader), clock, std::move(options));
  GatewayService service(gateway);
  ControlService control(gateway);
  ServerSetup setup;
  setup.services = {{::pg::v1::PaymentGateway::service_full_name(), &service},
                    {::pg::v1::MockControl::service_full_name(), &control}};
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(setup));
  Log(Severity::kInfo, "ready", {{"store", NameOfDatabase(database)}});
  server->WaitAndDrain(nullptr, [&service] { service.Close(); });
  gateway.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace unwind::pg

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const bool only_migrate =
      unwind::ParseFlagsOrMigrate(argc, argv, "mock_pg: a payment gateway with a durable ledger and scripted faults.");
  unwind::InitLog("mock_pg");
  const absl::Status status =
      only_migrate ? unwind::pg::OpenMigrated(absl::GetFlag(FLAGS_db)).status() : unwind::pg::Run();
  if (!status.ok()) {
    std::fprintf(stderr, "mock_pg: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
