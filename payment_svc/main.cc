// payment_svc: payments, taken through the payment gateway.
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
#include "common/participant/service_main.h"
#include "common/rpc/credentials.h"
#include "payment_svc/gateway_client.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"

CHECKED_FLAG(std::string, pg_address, "", unwind::CheckTargetOrNone,
             "Address of the payment gateway, host:port. Required.");
RANGED_FLAG(
    absl::Duration, pg_timeout, absl::Seconds(1), absl::Milliseconds(1), absl::Minutes(10),
    "How long one call to the gateway may take; must be below the timeout of the steps that charge and refund.");

extern const unwind::Migrations kPaymentMigrations;  // embedded by the build

namespace unwind::payment {
namespace {

// Stops asking the gateway first: the participant waits for what it was asked.
class ServingPayments final : public Serving {
 public:
  ServingPayments(std::unique_ptr<GrpcGateway> gateway, std::unique_ptr<Serving> participant)
      : gateway_(std::move(gateway)), participant_(std::move(participant)) {}

  std::vector<NamedService> services() override { return participant_->services(); }
  void ProbeStore(std::function<void(absl::Status)> done) override { participant_->ProbeStore(std::move(done)); }
  void Stop() override {
    gateway_->Stop();
    participant_->Stop();
  }

 private:
  const std::unique_ptr<GrpcGateway> gateway_;
  const std::unique_ptr<Serving> participant_;
};

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  const std::string pg_address = absl::GetFlag(FLAGS_pg_address);
  if (pg_address.empty()) return absl::InvalidArgumentError("--pg_address is missing; give the gateway's host:port");
  static auto* const metrics = new ClientMetrics(*ProcessRegistry());  // as long as the registry
  RETURN_IF_ERROR(Transport::CheckTargetOf("pg_address", pg_address));
  auto gateway = std::make_unique<GrpcGateway>(pg_address, absl::GetFlag(FLAGS_pg_timeout), *metrics);
  ASSIGN_OR_RETURN(std::unique_ptr<Serving> participant,
                   ServeParticipant(NewPaymentDomain(*gateway, clock), PaymentTable(), open, clock));
  return std::make_unique<ServingPayments>(std::move(gateway), std::move(participant));
}

}  // namespace
}  // namespace unwind::payment

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "payment_svc",
                              .usage = "charges and refunds through the payment gateway, each at most once.",
                              .component = "payment",
                              .migrations = kPaymentMigrations,
                              .start = unwind::payment::Start});
}
