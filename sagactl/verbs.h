// What a person asks of a step.
#ifndef UNWIND_SAGACTL_VERBS_H_
#define UNWIND_SAGACTL_VERBS_H_

#include <string>

#include "absl/status/statusor.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

struct Asked {
  std::string saga_id, step;
  std::string actor;  // empty: the session's
  std::string reason;
  // How they stood when they were listed, so that the verb does nothing else than what was chosen; UNSPECIFIED: they
  // were not.
  saga::v1::Saga::Direction seen_direction = saga::v1::Saga::DIRECTION_UNSPECIFIED;
  saga::v1::Phase seen_phase = saga::v1::PHASE_UNSPECIFIED;
};

// The saga as it stands then.
absl::StatusOr<saga::v1::Saga> Retry(Session& session, const Asked& asked);
absl::StatusOr<saga::v1::Saga> Skip(Session& session, const Asked& asked);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_VERBS_H_
