// mock_pg: the payment gateway that fails on demand.
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/participant/service_main.h"
#include "common/rpc/validate.h"
#include "mock_pg/gateway.h"
#include "mock_pg/gateway_service.h"

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

class ServingGateway final : public Serving {
 public:
  ServingGateway(Databases databases, const Clock& clock, Gateway::Options options)
      : gateway_(std::move(databases.write), std::move(databases.read), clock, std::move(options)) {}

  std::vector<NamedService> services() override {
    return {{::pg::v1::PaymentGateway::service_full_name(), &service_},
            {::pg::v1::MockControl::service_full_name(), &control_}};
  }
  void BeforeDrain() override { service_.Close(); }
  void Stop() override { gateway_.Stop(); }

 private:
  Gateway gateway_;
  GatewayService service_{gateway_};
  ControlService control_{gateway_};
};

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  Gateway::Options options;
  ASSIGN_OR_RETURN(options.scenario, ScenarioOfFlags());
  options.crash = [] { ::_exit(kCrashStatus); };
  ASSIGN_OR_RETURN(Databases databases, open());
  return std::make_unique<ServingGateway>(std::move(databases), clock, std::move(options));
}

}  // namespace
}  // namespace unwind::pg

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "mock_pg",
                              .usage = "mock_pg: a payment gateway with a durable ledger and scripted faults.",
                              .component = "mock_pg",
                              .migrations = kLedgerMigrations,
                              .has_barrier = false,
                              .start = unwind::pg::Start});
}
