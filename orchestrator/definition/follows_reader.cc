#include "orchestrator/definition/follows_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/definition/values.h"

namespace unwind {
namespace {

std::vector<std::string> ReadParents(const DefinitionFile& file, Findings& findings) {
  std::vector<std::string> parents;
  for (const Text& name : file.follows) {
    if (name.value == file.saga.value) {
      findings.Add(name.line, absl::StrCat("saga '", name.value, "' follows itself"),
                   "it would start itself without end; follow another");
    } else if (std::find(parents.begin(), parents.end(), name.value) != parents.end()) {
      findings.Add(name.line, absl::StrCat("'follows' names '", name.value, "' twice"), "keep one of them");
    } else {
      parents.push_back(name.value);
    }
  }
  if (file.follows.empty()) {
    findings.Add(file.follows_line, "'follows' names no saga",
                 "name one; a definition that follows no more has a higher version and 'on: never'");
  }
  return parents;
}

SagaState ReadOn(const Text& on, Findings& findings) {
  if (on.value == "aborted") return SagaState::kAborted;
  if (on.value == "never") return SagaState::kRunning;
  if (on.given() && on.value != "completed") {
    findings.Add(on.line, absl::StrCat("'", on.value, "' is not how a saga ends"),
                 "write completed, aborted, { aborted: [REASON, ...] } or never");
  }
  return SagaState::kCompleted;
}

std::vector<std::string> ReadReasons(const DefinitionFile& file, Findings& findings) {
  std::vector<std::string> reasons;
  for (const Text& reason : file.reasons) {
    reasons.push_back(reason.value);
    if (IsReason(reason.value)) continue;
    findings.Add(reason.line, absl::StrCat("'", reason.value, "' is not a reason"),
                 "write it as services do in ErrorInfo: upper case, digits and _, at most 63 characters");
  }
  return reasons;
}

void RefuseWhatIsForCallers(const DefinitionFile& file, Findings& findings) {
  for (const auto& [line, key] : {std::pair(file.serves.line, "serves"), std::pair(file.key.line, "key"),
                                  std::pair(file.key_required.line, "key_required"),
                                  std::pair(file.answer_line, "answer"), std::pair(file.response.line, "response"),
                                  std::pair(file.errors.empty() ? 0 : file.errors[0].first.line, "errors")}) {
    if (line == 0) continue;
    findings.Add(line, absl::StrCat("'", key, "' stands in a definition with 'follows', which nobody calls"),
                 absl::StrCat("take '", key, "' out, or 'follows'"));
  }
}

}  // namespace

Follows ReadFollows(const DefinitionFile& file, const google::protobuf::Descriptor* type, Origin origin,
                    Findings& findings) {
  Follows follows;
  follows.parents = ReadParents(file, findings);
  follows.on = ReadOn(file.on, findings);
  follows.reasons = ReadReasons(file, findings);
  follows.type = type;
  follows.place = findings.Place(file.follows_line);
  RefuseWhatIsForCallers(file, findings);
  if (type == nullptr && origin == Origin::kStored) {
    findings.Add(file.follows_line, "the type of what it reads of its parent is not stored with it",
                 "serve it from its file once (--definitions), which stores it");
  }
  return follows;
}

}  // namespace unwind
