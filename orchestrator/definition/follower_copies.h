// What a follower copies from one version of a parent when it ends (S17).
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWER_COPIES_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWER_COPIES_H_

#include "orchestrator/core/follower.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// why_not_built says what `parent` lacks, for an operator. REQUIRES: `follower` follows.
Follower FollowerOf(const Definition& follower, const Definition& parent);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWER_COPIES_H_
