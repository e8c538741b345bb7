// payment_svc: payments, taken through the payment gateway.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/status_macros.h"
#include "common/base/target.h"
#include "common/metrics/client_metrics.h"
#include "common/metrics/registry.h"
#include "common/participant/options.h"
#include "common/participant/service_main.h"
#include "common/rpc/channel.h"
#include "common/rpc/credentials.h"
#include "payment_svc/gateway_client.h"
#include "payment_svc/nudger.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"
#include "payment_svc/reconcile_task.h"
#include "payment_svc/settler.h"
#include "payment_svc/webhook_event.h"
#include "payment_svc/webhook_secrets.h"
#include "payment_svc/webhook_service.h"

CHECKED_FLAG(std::string, pg_address, "", unwind::CheckTargetOrNone,
             "Address of the payment gateway, host:port. Required.");
RANGED_FLAG(
    absl::Duration, pg_timeout, absl::Seconds(1), absl::Milliseconds(1), absl::Minutes(10),
    "How long one call to the gateway may take; must be below the timeout of the steps that charge and refund.");

CHECKED_FLAG(
    std::string, nudge, "", unwind::CheckTargetOrNone,
    "Address of the orchestrator's --listen, host:port, or one that stands for all of them: told of each payment "
    "that ends, so that a saga that waits for it goes on at once. Empty: the saga's next poll finds it.");
CHECKED_FLAG(std::string, webhook_secret_files, "", unwind::payment::CheckSecretFiles,
             "File with the secret of the gateway's webhooks, of 16 bytes or more; during a rotation two files, with a "
             "comma between them. They are read again when they change. Empty: no webhooks are taken.");
CHECKED_FLAG(std::string, order_address, "", unwind::CheckTargetOrNone,
             "Address of order_svc, host:port, whose orders reconcile compares with the payments. Empty: it compares "
             "the payments with the gateway alone.");
RANGED_FLAG(absl::Duration, reconcile_grace, absl::Minutes(5), absl::ZeroDuration(), absl::Hours(24),
            "What is younger is not compared by reconcile: it may be on its way.");

extern const unwind::Migrations kPaymentMigrations;  // embedded by the build

namespace unwind::payment {
namespace {

// Stops asking the gateway first: the others wait for what it was asked.
class ServingPayments final : public Serving {
 public:
  ServingPayments(std::unique_ptr<GrpcGateway> gateway, std::unique_ptr<Nudger> nudger,
                  std::unique_ptr<WebhookSecrets> secrets, std::unique_ptr<Settler> settler,
                  std::unique_ptr<Serving> participant, const Clock& clock)
      : gateway_(std::move(gateway)),
        nudger_(std::move(nudger)),
        secrets_(std::move(secrets)),
        settler_(std::move(settler)),
        webhooks_(*secrets_, *settler_, clock),
        participant_(std::move(participant)) {}

  std::vector<NamedService> services() override {
    std::vector<NamedService> services = participant_->services();
    services.push_back({::shop::payment::v1::PaymentWebhookService::service_full_name(), &webhooks_});
    return services;
  }
  void ProbeStore(std::function<void(absl::Status)> done) override { participant_->ProbeStore(std::move(done)); }
  void Stop() override {
    gateway_->Stop();
    participant_->Stop();
    settler_->Stop();
    nudger_->Stop();
  }

