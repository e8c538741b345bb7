#include "orchestrator/definition/values.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/code.pb.h"

namespace unwind {
namespace {

constexpr absl::Duration kDurationMin = absl::Milliseconds(1);  // less is a mistyped unit, and a loop that never rests
constexpr std::size_t kReasonBytesMax = 63;                     // of google.rpc.ErrorInfo

std::vector<std::string> ErrorCodeNames() {
  std::vector<std::string> names;
  for (int code = 1; code <= 16; ++code) names.push_back(google::rpc::Code_Name(code));
  return names;
}

}  // namespace

absl::Duration ReadDuration(const Text& text, const std::string& what, absl::Duration otherwise,
                            const DurationBound& bound, Findings& findings) {
  if (!text.given()) return otherwise;
  absl::Duration duration;
  if (!absl::ParseDuration(text.value, &duration)) {
    findings.Add(text.line, absl::StrCat(what, " '", text.value, "' is not a duration"),
                 "write it as 500ms, 2s or 1h30m");
  } else if (duration <= absl::ZeroDuration()) {
    findings.Add(text.line, absl::StrCat(what, " is ", text.value), "it must be at least 1ms");
  } else {
    if (duration < kDurationMin) {
      findings.Refuse(text.line, absl::StrCat(what, " is ", text.value), "it must be at least 1ms");
    }
    if (duration > bound.max) {
      findings.Refuse(text.line, absl::StrCat(what, " is ", text.value),
                      absl::StrCat("at most ", absl::FormatDuration(bound.max), " makes sense: ", bound.why));
    }
    return duration;
  }
  return otherwise;
}

int ReadCount(const Text& text, const std::string& what, int otherwise, int max, Findings& findings) {
  if (!text.given()) return otherwise;
  int value = 0;
  if (absl::SimpleAtoi(text.value, &value) && value >= 1 && value <= max) return value;
  findings.Add(text.line, absl::StrCat(what, " is '", text.value, "'"),
               absl::StrCat("it must be a whole number from 1 to ", max));
  return otherwise;
}

bool ReadBool(const Text& text, const std::string& what, bool otherwise, Findings& findings) {
  if (!text.given()) return otherwise;
  if (text.value != "true" && text.value != "false") {
    findings.Add(text.line, absl::StrCat(what, " is '", text.value, "'"), "write true or false");
    return otherwise;
  }
  return text.value == "true";
}

bool ReadAnswerAt(const Text& text, Findings& findings) {
  if (text.value == "decided") return true;
  if (text.given() && text.value != "done") {
    findings.Add(text.line, absl::StrCat("a saga cannot answer at '", text.value, "'"),
                 "write decided (as soon as it is known that the saga goes back, and why) or done (the default)");
  }
  return false;
}

StepKind ReadKind(const Text& text, Findings& findings) {
  if (!text.given() || text.value == "compensatable") return StepKind::kCompensatable;
  if (text.value == "pivot") return StepKind::kPivot;
  if (text.value == "retriable") return StepKind::kRetriable;
  findings.Add(text.line, absl::StrCat("there is no kind '", text.value, "'"),
               findings.Suggest(text.value, {"compensatable", "pivot", "retriable"},
                                "write compensatable (the default), pivot or retriable"));
  return StepKind::kCompensatable;
}

std::optional<int> ReadErrorCode(const Text& text, Findings& findings) {
  google::rpc::Code code = google::rpc::OK;
  if (google::rpc::Code_Parse(text.value, &code) && code != google::rpc::OK) return code;
  findings.Add(
      text.line, absl::StrCat("'", text.value, "' is not the code of an error"),
      findings.Suggest(text.value, ErrorCodeNames(), "use a name of google.rpc.Code other than OK, such as ABORTED"));
  return std::nullopt;
}

std::optional<Outcome> ReadOverride(const Text& text, Findings& findings) {
  if (text.value == "REFUSED") return Outcome::kRefused;
  if (text.value == "UNKNOWN") return Outcome::kUnknown;
  findings.Add(text.line, absl::StrCat("the code of an action's answer cannot be made '", text.value, "'"),
               "write REFUSED (the service says no) or UNKNOWN (it may have happened)");
  return std::nullopt;
}

bool IsName(const std::string& text, char separator, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max || !absl::ascii_islower(static_cast<unsigned char>(text[0])))
    return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == separator;
  });
}

bool IsReason(const std::string& text) {
  if (text.empty() || text.size() > kReasonBytesMax || !absl::ascii_isupper(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_isupper(byte) || absl::ascii_isdigit(byte) || c == '_';
  });
}

}  // namespace unwind
