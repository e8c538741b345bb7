#include "common/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/file_descriptor.h"
#include "gmock/gmock.h"
#include "grpc/support/log.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/poll.h"
#include "tests/support/wall_clock.h"

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
      threads.emplace_back([i] {
        for (int j = 0; j < kEach; ++j) Log(Severity::kInfo, absl::StrCat(i, " ", j, std::string(200, 'x')));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kThreads * kEach));
  for (const std::string& line : lines) EXPECT_TRUE(json::accept(line)) << line;
}

TEST_F(LogTest, LeavesOutAFloodOfOneMessageAndSaysHowMuch) {
  constexpr int kFlood = 20000;
  const auto lines = Lines("info", [] {
    for (int i = 0; i < kFlood; ++i) Log(Severity::kInfo, "parked");
    Log(Severity::kInfo, "another");
    const absl::Time later = absl::Now() + absl::Seconds(1);
    EXPECT_TRUE(Eventually(absl::Seconds(20), [later] { return absl::Now() > later; }));
    Log(Severity::kInfo, "parked");
  });
  EXPECT_LT(lines.size(), kFlood / 10);
  int parked = 0, others = 0;
  for (const std::string& text : lines) {
    const json line = json::parse(text);
    if (line["msg"] != "parked") {
      ++others;
      continue;
    }
    int left_out = 0;
    EXPECT_TRUE(!line.contains("left_out") || absl::SimpleAtoi(line["left_out"].get<std::string>(), &left_out));
    parked += 1 + left_out;
  }
  EXPECT_EQ(parked, kFlood + 1);
  EXPECT_EQ(others, 1);
}

// Else a message is left out for as long as the clock was set back.
TEST_F(LogTest, AFloodEndsThoughTheClockIsSetBack) {
  const auto lines = Lines("info", [] {
    for (int i = 0; i < 1000; ++i) Log(Severity::kInfo, "stuck");
    const WallClockSetBack back(absl::Hours(1));
    const absl::Time later = absl::Now() + absl::Seconds(1);
    EXPECT_TRUE(Eventually(absl::Seconds(20), [later] { return absl::Now() > later; }));
    Log(Severity::kInfo, "stuck", {{"which", "last"}});
  });
  EXPECT_THAT(lines.back(), testing::HasSubstr("last"));
}

TEST_F(LogTest, CutsTheFieldsOfALongLine) {
  const std::string text(10000, '\n');  // two bytes each in JSON
  const auto lines = Lines("info", [&] { Log(Severity::kInfo, "long", {{"first", text}, {"second", text}}); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LE(lines[0].size(), 4096u);
  EXPECT_THAT(json::parse(lines[0])["first"], testing::StartsWith("\n\n\n"));
}

// stderr is a pipe while this lives.
class StderrPipe {
 public:
  StderrPipe() : before_(dup(STDERR_FILENO)) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    read_ = FileDescriptor(ends[0]);
    const FileDescriptor write(ends[1]);
    dup2(write.get(), STDERR_FILENO);
    fcntl(read_.get(), F_SETFL, O_NONBLOCK);
  }
  ~StderrPipe() { dup2(before_.get(), STDERR_FILENO); }

  std::vector<std::string> ReadLines() {
    std::string text;
    char part[4096];
    for (ssize_t n; (n = read(read_.get(), part, sizeof(part))) > 0;) text.append(part, static_cast<std::size_t>(n));
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

 private:
  const FileDescriptor before_;
  FileDescriptor read_;
};

TEST_F(LogTest, NeverWaitsForAReaderAndSaysWhatWasDropped) {
  absl::SetFlag(&FLAGS_log_level, "info");
  InitLog("test_svc");
  StderrPipe pipe;
  constexpr int kLines = 10000;  // far more than a pipe holds
  for (int i = 0; i < kLines; ++i) Log(Severity::kInfo, absl::StrCat("line ", i));
  const std::vector<std::string> held = pipe.ReadLines();
  Log(Severity::kInfo, "read again");
  const std::vector<std::string> after = pipe.ReadLines();
  for (const std::string& line : held) EXPECT_TRUE(json::accept(line)) << line;
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(json::parse(after[0])["msg"], "read again");
  EXPECT_EQ(json::parse(after[1])["msg"], "log lines were dropped: stderr was not read");
  EXPECT_EQ(json::parse(after[1])["lines"], absl::StrCat(kLines - held.size()));
}

TEST_F(LogTest, TakesInWhatGrpcLogs) {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as grpc_init does
  const auto lines = Lines("info", [] { gpr_log("file.cc", 12, GPR_LOG_SEVERITY_ERROR, "socket %s", "\"lost\""); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["msg"], "gRPC complains");
  EXPECT_EQ(json::parse(lines[0])["text"], "socket \"lost\"");
  EXPECT_EQ(json::parse(lines[0])["source"], "file.cc:12");
}

TEST_F(LogTest, RefusesAnUnknownLevel) {
  for (const char* good : {"debug", "info", "warning", "error", "none"}) EXPECT_TRUE(CheckLogLevel(good).ok());
  EXPECT_EQ(CheckLogLevel("loud").message(), "must be debug, info, warning, error or none");
}

}  // namespace
}  // namespace unwind
