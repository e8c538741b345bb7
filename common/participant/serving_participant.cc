// Apart from service_main.cc, so that a program that is no participant has none of a participant's flags.
#include <functional>
#include <memory>
#include <utility>

#include "absl/flags/flag.h"
#include "common/base/status_macros.h"
#include "common/participant/options.h"
#include "common/participant/service_main.h"
#include "common/rpc/memory_sum.h"
#include "common/rpc/unary.h"

ABSL_FLAG(bool, enable_reset, false, "Whether the method that empties the service's tables is served. Tests only.");

namespace unwind {
namespace {

constexpr std::size_t kOfMessage = 2;  // a call that waits has it as it came and as it was read

}  // namespace

ServingParticipant::ServingParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table,
                                       const ParticipantOptions& options, Databases databases, const Clock& clock,
                                       bool enable_reset)
    : domain_(std::move(domain)),
      participant_(std::move(databases.write), *domain_, clock, options),
      reader_(std::move(databases.read)),
      service_(table, domain_->methods(), participant_, reader_, enable_reset) {}

std::vector<NamedService> ServingParticipant::services() { return {{service_.name(), &service_}}; }

void ServingParticipant::ProbeStore(std::function<void(absl::Status)> done) { participant_.Probe(std::move(done)); }

void ServingParticipant::Stop() {
  participant_.Stop();
  reader_.Stop();
}

absl::StatusOr<std::unique_ptr<Serving>> ServeParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table,
                                                          const OpenDatabases& open, const Clock& clock) {
  ASSIGN_OR_RETURN(ParticipantOptions options, OptionsFromFlags(table.error_domain));
  options.never_cause = table.never_cause;
  ExportMemorySum(MemorySum(MemoryOfCallsIn(1) + kOfMessage * options.queue_max * MessageBytesMax()));
  ASSIGN_OR_RETURN(Databases databases, open());
  return std::make_unique<ServingParticipant>(std::move(domain), table, options, std::move(databases), clock,
                                              absl::GetFlag(FLAGS_enable_reset));
}

}  // namespace unwind
