#include "common/base/crash_point.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

#ifdef UNWIND_CRASH_POINTS

class CrashPointTest : public testing::Test {
 protected:
  // Runs in the child of EXPECT_EXIT: the environment is read once in a process.
  void Arm(const std::string& plan) {
    setenv("UNWIND_CRASH_PLAN", plan_.c_str(), 1);
    setenv("UNWIND_CRASH_LOG", log_.c_str(), 1);
    Write(plan);
  }
  void Write(const std::string& plan) { std::ofstream(plan_) << plan; }
  std::string Noted() const {
    std::ifstream log(log_);
    return {std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()};
  }

  TempDir dir_;
  const std::string plan_ = dir_.File("plan"), log_ = dir_.File("log");
};

TEST_F(CrashPointTest, DiesAtTheCallOfItsPlanAndNotesThePlace) {
  EXPECT_EXIT(
      {
        Arm("here@charge/action\n");
        CRASH_POINT("here", "charge/resolve");
        CRASH_POINT("there", "charge/action");
        CRASH_POINT("here", "charge/action");
        _exit(0);
      },
      testing::ExitedWithCode(kCrashExit), "");
  EXPECT_EQ(Noted(), "here@charge/action\n");
}

TEST_F(CrashPointTest, CountsTheCallsOfOnePlanAndBeginsAnewWithTheNext) {
  EXPECT_EXIT(
      {
        Arm("here#3\n");
        CRASH_POINT("here", "a");
        CRASH_POINT("here", "b");
        Write("here#2\n");
        CRASH_POINT("here", "c");
        CRASH_POINT("here", "d");
        _exit(0);
      },
      testing::ExitedWithCode(kCrashExit), "");
  EXPECT_EQ(Noted(), "here@d\n");
}

TEST_F(CrashPointTest, GoesOnWithoutAPlanFileAndWithAnEmptyOne) {
  EXPECT_EXIT(
      {
        Arm("");
        CRASH_POINT("here", "a");
        unlink(plan_.c_str());
        CRASH_POINT("here", "a");
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(CrashPointTest, ADeathThatCannotBeNotedIsAnotherExit) {
  EXPECT_EXIT(
      {
        Arm("here\n");
        setenv("UNWIND_CRASH_LOG", dir_.path().c_str(), 1);
        CRASH_POINT("here", "a");
        _exit(0);
      },
      testing::ExitedWithCode(1), "");
}

#else

// Nothing is left of it: not even the detail is made.
TEST(CrashPointTest, IsNothingInABuildWithoutTheOption) {
  bool made = false;
  CRASH_POINT("here", (made = true, "detail"));
  EXPECT_FALSE(made);
}

#endif

}  // namespace
}  // namespace unwind
