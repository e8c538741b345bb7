// Flags that refuse values which make no sense. ParseFlags (common/base/flags.h) checks them: a bad value ends the
// program with exit 1 and a sentence that names the flag, the value and what it may be.
#ifndef UNWIND_COMMON_BASE_CHECKED_FLAG_H_
#define UNWIND_COMMON_BASE_CHECKED_FLAG_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// As ABSL_FLAG, for a number or a duration from `least` to `most`. --help says the range.
#define RANGED_FLAG(type, name, value, least, most, help)                                                      \
  ABSL_FLAG(type, name, value, ::unwind::WithRange<type>(help, least, most));                                  \
  static const ::unwind::FlagCheck<type> flag_check_##name(FLAGS_##name, ::unwind::InRange<type>(least, most), \
                                                           ::unwind::RangeText<type>(least, most))

// As ABSL_FLAG, for a value that `check`, an absl::Status(const type&), accepts. Its message completes "--name=value:
// ".
#define CHECKED_FLAG(type, name, value, check, help) \
  ABSL_FLAG(type, name, value, help);                \
  static const ::unwind::FlagCheck<type> flag_check_##name(FLAGS_##name, check)

namespace unwind {

// What is known of one flag.
struct CheckedFlag {
  std::function<absl::string_view()> name;
  std::string allowed;                   // such as "1 to 64"; empty: every value that can be read is checked
  std::function<std::string()> finding;  // what is wrong with its value; empty: nothing
};

// All of this program. Filled before main.
void RegisterFlag(CheckedFlag flag);

// "--name=value: what it must be" for each flag with a value that its check refuses.
std::vector<std::string> FindBadFlags();

// What values the flag takes, for one that cannot be read; empty: nothing is known.
std::string AllowedValues(absl::string_view name);

// "setting=value: finding"; the value is cut and its control characters are escaped.
std::string DescribeSetting(absl::string_view setting, absl::string_view value, absl::string_view finding);
std::string DescribeFlagValue(absl::string_view name, absl::string_view value, absl::string_view finding);

template <class T>
std::string FlagText(const T& value) {
  return absl::StrCat(value);
}
inline std::string FlagText(absl::Duration value) { return absl::FormatDuration(value); }

template <class T>
class FlagCheck {
 public:
  FlagCheck(const absl::Flag<T>& flag, std::function<absl::Status(const T&)> check, std::string allowed = "") {
    const auto name = [&flag] { return absl::GetFlagReflectionHandle(flag).Name(); };
    const auto finding = [&flag, name, check = std::move(check)]() -> std::string {
      const T value = absl::GetFlag(flag);
      const absl::Status status = check(value);
      return status.ok() ? "" : DescribeFlagValue(name(), FlagText(value), status.message());
    };
    RegisterFlag({.name = name, .allowed = std::move(allowed), .finding = finding});
  }
};

template <class T>
std::string RangeText(const T& least, const T& most) {
  return absl::StrCat(FlagText(least), " to ", FlagText(most));
}

template <class T>
std::string WithRange(absl::string_view help, const T& least, const T& most) {
  return absl::StrCat(help, " Range: ", RangeText(least, most), ".");
}

template <class T>
std::function<absl::Status(const T&)> InRange(const T& least, const T& most) {
  return [least, most](const T& value) {
    if (least <= value && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("must be ", RangeText(least, most)));
  };
}

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_CHECKED_FLAG_H_
