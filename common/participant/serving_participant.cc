// Apart from service_main.cc, so that a program that is no participant has none of a participant's flags.
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

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

std::vector<std::unique_ptr<StepDomain>> TakeDomains(std::vector<ServicePart>& parts) {
  std::vector<std::unique_ptr<StepDomain>> domains;
  for (ServicePart& part : parts) domains.push_back(std::move(part.domain));
  return domains;
}

std::vector<ServicePart> OnePart(std::unique_ptr<StepDomain> domain, const ServiceTable& table) {
  std::vector<ServicePart> parts;
  parts.push_back({std::move(domain), table});
  return parts;
}

}  // namespace

ServingParticipant::ServingParticipant(std::vector<ServicePart> parts, const ParticipantOptions& options,
                                       Databases databases, const Clock& clock, bool enable_reset)
    : domains_(TakeDomains(parts)),
      participant_(std::move(databases.write), domains_, clock, options),
      reader_(std::move(databases.read)) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    services_.emplace_back(std::move(parts[i].table), *domains_.all()[i], participant_, reader_, enable_reset);
  }
}

ServingParticipant::ServingParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table,
                                       const ParticipantOptions& options, Databases databases, const Clock& clock,
                                       bool enable_reset)
    : ServingParticipant(OnePart(std::move(domain), table), options, std::move(databases), clock, enable_reset) {}

std::vector<NamedService> ServingParticipant::services() {
  std::vector<NamedService> services;
  for (TableService& service : services_) services.push_back({service.name(), &service});
  return services;
}

void ServingParticipant::ProbeStore(std::function<void(absl::Status)> done) { participant_.Probe(std::move(done)); }

void ServingParticipant::Stop() {
  participant_.Stop();
  reader_.Stop();
}

absl::StatusOr<std::unique_ptr<Serving>> ServeParticipant(std::vector<ServicePart> parts, const OpenDatabases& open,
                                                          const Clock& clock, std::size_t own_bytes_max) {
  ASSIGN_OR_RETURN(ParticipantOptions options, OptionsFromFlags(parts.front().table.error_domain));
  options.never_cause = parts.front().table.never_cause;
  ExportMemorySum(MemorySum(MemoryOfCallsIn(1) + kOfMessage * options.queue_max * MessageBytesMax() + own_bytes_max));
  ASSIGN_OR_RETURN(Databases databases, open());
  return std::make_unique<ServingParticipant>(std::move(parts), options, std::move(databases), clock,
                                              absl::GetFlag(FLAGS_enable_reset));
}

absl::StatusOr<std::unique_ptr<Serving>> ServeParticipant(std::unique_ptr<StepDomain> domain, const ServiceTable& table,
                                                          const OpenDatabases& open, const Clock& clock,
                                                          std::size_t own_bytes_max) {
  return ServeParticipant(OnePart(std::move(domain), table), open, clock, own_bytes_max);
}

}  // namespace unwind
