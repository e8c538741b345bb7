#include "common/base/checked_flag.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"

namespace unwind {
namespace {

constexpr std::size_t kShownMax = 200;  // bytes of a value

std::vector<CheckedFlag>& Flags() {
  static auto* const flags = new std::vector<CheckedFlag>;
  return *flags;
}

}  // namespace

void RegisterFlag(CheckedFlag flag) { Flags().push_back(std::move(flag)); }

std::string DescribeSetting(absl::string_view setting, absl::string_view value, absl::string_view finding) {
  const absl::string_view cut = value.size() > kShownMax ? "..." : "";
  return absl::StrCat(setting, "=", absl::Utf8SafeCEscape(value.substr(0, kShownMax)), cut, ": ", finding);
}

std::string DescribeFlagValue(absl::string_view name, absl::string_view value, absl::string_view finding) {
  return DescribeSetting(absl::StrCat("--", name), value, finding);
}

std::vector<std::string> FindBadFlags() {
  std::vector<std::string> findings;
  for (const CheckedFlag& flag : Flags()) {
    if (std::string finding = flag.finding(); !finding.empty()) findings.push_back(std::move(finding));
  }
  return findings;
}

std::string AllowedValues(absl::string_view name) {
  for (const CheckedFlag& flag : Flags()) {
    if (flag.name() == name) return flag.allowed;
  }
  return "";
}

}  // namespace unwind
