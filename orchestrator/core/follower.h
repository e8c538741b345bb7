// What starts when a saga ends (S17). Who follows whom is a row that every instance reads, so that the instance that
// ends a parent, of whatever version, gives birth to the same sagas: for that it needs neither the follower's
// definition nor the parent's, only which fields of the parent's messages to copy.
#ifndef UNWIND_ORCHESTRATOR_CORE_FOLLOWER_H_
#define UNWIND_ORCHESTRATOR_CORE_FOLLOWER_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/core/saga.h"

namespace unwind {

struct DefinitionVersion {
  std::string name;
  int version = 0;

  auto operator<=>(const DefinitionVersion&) const = default;
};

// Roots of FollowerCopy besides the indexes of the parent's steps, which stand for their replies.
inline constexpr int kParentInput = -1;
inline constexpr int kParentFacts = -2;  // a message of what the parent's row itself says

// The fields of kParentFacts. Never renumber: stored.
enum class ParentFact : std::uint8_t { kId = 1, kFailure = 2 };
enum class ParentFailure : std::uint8_t { kReason = 1, kMessage = 2, kStep = 3, kDomain = 4 };

// One value that is copied at birth. The paths are numbers of protobuf fields: what is copied is bytes, not types.
struct FollowerCopy {
  int root = kParentInput;
  std::vector<int> source;  // of the root's message
  std::vector<int> target;  // of the follower's input

  bool operator==(const FollowerCopy&) const = default;
};

// One definition that follows one version of another.
struct Follower {
  DefinitionVersion parent;
  DefinitionVersion definition;
  SagaState on = SagaState::kCompleted;
  std::vector<std::string> reasons;  // of a parent that was aborted; none: any
  int steps = 0;                     // of the follower's plan
  int first_step = 0;                // the one that is parked if it cannot be built
  std::vector<FollowerCopy> copies;
  std::string
      why_not_built;  // not empty: what it needs is not in this version of the parent, so that it is born parked
  // What is stored of it, if that cannot be read here: a newer program wrote it, or it is damaged. Then only the two
  // names are known, and `on` is kRunning, which no saga ends as.
  std::optional<std::string> unreadable = std::nullopt;

  bool operator==(const Follower&) const = default;
};

// All of them, as of one moment. The generation grows with each change.
struct FollowerSet {
  std::int64_t generation = 0;
  std::vector<Follower> followers;

  bool operator==(const FollowerSet&) const = default;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_CORE_FOLLOWER_H_
