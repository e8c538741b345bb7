// What a check of a definition file found: every fault, not only the first, each with its line and what to do.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FINDINGS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FINDINGS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace unwind {

class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  // `line` counts from 1. Read as one sentence: "file:line: <what>; <todo>".
  void Add(int line, absl::string_view what, absl::string_view todo);

  bool empty() const { return found_.empty(); }

  // OK, or INVALID_ARGUMENT with all findings by line, one a line of the message.
  absl::Status ToStatus() const;

 private:
  std::string file_;
  std::vector<std::pair<int, std::string>> found_;
};

// "did you mean 'x'?" with the candidate closest to `word`, or `otherwise` if none is close.
std::string Suggest(absl::string_view word, const std::vector<std::string>& candidates, absl::string_view otherwise);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FINDINGS_H_
