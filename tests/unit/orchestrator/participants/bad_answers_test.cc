// What GrpcParticipants makes of answers that no gRPC library gives.
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpc/byte_buffer.h"
#include "grpc/slice.h"
#include "gtest/gtest.h"
#include "orchestrator/participants/call_result.h"
#include "orchestrator/participants/grpc_participants.h"
#include "tests/support/bad_answers.h"
#include "tests/support/poll.h"
#include "tests/support/raw_peer.h"

namespace unwind {
namespace {

using Acts = std::vector<RawPeer::Act>;

constexpr std::size_t kReplyBytesMax = 10000;

// Those that end the connection, or the others that GrpcParticipants itself takes for no answer.
std::vector<BadAnswer> Those(bool end_connection) {
  std::vector<BadAnswer> those;
  for (const BadAnswer& each : BadAnswers()) {
    if (each.ends_connection == end_connection && each.code != 0) those.push_back(each);
  }
  return those;
}

class BadAnswersTest : public testing::TestWithParam<BadAnswer> {
 protected:
  std::future<CallResult> Start(const std::string& request, bool alone = false,
                                absl::Duration timeout = absl::Seconds(20)) {
    auto promise = std::make_shared<std::promise<CallResult>>();
    Call call;
    call.method = "/a.B/C";
    call.request = request;
    call.timeout = timeout;
    call.step = absl::StrCat("step-", ++steps_);
    call.alone = alone;
    participants_.Invoke(std::move(call), [promise](CallResult result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }
  CallResult Invoke(const std::string& request, bool alone = false, absl::Duration timeout = absl::Seconds(20)) {
    return Start(request, alone, timeout).get();
  }

  int steps_ = 0;
  RawPeer peer_{[this](std::uint32_t stream, const std::string& request) -> Acts {
    if (request == "bad") return acts_(stream);
    Acts acts = AnswerOk(stream, h2::Message("fine"));
    if (request == "held") acts.front().after = absl::Seconds(20);
    return acts;
  }};
  std::function<Acts(std::uint32_t stream)> acts_;  // of the call "bad"
  prometheus::Registry registry_;
  ParticipantMetrics metrics_{registry_};
  GrpcParticipants participants_{Routes{{"a.B", peer_.address()}}, {.reply_bytes_max = kReplyBytesMax}, metrics_};
};

TEST_P(BadAnswersTest, IsThatCallsOwn) {
  acts_ = GetParam().acts;
  const CallResult result = Invoke("bad", false, GetParam().timeout);
  EXPECT_EQ(result.failure.code, GetParam().code) << result.failure.message;
  EXPECT_EQ(result.failure.reason, GetParam().reason);
  EXPECT_EQ(result.reply, "");
  EXPECT_FALSE(result.effect_free);
  EXPECT_EQ(result.is_answered, GetParam().reason.empty()) << "only what was made here has a reason";
  EXPECT_EQ(result.by_transport, GetParam().reason == kReasonConnectionEnded);
  EXPECT_EQ(Invoke("good").reply, "fine");
}

INSTANTIATE_TEST_SUITE_P(Calls, BadAnswersTest, testing::ValuesIn(Those(false)),
                         [](const auto& test) { return test.param.name; });

class ConnectionEndsTest : public BadAnswersTest {};

// Which call of a shared connection is at fault is not known; the one that was alone is.
TEST_P(ConnectionEndsTest, CutsTheOthersOnceAndThenOnlyItself) {
  acts_ = GetParam().acts;
  ASSERT_EQ(Invoke("good").reply, "fine");
  std::future<CallResult> cut = Start("held");
  const CallResult first = Invoke("bad");
  for (const CallResult& result : {first, cut.get()}) {
    EXPECT_TRUE(result.by_transport) << result.failure.code << " " << result.failure.message;
    EXPECT_EQ(result.failure.reason, kReasonConnectionEnded);
    EXPECT_EQ(result.failure.code, 14);
    EXPECT_FALSE(result.is_answered);
  }
  // A channel learns a little later than its calls that the connection ended, and gives it to the next ones till then.
  ASSERT_TRUE(Eventually(absl::Seconds(20), [this] { return Invoke("good").reply == "fine"; }));
  ASSERT_EQ(Invoke("good", true).reply, "fine");
  std::future<CallResult> held = Start("held");
  const CallResult again = Invoke("bad", true);
  EXPECT_FALSE(again.by_transport);
  EXPECT_FALSE(again.is_answered);
  EXPECT_EQ(again.failure.reason, kReasonConnectionEnded);
  EXPECT_EQ(Invoke("good").reply, "fine");
  EXPECT_EQ(held.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

TEST_P(ConnectionEndsTest, OfACallAloneIsNotThatOfTheOthers) {
  acts_ = GetParam().acts;
  const std::future<CallResult> held = Start("held");
  EXPECT_FALSE(Invoke("bad", true).by_transport);
  EXPECT_EQ(Invoke("good").reply, "fine");
  EXPECT_EQ(held.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

// However soon it comes again: else it would be sent for ever and spend no attempt.
TEST_P(ConnectionEndsTest, IsAtFaultEachTimeItIsAlone) {
  acts_ = GetParam().acts;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Invoke("bad", true).by_transport) << i;
}

INSTANTIATE_TEST_SUITE_P(Connections, ConnectionEndsTest, testing::ValuesIn(Those(true)),
                         [](const auto& test) { return test.param.name; });

// Its words may be those of gRPC, its code is not.
TEST_F(BadAnswersTest, ARefusalInTheWordsOfAConnectionsEndIsARefusal) {
  for (int code = 1; code <= 16; ++code) {
    for (const char* const words : {"frame of size 10 is not sold", "Stream removed by owner"}) {
      acts_ = [code, words](std::uint32_t stream) {
        return AnswerWith(stream, {{"grpc-status", absl::StrCat(code)}, {"grpc-message", words}});
      };
      const CallResult result = Invoke("bad");
      const bool is_of_transport = code == 1 || code == 2 || code == 8 || code == 13 || code == 14;
      EXPECT_EQ(result.by_transport, is_of_transport) << code << " " << words;
      EXPECT_EQ(result.failure.code, is_of_transport ? 14 : code);
      EXPECT_EQ(result.is_answered, !is_of_transport);
    }
  }
}

// gRPC refuses one itself only if it sees the header before the message.
TEST(CallResultTest, ACompressedReplyThatGrpcLetThroughIsNoAnswer) {
  grpc_slice bytes = grpc_slice_from_static_string("as good as gzip");
  grpc::ByteBuffer reply;
  static_assert(sizeof(reply) == sizeof(grpc_byte_buffer*));
  *reinterpret_cast<grpc_byte_buffer**>(&reply) = grpc_raw_compressed_byte_buffer_create(&bytes, 1, GRPC_COMPRESS_GZIP);
  const CallResult result = ReadResult(
      {.status = grpc::Status::OK, .response = reply, .trailers = {}, .key = "", .reply_bytes_max = kReplyBytesMax});
  EXPECT_EQ(result.failure.reason, "REPLY_COMPRESSED");
  EXPECT_FALSE(result.is_answered);
}

TEST_F(BadAnswersTest, AMessageOfNoBytesIsAMessage) {
  acts_ = [](std::uint32_t stream) { return AnswerOk(stream, h2::Message("")); };
  const CallResult result = Invoke("bad");
  EXPECT_EQ(result.failure, Failure());
  EXPECT_EQ(result.reply, "");
}

TEST_F(BadAnswersTest, AReplyAsLargeAsTheLimitIsTaken) {
  acts_ = [](std::uint32_t stream) { return AnswerOk(stream, h2::Message(std::string(kReplyBytesMax, 'x'))); };
  EXPECT_EQ(Invoke("bad").reply.size(), kReplyBytesMax);
}

// The same words as gRPC's own of a reply, but of the request.
TEST_F(BadAnswersTest, ARequestThatIsTooLargeForTheParticipantIsItsRefusal) {
  const std::string request(2 * kReplyBytesMax, 'q');
  RawPeer small([&](std::uint32_t stream, const std::string&) {
    return AnswerWith(stream, {{"grpc-status", "8"},
                               {"grpc-message", absl::StrCat("Received message larger than max (", request.size(),
                                                             " vs. ", kReplyBytesMax, ")")}});
  });
  GrpcParticipants participants(Routes{{"a.B", small.address()}}, {.reply_bytes_max = kReplyBytesMax}, metrics_);
  std::promise<CallResult> promise;
  Call call;
  call.method = "/a.B/C";
  call.request = request;
  call.timeout = absl::Seconds(20);
  participants.Invoke(std::move(call), [&](CallResult result) { promise.set_value(std::move(result)); });
  const CallResult result = promise.get_future().get();
  EXPECT_EQ(result.failure.code, 8);
  EXPECT_EQ(result.failure.reason, "");
}

TEST_F(BadAnswersTest, TheTrailerOfARefusalIsRead) {
  acts_ = [](std::uint32_t stream) { return AnswerWith(stream, {{"grpc-status", "9"}, {"saga-outcome", "refused"}}); };
  EXPECT_TRUE(Invoke("bad").effect_free);
}

TEST_F(BadAnswersTest, TheTrailerOfARefusalCountsForTheKeyThatItSpeaksOf) {
  const auto says_refused = [this](const std::string& key) {
    acts_ = [key](std::uint32_t stream) {
      return AnswerWith(stream, {{"grpc-status", "9"}, {"saga-outcome", "refused"}, {"saga-outcome-key", key}});
    };
    return Invoke("bad").effect_free;
  };
  EXPECT_FALSE(says_refused("another/step/action"));
  EXPECT_FALSE(says_refused(""));
  EXPECT_TRUE(says_refused(absl::StrCat("/step-", steps_ + 1, "/action")));
}

TEST_F(BadAnswersTest, ThePauseThatATrailerAsksForIsRead) {
  const auto asked = [this](const std::string& milliseconds) {
    acts_ = [milliseconds](std::uint32_t stream) {
      return AnswerWith(stream, {{"grpc-status", "14"}, {"grpc-retry-pushback-ms", milliseconds}});
    };
    return Invoke("bad").retry_after;
  };
  EXPECT_EQ(asked("1500"), absl::Milliseconds(1500));
  EXPECT_EQ(asked("-1"), absl::ZeroDuration());
  EXPECT_EQ(asked("soon"), absl::ZeroDuration());
  EXPECT_EQ(asked("99999999999"), absl::Hours(1));
}

}  // namespace
}  // namespace unwind
