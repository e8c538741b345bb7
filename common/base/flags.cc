#include "common/base/flags.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/checked_flag.h"

namespace unwind {
namespace {

std::string VariableOf(absl::string_view flag) { return absl::StrCat("UNWIND_", absl::AsciiStrToUpper(flag)); }

bool AsksForHelp(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](absl::string_view argument) {
    return absl::ConsumePrefix(&argument, "-") &&
           (absl::ConsumePrefix(&argument, "-"), absl::StartsWith(argument, "help"));
  });
}

// Before the command line is parsed, so that the command line wins.
void TakeFromEnvironment() {
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    const char* const value = std::getenv(VariableOf(name).c_str());
    if (value == nullptr || absl::StrContains(flag->Filename(), "absl/flags")) continue;
    std::string error;
    if (!flag->ParseFrom(value, &error)) {
      std::fprintf(stderr, "%s=%s: %s\n", VariableOf(name).c_str(), value, error.c_str());
      std::exit(1);
    }
  }
}

bool IsOurs(absl::string_view file) { return !absl::StrContains(file, "absl/"); }

// A source file's path as --help shows it: from the root of the project on, wherever it was built.
std::string FromRoot(absl::string_view file) {
  constexpr absl::string_view kThisFile = __FILE__;
  constexpr absl::string_view kFromRoot = "common/base/flags.cc";
  absl::ConsumePrefix(&file, kThisFile.substr(0, kThisFile.size() - kFromRoot.size()));
  return std::string(file);
}

void CheckValues() {
  const std::vector<std::string> findings = FindBadFlags();
  for (const std::string& finding : findings) std::fprintf(stderr, "%s\n", finding.c_str());
  if (!findings.empty()) std::exit(1);
}

}  // namespace

std::vector<std::string> ParseFlags(int argc, char** argv, absl::string_view usage) {
  absl::SetProgramUsageMessage(
      absl::StrCat(usage,
                   "\n\nEvery flag --foo_bar may also be given as the environment variable UNWIND_FOO_BAR; the command "
                   "line wins."));
  absl::FlagsUsageConfig config;
  config.contains_help_flags = IsOurs;
  config.contains_helpshort_flags = IsOurs;
  config.contains_helppackage_flags = IsOurs;
  config.normalize_filename = FromRoot;
  absl::SetFlagsUsageConfig(config);
  // --help prints values; one from the environment may be a secret.
  if (!AsksForHelp(argc, argv)) TakeFromEnvironment();
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  CheckValues();
  return std::vector<std::string>(rest.begin() + 1, rest.end());
}

void ParseFlagsOnly(int argc, char** argv, absl::string_view usage) {
  const std::vector<std::string> rest = ParseFlags(argc, argv, usage);
  if (rest.empty()) return;
  std::fprintf(stderr, "unexpected argument \"%s\"; see --help\n", rest.front().c_str());
  std::exit(1);
}

bool ParseFlagsOrMigrate(int argc, char** argv, absl::string_view usage) {
  const std::vector<std::string> rest = ParseFlags(
      argc, argv,
      absl::StrCat(usage, "\n\nWith the argument migrate it only brings the schema of its database up to date."));
  if (rest.empty()) return false;
  if (rest.size() == 1 && rest.front() == "migrate") return true;
  std::fprintf(stderr, "unexpected argument \"%s\"; see --help\n", rest.back().c_str());
  std::exit(1);
}

}  // namespace unwind
