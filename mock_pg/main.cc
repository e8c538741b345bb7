// mock_pg: the payment gateway that fails on demand.
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "common/base/checked_flag.h"
#include "common/base/status_macros.h"
#include "common/participant/service_main.h"
#include "mock_pg/gateway.h"
#include "mock_pg/gateway_service.h"

// The ranges are those of pg.v1.Scenario.
RANGED_FLAG(std::int32_t, fail_percent, 0, 0, 100, "Per cent of keys that are declined with CARD_DECLINED.");
RANGED_FLAG(std::int64_t, seed, 0, INT64_MIN, INT64_MAX, "Seed of every draw.");
RANGED_FLAG(std::int32_t, delay_ms, 0, 0, 600000, "Milliseconds that every call waits.");
RANGED_FLAG(std::int64_t, refuse_amount_minor, 0, 0, INT64_MAX,
            "Captures of at least this are declined with AMOUNT_REFUSED; 0: none.");
RANGED_FLAG(std::int32_t, fail_first, 0, 0, INT32_MAX, "The first N new keys are declined with CARD_DECLINED.");
RANGED_FLAG(std::int32_t, hang_percent, 0, 0, 100, "Per cent of new keys that are recorded and then never answered.");
RANGED_FLAG(std::int32_t, hang_first, 0, 0, INT32_MAX, "The first N new keys are recorded and then never answered.");
RANGED_FLAG(std::int32_t, crash_after, 0, 0, INT32_MAX,
            "After N answered calls the process exits with status 137; 0: never.");

extern const unwind::Migrations kLedgerMigrations;  // embedded by the build

namespace unwind::pg {
namespace {

constexpr int kCrashStatus = 137;  // as after kill -9

Scenario ScenarioOfFlags() {
  Scenario scenario;
  scenario.fail_percent = absl::GetFlag(FLAGS_fail_percent);
  scenario.seed = absl::GetFlag(FLAGS_seed);
  scenario.delay = absl::Milliseconds(absl::GetFlag(FLAGS_delay_ms));
  scenario.refuse_amount_minor = absl::GetFlag(FLAGS_refuse_amount_minor);
  scenario.fail_first = absl::GetFlag(FLAGS_fail_first);
  scenario.hang_percent = absl::GetFlag(FLAGS_hang_percent);
  scenario.hang_first = absl::GetFlag(FLAGS_hang_first);
  scenario.crash_after = absl::GetFlag(FLAGS_crash_after);
  return scenario;
}

class ServingGateway final : public Serving {
 public:
  ServingGateway(Databases databases, const Clock& clock, Gateway::Options options)
      : gateway_(std::move(databases.write), std::move(databases.read), clock, std::move(options)) {}

  std::vector<NamedService> services() override {
    return {{::pg::v1::PaymentGateway::service_full_name(), &service_},
            {::pg::v1::MockControl::service_full_name(), &control_}};
  }
  void ProbeStore(std::function<void(absl::Status)> done) override { gateway_.Probe(std::move(done)); }
  void BeforeDrain() override { service_.Close(); }
  void Stop() override { gateway_.Stop(); }

 private:
  Gateway gateway_;
  GatewayService service_{gateway_};
  ControlService control_{gateway_};
};

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  Gateway::Options options;
  options.scenario = ScenarioOfFlags();
  options.crash = [] { ::_exit(kCrashStatus); };
  ASSIGN_OR_RETURN(Databases databases, open());
  return std::make_unique<ServingGateway>(std::move(databases), clock, std::move(options));
}

}  // namespace
}  // namespace unwind::pg

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "mock_pg",
                              .usage = "a payment gateway with a durable ledger and scripted faults.",
                              .component = unwind::pg::kLedgerComponent,
                              .migrations = kLedgerMigrations,
                              .has_barrier = false,
                              .start = unwind::pg::Start});
}
