#include "common/base/log.h"

#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "grpc/support/log.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

ABSL_DECLARE_FLAG(std::string, log_level);

namespace unwind {
namespace {

using nlohmann::json;

class LogTest : public testing::Test {
 protected:
  // The lines that `body` logs.
  template <class Body>
  std::vector<std::string> Lines(const std::string& level, Body body) {
    absl::SetFlag(&FLAGS_log_level, level);
    InitLog("test_svc");
    testing::internal::CaptureStderr();
    body();
    return absl::StrSplit(testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty());
  }
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  const auto lines = Lines("info", [] { Log(Severity::kWarning, "late", {{"saga_id", "s1"}, {"attempt", "2"}}); });
  ASSERT_EQ(lines.size(), 1u);
  const json line = json::parse(lines[0]);
  EXPECT_EQ(line["severity"], "warning");
  EXPECT_EQ(line["service"], "test_svc");
  EXPECT_EQ(line["msg"], "late");
  EXPECT_EQ(line["saga_id"], "s1");
  EXPECT_EQ(line["attempt"], "2");
  EXPECT_TRUE(std::regex_match(line["ts"].get<std::string>(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")));
}

TEST_F(LogTest, EscapesWhateverAFieldHolds) {
  const std::string nasty = "a\"b\\c\nd\te\x01 \xea\xb0\x80";
  const auto lines = Lines("info", [&] { Log(Severity::kInfo, nasty, {{"reason", nasty}}); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["msg"], nasty);
  EXPECT_EQ(json::parse(lines[0])["reason"], nasty);
}

TEST_F(LogTest, ReplacesBadUtf8) {
  const auto lines = Lines("info", [] { Log(Severity::kInfo, "bad \xff byte"); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["msg"], "bad \xef\xbf\xbd byte");
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  const auto lines = Lines("warning", [] {
    Log(Severity::kInfo, "quiet");
    Log(Severity::kError, "loud");
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["msg"], "loud");
}

TEST_F(LogTest, DoesNotMixTheLinesOfThreads) {
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  const auto lines = Lines("info", [] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([] {
        for (int j = 0; j < kEach; ++j) Log(Severity::kInfo, std::string(200, 'x'));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kThreads * kEach));
  for (const std::string& line : lines) EXPECT_TRUE(json::accept(line)) << line;
}

TEST_F(LogTest, TakesInWhatGrpcLogs) {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as grpc_init does
  const auto lines = Lines("info", [] { gpr_log("file.cc", 12, GPR_LOG_SEVERITY_ERROR, "socket %s", "\"lost\""); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["msg"], "socket \"lost\"");
  EXPECT_EQ(json::parse(lines[0])["source"], "grpc file.cc:12");
}

TEST_F(LogTest, RefusesAnUnknownLevel) {
  EXPECT_EXIT(
      {
        absl::SetFlag(&FLAGS_log_level, "loud");
        InitLog("test_svc");
      },
      testing::ExitedWithCode(1), "--log_level=loud: use debug, info, warning, error or none");
}

}  // namespace
}  // namespace unwind
