// payment_svc: payments, taken through the payment gateway.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
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
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "payment_svc/gateway_client.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"

ABSL_FLAG(std::string, db, "payment.db",
          "SQLite file of the payments, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=payment user=payment password_file=PATH\".");
ABSL_FLAG(std::string, pg_address, "", "Address of the payment gateway, host:port. Required.");
ABSL_FLAG(absl::Duration, pg_timeout, absl::Seconds(1),
          "How long one call to the gateway may take; must be below the timeout of the steps that charge and refund.");
ABSL_FLAG(bool, enable_reset, false, "Whether ResetPayments may remove all payments. Tests only.");

extern const unwind::Migrations kPaymentMigrations;  // embedded by the build

namespace unwind::payment {
namespace {

// A connection to `database`, whose schema is up to date.
absl::StatusOr<std::unique_ptr<Connection>> OpenMigrated(const std::string& database) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, "payment", kPaymentMigrations));
  RETURN_IF_ERROR(Participant::Migrate(*connection));
  return connection;
}

absl::Status Run() {
  const std::string pg_address = absl::GetFlag(FLAGS_pg_address);
  if (pg_address.empty()) return absl::InvalidArgumentError("--pg_address is missing; give the gateway's host:port");
  const absl::Duration pg_timeout = absl::GetFlag(FLAGS_pg_timeout);
  if (pg_timeout <= absl::ZeroDuration())
    return absl::InvalidArgumentError("--pg_timeout must be above zero, such as 1s");
  const std::string database = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenMigrated(database));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> read_connection, OpenDatabase(database));
  const SystemClock clock;
  GrpcGateway gateway(NewChannel(pg_address), pg_timeout);
  PaymentDomain domain(gateway, clock);
  ASSIGN_OR_RETURN(ParticipantOptions options, OptionsFromFlags(kErrorDomain));
  options.never_cause = std::string(kPaymentTimeout);
  Participant participant(std::move(connection), domain, clock, options);
  Reader reader(std::move(read_connection));
  PaymentService service(participant, reader, absl::GetFlag(FLAGS_enable_reset));
  ServerSetup setup;
  setup.services = {{::shop::payment::v1::PaymentService::service_full_name(), &service}};
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(setup));
  Log(Severity::kInfo, "ready", {{"store", NameOfDatabase(database)}});
  server->WaitAndDrain();
  gateway.Stop();
  participant.Stop();
  reader.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace unwind::payment

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const bool only_migrate = unwind::ParseFlagsOrMigrate(
      argc, argv, "payment_svc: charges and refunds through the payment gateway, each at most once.");
  unwind::InitLog("payment_svc");
  const absl::Status status =
      only_migrate ? unwind::payment::OpenMigrated(absl::GetFlag(FLAGS_db)).status() : unwind::payment::Run();
  if (!status.ok()) {
    std::fprintf(stderr, "payment_svc: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