 private:
  const std::unique_ptr<GrpcGateway> gateway_;
  const std::unique_ptr<Nudger> nudger_;
  const std::unique_ptr<WebhookSecrets> secrets_;
  const std::unique_ptr<Settler> settler_;
  WebhookService webhooks_;
  const std::unique_ptr<Serving> participant_;
};

// Of webhooks that wait for the settler: each as it came and as it was read.
constexpr std::size_t kWebhooksBytesMax = 2 * Settler::kQueueMax * kEventBytesMax;
// Of nudges that are under way and that wait.
constexpr std::size_t kNudgesBytesMax = Nudger::kNudgesMax * (24 << 10) + Nudger::kWaitingMax * 256;

absl::StatusOr<std::string> PgAddress() {
  std::string pg_address = absl::GetFlag(FLAGS_pg_address);
  if (pg_address.empty()) return absl::InvalidArgumentError("--pg_address is missing; give the gateway's host:port");
  RETURN_IF_ERROR(Transport::CheckTargetOf("pg_address", pg_address));
  return pg_address;
}

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  static auto* const metrics = new ClientMetrics(*ProcessRegistry());  // as long as the registry
  RETURN_IF_ERROR(OptionsFromFlags(std::string(kErrorDomain)).status());
  ASSIGN_OR_RETURN(const std::string pg_address, PgAddress());
  ASSIGN_OR_RETURN(std::unique_ptr<WebhookSecrets> secrets,
                   WebhookSecrets::Open(absl::GetFlag(FLAGS_webhook_secret_files)));
  const std::string orchestrators = absl::GetFlag(FLAGS_nudge);
  if (!orchestrators.empty()) RETURN_IF_ERROR(Transport::CheckTargetOf("nudge", orchestrators));
  auto gateway = std::make_unique<GrpcGateway>(pg_address, absl::GetFlag(FLAGS_pg_timeout), *metrics);
  auto nudger = std::make_unique<Nudger>(orchestrators, *metrics);
  const Settled settled = std::bind_front(&Nudger::Nudge, nudger.get());
  ASSIGN_OR_RETURN(Databases databases, open());
  auto settler = std::make_unique<Settler>(std::move(databases.write), *gateway, *gateway, clock, settled);
  auto domain = NewPaymentDomain(*gateway, clock, std::bind_front(&Settler::Hear, settler.get()), settled);
  absl::StatusOr<std::unique_ptr<Serving>> participant =
      ServeParticipant(std::move(domain), PaymentTable(), open, clock, kWebhooksBytesMax + kNudgesBytesMax);
  if (!participant.ok()) {
    gateway->Stop();  // the settler may have asked it already, and must live until the last answer
    return participant.status();
  }
  return std::make_unique<ServingPayments>(std::move(gateway), std::move(nudger), std::move(secrets),
                                           std::move(settler), *std::move(participant), clock);
}

constexpr int kDiffers = 2;

absl::StatusOr<int> RunReconcile(const OpenDatabases& open, const Clock& clock) {
  ASSIGN_OR_RETURN(const std::string pg_address, PgAddress());
  const std::string order_address = absl::GetFlag(FLAGS_order_address);
  const auto gateway = ::pg::v1::PaymentGateway::NewStub(NewChannel(pg_address));
  std::unique_ptr<::shop::order::v1::OrderService::Stub> orders;
  if (!order_address.empty()) {
    RETURN_IF_ERROR(Transport::CheckTargetOf("order_address", order_address));
    orders = ::shop::order::v1::OrderService::NewStub(NewChannel(order_address));
  }
  constexpr absl::Duration kPageTimeout = absl::Seconds(30);  // nobody waits for it
  ASSIGN_OR_RETURN(const Databases databases, open());
  ASSIGN_OR_RETURN(const int differences, Reconcile(*databases.write, {*gateway, orders.get(), kPageTimeout}, clock,
                                                    absl::GetFlag(FLAGS_reconcile_grace), stdout));
  return differences == 0 ? 0 : kDiffers;
}

}  // namespace
}  // namespace unwind::payment

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "payment_svc",
                              .usage = "charges and refunds through the payment gateway, each at most once.",
                              .component = "payment",
                              .migrations = kPaymentMigrations,
                              .start = unwind::payment::Start,
                              .tasks = {{"reconcile",
                                         "compares the payments with the gateway's ledger and the orders and says "
                                         "what differs; exit "
                                         "code 0: nothing, 2: something, 1: they could not be compared",
                                         unwind::payment::RunReconcile}}});
}
