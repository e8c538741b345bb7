// What a person asks of a step.
#ifndef UNWIND_SAGACTL_VERBS_H_
#define UNWIND_SAGACTL_VERBS_H_

#include <string>

#include "absl/status/statusor.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

struct Asked {
  std::string saga_id, step, actor, reason;
};

// The saga as it stands then.
absl::StatusOr<saga::v1::Saga> Retry(Session& session, const Asked& asked);
absl::StatusOr<saga::v1::Saga> Skip(Session& session, const Asked& asked);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_VERBS_H_
