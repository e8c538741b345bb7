#include "common/base/flags.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_FLAG(int, test_count, 7, "How many.");
ABSL_FLAG(absl::Duration, test_wait, absl::Seconds(1), "How long.");
ABSL_FLAG(bool, test_shed, false, "Whether there is one.");

namespace {

absl::Status CheckColour(const std::string& colour) {
  return colour == "red" ? absl::OkStatus() : absl::InvalidArgumentError("must be red");
}

}  // namespace

RANGED_FLAG(int, test_workers, 1, 1, 64, "Threads.");
RANGED_FLAG(absl::Duration, test_pause, absl::Seconds(1), absl::Milliseconds(1), absl::Hours(1), "Between two.");
CHECKED_FLAG(std::string, test_colour, "red", CheckColour, "Of the shed.");

namespace unwind {
namespace {

// Parsing is once per process and may end it, so every case runs in a child, which tells what it saw on stderr.
[[noreturn]] void ParseAndTell(std::vector<std::string> arguments) {
  std::vector<char*> argv = {const_cast<char*>("program")};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ParseFlagsOnly(static_cast<int>(argv.size()), argv.data(), "A program.");
  std::fprintf(stderr, "count=%d wait=%s\n", absl::GetFlag(FLAGS_test_count),
               absl::FormatDuration(absl::GetFlag(FLAGS_test_wait)).c_str());
  std::exit(0);
}

TEST(Flags, HoldTheirDefaults) { EXPECT_EXIT(ParseAndTell({}), testing::ExitedWithCode(0), "count=7 wait=1s"); }

// Also beside a bad value: it is what one asks first.
TEST(Flags, VersionIsSaidInOneLine) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_COUNT", "many", 1);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        ParseAndTell({"--version"});
      },
      testing::ExitedWithCode(0), "^program [0-9]+\\.[0-9]+\\.[0-9]+ \\(unknown\\)\n$");
}

TEST(Flags, AreTakenFromTheEnvironment) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_COUNT", "8", 1);
        setenv("UNWIND_TEST_WAIT", "250ms", 1);
        ParseAndTell({});
      },
      testing::ExitedWithCode(0), "count=8 wait=250ms");
}

TEST(Flags, OnTheCommandLineWinOverTheEnvironment) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_COUNT", "8", 1);
        ParseAndTell({"--test_count=9"});
      },
      testing::ExitedWithCode(0), "count=9 wait=1s");
}

TEST(Flags, RefuseABadValueInTheEnvironmentByTheVariablesName) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_COUNT", "many", 1);
        ParseAndTell({});
      },
      testing::ExitedWithCode(1), "UNWIND_TEST_COUNT=many: ");
}

TEST(Flags, RefuseABadValueOnTheCommandLine) {
  EXPECT_EXIT(ParseAndTell({"--test_count=many"}), testing::ExitedWithCode(1), "Illegal value 'many'.*'test_count'");
}

TEST(Flags, SayWhatAValueMayBeThatCannotBeRead) {
  EXPECT_EXIT(ParseAndTell({"--test_workers=many", "-test_pause", "5"}), testing::ExitedWithCode(1),
              "^--test_workers=many: must be 1 to 64\n--test_pause=5: must be 1ms to 1h\n$");
  EXPECT_EXIT(ParseAndTell({"--test_shed=perhaps"}), testing::ExitedWithCode(1),
              "--test_shed=perhaps: must be true or false\n");
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_WORKERS", "many", 1);
        ParseAndTell({});
      },
      testing::ExitedWithCode(1), "^UNWIND_TEST_WORKERS=many: must be 1 to 64\n$");
  EXPECT_EXIT(ParseAndTell({"--test_workers", "2", "--", "--test_workers=many"}), testing::ExitedWithCode(1),
              "unexpected argument \"--test_workers=many\"");
}

TEST(Flags, RefuseAnUnknownFlag) {
  EXPECT_EXIT(ParseAndTell({"--tset_count=1"}), testing::ExitedWithCode(1), "Unknown command line flag 'tset_count'");
}

