#include "common/base/checked_flag.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"

namespace unwind {
namespace {

constexpr std::size_t kShownMax = 200;  // bytes of a value

std::vector<CheckFlagValue>& Checks() {
  static auto* const checks = new std::vector<CheckFlagValue>;
  return *checks;
}

}  // namespace

void RegisterFlagCheck(CheckFlagValue check) { Checks().push_back(std::move(check)); }

std::string DescribeFlagValue(absl::string_view name, absl::string_view value, absl::string_view finding) {
  const absl::string_view cut = value.size() > kShownMax ? "..." : "";
  return absl::StrCat("--", name, "=", absl::Utf8SafeCEscape(value.substr(0, kShownMax)), cut, ": ", finding);
}

std::vector<std::string> FindBadFlags() {
  std::vector<std::string> findings;
  for (const CheckFlagValue& check : Checks()) {
    if (std::string finding = check(); !finding.empty()) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace unwind
