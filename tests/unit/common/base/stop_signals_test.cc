#include "common/base/stop_signals.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "common/base/check.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(StopSignalsDeathTest, AreHeldUntilSomebodyWaits) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process of its own, in which no thread takes the signal
  EXPECT_EXIT(
      {
        HoldStopSignals();
        for (const int signal : {SIGINT, SIGTERM}) {
          CHECK(!AwaitStopSignal(absl::Milliseconds(1)));
          kill(getpid(), signal);
          CHECK(AwaitStopSignal(absl::Seconds(20)));
        }
        kill(getpid(), SIGPIPE);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace unwind
