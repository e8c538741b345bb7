#include "common/base/flags.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/checked_flag.h"
#include "common/base/version.h"

namespace unwind {
namespace {

std::string VariableOf(absl::string_view flag) { return absl::StrCat("UNWIND_", absl::AsciiStrToUpper(flag)); }

// Abseil knows only the long form.
void SpellOutHelp(int argc, char** argv) {
  static char help[] = "--help";
  for (int i = 1; i < argc; ++i) {
    if (absl::string_view(argv[i]) == "-h") argv[i] = help;
  }
}

// Or for the version.
bool AsksForHelp(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](absl::string_view argument) {
    return absl::ConsumePrefix(&argument, "-") &&
           (absl::ConsumePrefix(&argument, "-"), absl::StartsWith(argument, "help") || argument == "version");
  });
}

// What --version says, such as "stock_svc 0.2.0 (e7ab8464c1f0)".
std::string VersionOf(absl::string_view program) {
  return absl::StrCat(program.substr(program.rfind('/') + 1), " ", Version(), " (", Revision(), ")\n");
}

bool IsOurs(absl::string_view file) { return !absl::StrContains(file, "absl/"); }

// Why the flag cannot have the text `value`; empty: it now has it.
std::string WhyNot(absl::CommandLineFlag& flag, absl::string_view value) {
  std::string error;
  if (flag.ParseFrom(value, &error)) return "";
  const std::string allowed = flag.IsOfType<bool>() ? "true or false" : AllowedValues(flag.Name());
  return allowed.empty() ? error : absl::StrCat("must be ", allowed);
}

// Before the command line is parsed, so that the command line wins.
void TakeFromEnvironment() {
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    const char* const value = std::getenv(VariableOf(name).c_str());
    if (value == nullptr || !IsOurs(flag->Filename())) continue;
    if (const std::string wrong = WhyNot(*flag, value); !wrong.empty()) {
      std::fprintf(stderr, "%s\n", DescribeSetting(VariableOf(name), value, wrong).c_str());
      std::exit(1);
    }
  }
}

// The values on the command line that cannot be read, as --name=value or as --name value. Absl would say only that they
// are illegal.
void CheckTexts(int argc, char** argv) {
  bool all_good = true;
  for (int i = 1; i < argc && absl::string_view(argv[i]) != "--"; ++i) {
    absl::string_view argument = argv[i];
    if (!absl::ConsumePrefix(&argument, "-")) continue;
    absl::ConsumePrefix(&argument, "-");
    const std::size_t equals = argument.find('=');
    absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(argument.substr(0, equals));
    if (flag == nullptr || !IsOurs(flag->Filename())) continue;
    const bool is_next = equals == absl::string_view::npos;
    if (is_next && (flag->IsOfType<bool>() || i + 1 == argc)) continue;
    const absl::string_view value = is_next ? absl::string_view(argv[++i]) : argument.substr(equals + 1);
    const std::string wrong = WhyNot(*flag, value);
    if (wrong.empty()) continue;
    std::fprintf(stderr, "%s\n", DescribeFlagValue(flag->Name(), value, wrong).c_str());
    all_good = false;
  }
  if (!all_good) std::exit(1);
}

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
  config.version_string = [program = std::string(argv[0])] { return VersionOf(program); };
  absl::SetFlagsUsageConfig(config);
  SpellOutHelp(argc, argv);
  // --help prints values; one from the environment may be a secret.
  if (!AsksForHelp(argc, argv)) {
    TakeFromEnvironment();
    CheckTexts(argc, argv);
  }
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

std::string ParseFlagsOrSubcommand(int argc, char** argv, absl::string_view usage,
                                   const std::vector<Subcommand>& subcommands) {
  std::string whole(usage);
  for (const Subcommand& subcommand : subcommands) {
    absl::StrAppend(&whole, "\n\nWith the argument ", subcommand.name, " it only ", subcommand.does, ".");
  }
  const std::vector<std::string> rest = ParseFlags(argc, argv, whole);
  if (rest.empty()) return "";
  const auto is_first = [&](const Subcommand& subcommand) { return subcommand.name == rest.front(); };
  if (rest.size() == 1 && std::any_of(subcommands.begin(), subcommands.end(), is_first)) return rest.front();
  std::fprintf(stderr, "unexpected argument \"%s\"; see --help\n", rest.back().c_str());
  std::exit(1);
}

}  // namespace unwind
