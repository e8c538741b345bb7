// The steps that a bulk command is about.
#ifndef UNWIND_SAGACTL_TARGETS_H_
#define UNWIND_SAGACTL_TARGETS_H_

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

struct TargetFilter {
  std::string definition;            // whose sagas
  std::string step, failure, state;  // only those; empty: all
  std::size_t limit = 1000;          // steps at most
};

struct Target {
  saga::v1::Saga saga;  // as it was listed
  saga::v1::Step step;
};

struct Targets {
  std::vector<Target> all;
  bool are_cut = false;  // there are more than the limit
};

// The parked and stuck steps that `filter` chooses, each once, of the newest sagas first.
absl::StatusOr<Targets> FindTargets(Session& session, const TargetFilter& filter);

// As a table.
void PrintTargets(const Session& session, const std::vector<Target>& targets, std::ostream& out);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_TARGETS_H_
