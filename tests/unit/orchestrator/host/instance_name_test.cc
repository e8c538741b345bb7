#include "orchestrator/host/instance_name.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kFenced[] = "another process that runs under it, on another machine, ends now";

LeaseHolder HeldBy(const std::string& identity) {
  return {.address = absl::StrCat("host:7000 ", identity), .is_current = true};
}

// What is logged while the holder is judged, which must be well.
std::string Judged(const LeaseHolder& holder) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(CheckHolder(holder, "a"), absl::OkStatus());
  return testing::internal::GetCapturedStderr();
}

TEST(InstanceName, ThatNobodyHoldsIsFree) {
  EXPECT_EQ(CheckHolder(std::nullopt, "a"), absl::OkStatus());
  LeaseHolder over = HeldBy(IdentityOf(getpid()));
  over.is_current = false;
  EXPECT_THAT(Judged(over), IsEmpty());
}

TEST(InstanceName, OfAProcessThatRunsHereIsRefused) {
  EXPECT_THAT(AddressOfThisProcess("a:7000"),
              testing::AllOf(testing::StartsWith("a:7000 pid="), testing::EndsWith(IdentityOf(getpid()))));
  const absl::Status refused = CheckHolder(LeaseHolder{AddressOfThisProcess("a:7000"), true}, "a");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(absl::StrCat("--instance=a: process ", getpid(), " of this machine runs under this name")));
}

TEST(CallAddress, IsWhatOthersReachThisProcessBy) {
  EXPECT_EQ(CallAddress("orchestrator-0.orchestrator:7000", "0.0.0.0:0", 7001), "orchestrator-0.orchestrator:7000");
  EXPECT_EQ(CallAddress("", "127.0.0.1:0", 7001), "127.0.0.1:7001");
  EXPECT_EQ(CallAddress("", "[::1]:0", 7001), "[::1]:7001");
  EXPECT_EQ(CallAddress("", "0.0.0.0:7001", 7001), absl::StrCat(HostName(), ":7001"));
  EXPECT_EQ(CallAddress("", "[::]:7001", 7001), absl::StrCat(HostName(), ":7001"));
  EXPECT_EQ(CallAddressIn(AddressOfThisProcess("[::1]:7001")), "[::1]:7001");
  EXPECT_EQ(CallAddressIn("orchestrator:7000"), "orchestrator:7000");
}

TEST(InstanceName, OfAProcessThatHasEndedHereIsFree) {
  const pid_t child = fork();
  if (child == 0) pause();
  ASSERT_GT(child, 0);
  const std::string identity = IdentityOf(child);
  EXPECT_FALSE(CheckHolder(HeldBy(identity), "a").ok());
  kill(child, SIGKILL);
  siginfo_t ended = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_THAT(Judged(HeldBy(identity)), IsEmpty());  // nobody has asked for its status yet
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_THAT(Judged(HeldBy(identity)), IsEmpty());
}

TEST(InstanceName, OfAnOlderProcessWithTheSameNumberIsFree) {
  const std::string mine = IdentityOf(getpid());
  const std::vector<std::string> words = absl::StrSplit(mine, ' ');
  EXPECT_THAT(Judged(HeldBy(absl::StrReplaceAll(mine, {{words[1], "start=1"}}))), IsEmpty());
}

TEST(InstanceName, OfAnotherMachineIsTakenWithAWarning) {
  const std::string mine = IdentityOf(getpid());
  EXPECT_THAT(Judged(HeldBy(absl::StrCat(mine, "0"))), HasSubstr(kFenced));
  EXPECT_THAT(Judged(HeldBy(absl::StrReplaceAll(mine, {{"pid:[", "pid:[9"}}))), HasSubstr(kFenced));
  EXPECT_THAT(Judged({.address = "orchestrator:7000", .is_current = true}), HasSubstr(kFenced));
}

}  // namespace
}  // namespace unwind
