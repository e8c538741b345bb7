// The paths of a definition file: input.x.y, saga.id, <step>.x.y; of one that follows another parent.x.y, not input.
// What each may be used for depends on where it stands.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_PATHS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_PATHS_H_

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/field_path.h"
#include "orchestrator/definition/mapping.h"

namespace unwind {

// What is known of a step's reply at some place of the file.
enum class Reach {
  kThere,     // the step has succeeded
  kMaySkip,   // it has succeeded or was skipped
  kOwnReply,  // it is the reply to the very call that is undone; known before the compensation is sent (rule S3)
  kNotYet,    // it may not have run
};

struct StepReply {
  std::string name;
  const google::protobuf::Descriptor* type = nullptr;  // null: its action is not known, which is reported elsewhere
  bool waits = false;                                  // it has a 'pending'
  bool wait_ends = false;                              // with a 'for'
};

// A place of the file, and what paths may read there.
struct Scope {
  std::string place;                                    // "the request of step 'charge'"
  std::string advice;                                   // what to do about a reply that is not there yet
  const google::protobuf::Descriptor* input = nullptr;  // null: not known, which is reported elsewhere
  std::vector<StepReply> steps;
  std::vector<Reach> reach;                 // by step
  bool failure_known = false;               // saga.failure.* may be read
  std::string when;                         // the path that is set whenever this place is reached; empty: none
  int own = kInputRoot;                     // the step whose call it is; none: of no call
  int pending_of = kInputRoot;              // the step whose first pending answer may be read, as STEP.pending
  std::string root = "input";               // the word for `input`
  std::set<std::string> may_be_unset = {};  // fields of `input` that not every saga has
};

// input.x, or x.y of step number `step`. With no fields it is the whole message.
struct StoredPath {
  int step = kInputRoot;
  FieldPath fields;
  bool pending = false;  // of the step's first pending answer
};
using ResolvedPath = std::variant<StoredPath, SagaField, WaitUntil>;

// Whether a right-hand side is a path: it is not quoted and begins with the root, `saga` or a step's name. Everything
// else is a literal. So a literal that looks like a path must be quoted, and a path never needs to be.
bool IsPath(const Text& text, const Scope& scope);

// Nothing, with a finding, if the path leads nowhere or to what is not there in `scope`. Whether a step may be skipped
// is the caller's to judge.
std::optional<ResolvedPath> ResolvePath(const Text& text, const Scope& scope, Findings& findings);

// The names a path may begin with.
std::vector<std::string> RootNames(const Scope& scope);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_PATHS_H_
