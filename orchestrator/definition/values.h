// Single values of a definition file: numbers, durations, codes, each within its limits.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_VALUES_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_VALUES_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "common/base/findings.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// Each returns `otherwise` if the file does not give the value, or, with a finding, if it is not a good one.

// How long something may take, and why no longer.
struct DurationBound {
  absl::Duration max;
  const char* why;
};

// "100ms", "2s", "1h30m": at least 1 ms, at most the bound.
absl::Duration ReadDuration(const Text& text, const std::string& what, absl::Duration otherwise,
                            const DurationBound& bound, Findings& findings);
int ReadCount(const Text& text, const std::string& what, int otherwise, int max, Findings& findings);
bool ReadBool(const Text& text, const std::string& what, bool otherwise, Findings& findings);
// Whether `answer: { at: ... }` says decided; done is the default.
bool ReadAnswerAt(const Text& text, Findings& findings);
StepKind ReadKind(const Text& text, Findings& findings);

// A name of google.rpc.Code other than OK.
std::optional<int> ReadErrorCode(const Text& text, Findings& findings);
// REFUSED or UNKNOWN.
std::optional<Outcome> ReadOverride(const Text& text, Findings& findings);

// Lower case, digits and `separator`, beginning with a letter, at most `bytes_max` bytes.
bool IsName(const std::string& text, char separator, std::size_t bytes_max);
// An ErrorInfo reason: upper case, digits and underscores, at most 63 bytes.
bool IsReason(const std::string& text);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_VALUES_H_
