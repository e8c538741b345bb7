// mock_pg: the payment gateway that fails on demand.
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "common/base/checked_flag.h"
#include "common/base/hmac.h"
#include "common/base/status_macros.h"
#include "common/base/target.h"
#include "common/participant/service_main.h"
#include "common/rpc/channel.h"
#include "common/rpc/credentials.h"
#include "mock_pg/gateway.h"
#include "mock_pg/gateway_service.h"
#include "mock_pg/webhook_sender.h"

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

RANGED_FLAG(std::int32_t, async_percent, 0, 0, 100,
            "Per cent of new keys of captures that are answered PENDING and finished later.");
RANGED_FLAG(std::int32_t, async_first, 0, 0, INT32_MAX,
            "The first N new keys of captures are answered PENDING and finished later.");
RANGED_FLAG(std::int32_t, async_delay_ms, 0, 0, 3600000, "Milliseconds until what is finished later is.");
RANGED_FLAG(std::int32_t, webhook_delay_ms, 0, 0, 3600000,
            "Milliseconds from such an end to the first sending of its webhook.");
RANGED_FLAG(std::int32_t, webhook_lost_percent, 0, 0, 100, "Per cent of webhooks that are never sent.");
RANGED_FLAG(std::int32_t, webhook_twice_percent, 0, 0, 100, "Per cent of webhooks that are sent twice at once.");
RANGED_FLAG(std::int32_t, webhook_early_percent, 0, 0, 100,
            "Per cent of captures finished later whose webhook is sent before the answer to the call.");
RANGED_FLAG(std::int32_t, webhook_forged_percent, 0, 0, 100,
            "Per cent of webhooks that have a wrong signature at each sending.");
RANGED_FLAG(std::int32_t, after_fence_percent, 0, 0, 100,
            "Per cent of captures finished later that are so although their key was fenced meanwhile.");
RANGED_FLAG(std::int32_t, after_fence_ms, 0, 0, 3600000,
            "Milliseconds from its fence to the end of a capture that ends although its key was fenced; 0: it ends "
            "when it would have without that.");
CHECKED_FLAG(std::string, webhook_address, "", unwind::CheckTargetOrNone,
             "Where the shop takes webhooks, host:port. Empty: none is sent.");
ABSL_FLAG(std::string, webhook_secret_file, "",
          "File with the secret that signs webhooks, of 16 bytes or more. Required with --webhook_address.");

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
  scenario.async_percent = absl::GetFlag(FLAGS_async_percent);
  scenario.async_first = absl::GetFlag(FLAGS_async_first);
  scenario.async_delay = absl::Milliseconds(absl::GetFlag(FLAGS_async_delay_ms));
  scenario.webhook_delay = absl::Milliseconds(absl::GetFlag(FLAGS_webhook_delay_ms));
  scenario.webhook_lost_percent = absl::GetFlag(FLAGS_webhook_lost_percent);
  scenario.webhook_twice_percent = absl::GetFlag(FLAGS_webhook_twice_percent);
  scenario.webhook_early_percent = absl::GetFlag(FLAGS_webhook_early_percent);
  scenario.webhook_forged_percent = absl::GetFlag(FLAGS_webhook_forged_percent);
  scenario.after_fence_percent = absl::GetFlag(FLAGS_after_fence_percent);
  scenario.after_fence = absl::Milliseconds(absl::GetFlag(FLAGS_after_fence_ms));
  return scenario;
}

// Null: nobody is told.
absl::StatusOr<std::unique_ptr<WebhookSender>> OpenSender(const Clock& clock) {
  const std::string address = absl::GetFlag(FLAGS_webhook_address);
  const std::string secret_file = absl::GetFlag(FLAGS_webhook_secret_file);
  if (address.empty() != secret_file.empty()) {
    return absl::InvalidArgumentError("--webhook_address and --webhook_secret_file go together; give both or none");
  }
  if (address.empty()) return nullptr;
  RETURN_IF_ERROR(Transport::CheckTargetOf("webhook_address", address));
  ASSIGN_OR_RETURN(std::string secret, ReadSecretFile("webhook_secret_file", secret_file));
  return std::make_unique<WebhookSender>(NewChannel(address), std::move(secret), clock);
}

class ServingGateway final : public Serving {
 public:
  // `sender` may be null.
  ServingGateway(Databases databases, const Clock& clock, Gateway::Options options,
                 std::unique_ptr<WebhookSender> sender)
      : sender_(std::move(sender)),
        gateway_(std::move(databases.write), std::move(databases.read), clock, std::move(options)) {}

  std::vector<NamedService> services() override {
    return {{::pg::v1::PaymentGateway::service_full_name(), &service_},
            {::pg::v1::MockControl::service_full_name(), &control_}};
  }
  void ProbeStore(std::function<void(absl::Status)> done) override { gateway_.Probe(std::move(done)); }
  void BeforeDrain() override {
    service_.Close();
    if (sender_ != nullptr) sender_->Stop();  // which answers the calls that wait for a webhook
  }
  void Stop() override { gateway_.Stop(); }

 private:
  const std::unique_ptr<WebhookSender> sender_;
  Gateway gateway_;
  GatewayService service_{gateway_};
  ControlService control_{gateway_};
};

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  Gateway::Options options;
  options.scenario = ScenarioOfFlags();
  options.crash = [] { ::_exit(kCrashStatus); };
  ASSIGN_OR_RETURN(std::unique_ptr<WebhookSender> sender, OpenSender(clock));
  if (sender != nullptr) options.tell = std::bind_front(&WebhookSender::Send, sender.get());
  ASSIGN_OR_RETURN(Databases databases, open());
  return std::make_unique<ServingGateway>(std::move(databases), clock, std::move(options), std::move(sender));
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
