#include "common/participant/domains.h"

#include <utility>

#include "common/base/status_macros.h"

namespace unwind {

Domains::Domains(std::vector<std::unique_ptr<StepDomain>> domains) : domains_(std::move(domains)) {
  int first = 0;
  for (const auto& domain : domains_) {
    domain->NumberFrom(first);
    first += static_cast<int>(domain->methods().size());
  }
}

absl::Status Domains::Apply(soci::session& session, const std::vector<Command*>& commands) {
  for (const auto& domain : domains_) {
    std::vector<Command*> its;
    for (Command* const command : commands) {
      if (&DomainOf(*command) == domain.get()) its.push_back(command);
    }
    if (!its.empty()) RETURN_IF_ERROR(domain->Apply(session, its));
  }
  return absl::OkStatus();
}

void Domains::Continue(const Command& command, std::function<void(std::any)> done) {
  DomainOf(command).Continue(command, std::move(done));
}

void Domains::Committed(const Command& command) { DomainOf(command).Committed(command); }

StepDomain& Domains::DomainOf(const Command& command) const {
  auto domain = domains_.rbegin();
  while ((*domain)->first() > command.method) ++domain;
  return **domain;
}

}  // namespace unwind