TEST(Flags, RefuseAnArgumentWhereNoneIsTaken) {
  EXPECT_EXIT(ParseAndTell({"file"}), testing::ExitedWithCode(1), "unexpected argument \"file\"; see --help");
}

[[noreturn]] void ParseAndTellTheRest() {
  std::vector<std::string> arguments = {"program", "check", "--test_count=3", "a.yaml"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (const std::string& rest : ParseFlags(4, argv.data(), "A program.")) std::fprintf(stderr, "[%s]", rest.c_str());
  std::exit(absl::GetFlag(FLAGS_test_count));
}

TEST(Flags, ReturnTheArgumentsThatAreNoFlags) {
  EXPECT_EXIT(ParseAndTellTheRest(), testing::ExitedWithCode(3), "\\[check\\]\\[a.yaml\\]");
}

TEST(Flags, RefuseANumberBeyondItsRange) {
  EXPECT_EXIT(ParseAndTell({"--test_workers=64"}), testing::ExitedWithCode(0), "count=7");
  EXPECT_EXIT(ParseAndTell({"--test_workers=65"}), testing::ExitedWithCode(1), "--test_workers=65: must be 1 to 64\n");
  EXPECT_EXIT(ParseAndTell({"--test_workers=0"}), testing::ExitedWithCode(1), "--test_workers=0: must be 1 to 64\n");
}

TEST(Flags, RefuseADurationBeyondItsRange) {
  EXPECT_EXIT(ParseAndTell({"--test_pause=1h"}), testing::ExitedWithCode(0), "count=7");
  EXPECT_EXIT(ParseAndTell({"--test_pause=inf"}), testing::ExitedWithCode(1), "--test_pause=inf: must be 1ms to 1h\n");
  EXPECT_EXIT(ParseAndTell({"--test_pause=-1s"}), testing::ExitedWithCode(1), "--test_pause=-1s: must be 1ms to 1h\n");
}

TEST(Flags, RefuseABadValueOfTheEnvironment) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_WORKERS", "0", 1);
        ParseAndTell({});
      },
      testing::ExitedWithCode(1), "--test_workers=0: must be 1 to 64\n");
}

TEST(Flags, TellEveryBadValueCutAndPrintable) {
  EXPECT_EXIT(ParseAndTell({"--test_colour=blue\n\x1b[31m", "--test_workers=0"}), testing::ExitedWithCode(1),
              "--test_workers=0(.|\n)*--test_colour=blue\\\\n\\\\033\\[31m: must be red\n");
  EXPECT_EXIT(ParseAndTell({"--test_colour=" + std::string(5000, 'b')}), testing::ExitedWithCode(1),
              "=" + std::string(200, 'b') + "[.][.][.]: must be red");
}

// --help writes to stdout.
[[noreturn]] void Help() {
  std::fflush(stdout);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  ParseAndTell({"--help"});
}

TEST(Flags, AreExplainedByHelp) {
  EXPECT_EXIT(Help(), testing::ExitedWithCode(1), "A program(.|\n)*UNWIND_FOO_BAR(.|\n)*--test_count \\(How many");
}

TEST(Flags, AreExplainedWithTheirRange) {
  EXPECT_EXIT(Help(), testing::ExitedWithCode(1), "--test_workers \\(Threads. Range: 1 to 64.\\)");
}

TEST(Flags, AreExplainedByTheirFilesWhereverThoseWereBuilt) {
  EXPECT_EXIT(Help(), testing::ExitedWithCode(1), "Flags from tests/unit/common/base/flags_test.cc");
}

TEST(Flags, AreExplainedWithoutWhatTheEnvironmentSays) {
  EXPECT_EXIT(
      {
        setenv("UNWIND_TEST_COLOUR", "hunter2", 1);
        Help();
      },
      testing::ExitedWithCode(1), testing::Not(testing::HasSubstr("hunter2")));
}

}  // namespace
}  // namespace unwind
