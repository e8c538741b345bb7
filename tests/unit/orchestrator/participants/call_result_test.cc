// What the trailers of an answer say beside its code.
#include "orchestrator/participants/call_result.h"

#include <map>
#include <string>

#include "common/rpc/bytes.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using Trailers = std::map<std::string, std::string>;

CallResult Read(const Trailers& trailers, const grpc::Status& status = grpc::Status::OK) {
  std::multimap<grpc::string_ref, grpc::string_ref> metadata;
  for (const auto& [name, value] : trailers) metadata.emplace(name, value);
  const grpc::ByteBuffer response = ToBuffer("reply");
  return ReadResult({.status = status,
                     .response = response,
                     .trailers = metadata,
                     .key = "s-1/collect/action",
                     .request_bytes = 1,
                     .reply_bytes_max = 1000});
}

TEST(CallResultTest, OkMayMeanThatTheCallIsNotFinished) {
  const CallResult result = Read({{"saga-outcome", "pending"}, {"saga-outcome-key", "s-1/collect/action"}});
  EXPECT_TRUE(result.is_answered);
  EXPECT_TRUE(result.pending);
  EXPECT_EQ(result.reply, "reply");
  EXPECT_EQ(result.failure, Failure());
  EXPECT_TRUE(Read({{"saga-outcome", "pending"}}).pending);
  EXPECT_FALSE(Read({}).pending);
  EXPECT_FALSE(Read({{"saga-outcome", "later"}}).pending);
  EXPECT_FALSE(Read({{"saga-outcome", "pending"}}, grpc::Status(grpc::StatusCode::UNAVAILABLE, "no")).pending);
}

// OK would be read as done; it may be this call's that is not.
TEST(CallResultTest, OkBesideAPendingOfAnotherCallIsNoAnswer) {
  const CallResult result = Read({{"saga-outcome", "pending"}, {"saga-outcome-key", "s-2/collect/action"}});
  EXPECT_FALSE(result.is_answered);
  EXPECT_FALSE(result.pending);
  EXPECT_EQ(result.reply, "");
  EXPECT_EQ(result.failure.reason, "PENDING_OF_ANOTHER_CALL");
}

TEST(CallResultTest, APendingAnswerSaysWhenToAskAgain) {
  const auto asked = [](const std::string& milliseconds) {
    return Read({{"saga-outcome", "pending"}, {"saga-retry-after", milliseconds}}).retry_after;
  };
  EXPECT_EQ(asked("1500"), absl::Milliseconds(1500));
  EXPECT_EQ(asked("9223372036854775807"), absl::Hours(24));
  for (const char* nothing : {"0", "-5", "soon", "", "1.5", "9223372036854775808"}) {
    EXPECT_EQ(asked(nothing), absl::ZeroDuration()) << nothing;
  }
  EXPECT_EQ(Read({{"saga-retry-after", "1500"}}).retry_after, absl::ZeroDuration());
}

}  // namespace
}  // namespace unwind
