// What GrpcParticipants makes of answers that no gRPC library gives.
#include <future>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/participants/grpc_participants.h"
#include "tests/support/poll.h"
#include "tests/support/raw_peer.h"

namespace unwind {
namespace {

using Kind = RawPeer::Act::Kind;

constexpr std::size_t kReplyBytesMax = 10000;

RawPeer::Act Send(std::string frames) { return {.kind = Kind::kSend, .bytes = std::move(frames)}; }
RawPeer::Act SendData(std::string bytes) { return {.kind = Kind::kData, .bytes = std::move(bytes)}; }

std::string End(std::uint32_t stream, const h2::Fields& trailers) { return h2::Headers(stream, trailers, true); }
std::string Ok(std::uint32_t stream) { return End(stream, {{"grpc-status", "0"}}); }
std::string Html(std::uint32_t stream, const std::string& status) {
  return h2::Headers(stream, {{":status", status}, {"content-type", "text/html"}}, false);
}
std::vector<RawPeer::Act> Answer(std::uint32_t stream, const std::string& message) {
  return {Send(h2::Begin(stream)), SendData(message), Send(Ok(stream))};
}
std::vector<RawPeer::Act> Refuse(std::uint32_t stream, const h2::Fields& trailers) {
  return {Send(h2::Begin(stream)), Send(End(stream, trailers))};
}

struct BadAnswer {
  std::string name;
  std::function<std::vector<RawPeer::Act>(std::uint32_t stream)> acts;
  int code;
  std::string reason = {};
};

void PrintTo(const BadAnswer& answer, std::ostream* out) { *out << answer.name; }

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
  RawPeer peer_{[this](std::uint32_t stream, const std::string& request) -> std::vector<RawPeer::Act> {
    if (request == "bad") return acts_(stream);
    std::vector<RawPeer::Act> acts = Answer(stream, h2::Message("fine"));
    if (request == "held") acts.front().after = absl::Seconds(20);
    return acts;
  }};
  std::function<std::vector<RawPeer::Act>(std::uint32_t stream)> acts_;  // of the call "bad"
  prometheus::Registry registry_;
  ClientMetrics metrics_{registry_};
  GrpcParticipants participants_{Routes{{"a.B", peer_.address()}}, {.reply_bytes_max = kReplyBytesMax}, metrics_};
};

TEST_P(BadAnswersTest, IsThatCallsOwn) {
  acts_ = GetParam().acts;
  const CallResult result = Invoke("bad");
  EXPECT_EQ(result.failure.code, GetParam().code) << result.failure.message;
  EXPECT_EQ(result.failure.reason, GetParam().reason);
  EXPECT_EQ(result.reply, "");
  EXPECT_FALSE(result.effect_free);
  EXPECT_FALSE(result.by_transport);
  EXPECT_EQ(Invoke("good").reply, "fine");
}

INSTANTIATE_TEST_SUITE_P(
    Calls, BadAnswersTest,
    testing::ValuesIn(std::vector<BadAnswer>{
        {"OkWithoutMessage",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "0"}});
         },
         13, "ANSWER_WITHOUT_MESSAGE"},
        {"OkInTheHeaders",
         [](auto s) {
           return std::vector{
               Send(End(s, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-status", "0"}}))};
         },
         13, "ANSWER_WITHOUT_MESSAGE"},
        {"HalfAMessage", [](auto s) { return Answer(s, h2::Message("half a message").substr(0, 9)); }, 13,
         "ANSWER_WITHOUT_MESSAGE"},
        {"LargeReply", [](auto s) { return Answer(s, h2::Message(std::string(kReplyBytesMax + 1, 'x'))); }, 13,
         "REPLY_TOO_LARGE"},
        {"CompressedReply",
         [](auto s) {
           return std::vector{
               Send(h2::Headers(
                   s, {{":status", "200"}, {"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}}, false)),
               SendData(h2::Message("whatever it is", true)), Send(Ok(s))};
         },
         13, "REPLY_COMPRESSED"},
        {"NoStatus",
         [](auto s) {
           return Refuse(s, {{"x", "y"}});
         },
         2},
        {"UnknownStatus",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "99"}});
         },
         2},
        {"NegativeStatus",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "-1"}});
         },
         2},
        {"StatusThatIsNoNumber",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "abc"}});
         },
         2},
        {"Http404", [](auto s) { return std::vector{Send(Html(s, "404") + h2::Data(s, "<html>", true))}; }, 12},
        {"Http503", [](auto s) { return std::vector{Send(Html(s, "503") + h2::Data(s, "<html>", true))}; }, 14},
        {"ResetBeforeHeaders", [](auto s) { return std::vector{Send(h2::ResetStream(s, 8))}; }, 1},
        {"ResetAfterHeaders", [](auto s) { return std::vector{Send(h2::Begin(s) + h2::ResetStream(s, 2))}; }, 13},
        {"TrailersOf40KB",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "9"}, {"grpc-message", std::string(40000, 'm')}});
         },
         9},
    }),
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
  }
  // A channel learns a little later than its calls that the connection ended, and gives it to the next ones till then.
  ASSERT_TRUE(Eventually(absl::Seconds(20), [this] { return Invoke("good").reply == "fine"; }));
  ASSERT_EQ(Invoke("good", true).reply, "fine");
  std::future<CallResult> held = Start("held");
  const CallResult again = Invoke("bad", true);
  EXPECT_FALSE(again.by_transport);
  EXPECT_EQ(again.failure.reason, kReasonConnectionEnded);
  EXPECT_EQ(Invoke("good").reply, "fine");
  EXPECT_EQ(held.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

INSTANTIATE_TEST_SUITE_P(
    Connections, ConnectionEndsTest,
    testing::ValuesIn(std::vector<BadAnswer>{
        {"Close", [](auto) { return std::vector{RawPeer::Act{.kind = Kind::kClose}}; }, 14},
        {"CloseAfterHeaders",
         [](auto s) {
           return std::vector{Send(h2::Begin(s)), RawPeer::Act{.kind = Kind::kClose, .after = absl::Milliseconds(5)}};
         },
         14},
        {"TcpReset", [](auto) { return std::vector{RawPeer::Act{.kind = Kind::kReset}}; }, 14},
        {"GoAway",
         [](auto) {
           return std::vector{Send(h2::GoAway(0, 2)), RawPeer::Act{.kind = Kind::kClose}};
         },
         14},
        {"Garbage", [](auto) { return std::vector{Send(std::string(100, '\xff'))}; }, 14},
        {"Http1", [](auto) { return std::vector{Send("HTTP/1.1 400 Bad Request\r\n\r\n")}; }, 14},
        {"DetailsThatAreNotBase64",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "9"}, {"grpc-status-details-bin", "!!!! not base64"}});
         },
         14},
        {"TrailersOf300KB",
         [](auto s) {
           return Refuse(s, {{"grpc-status", "9"}, {"grpc-message", std::string(300000, 'm')}});
         },
         14},
        {"FrameAboveTheMaximum",
         [](auto s) { return std::vector{Send(h2::Begin(s) + h2::Data(s, std::string(5 << 20, 'x'), false))}; }, 14},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(BadAnswersTest, AMessageOfNoBytesIsAMessage) {
  acts_ = [](std::uint32_t stream) { return Answer(stream, h2::Message("")); };
  const CallResult result = Invoke("bad");
  EXPECT_EQ(result.failure, Failure());
  EXPECT_EQ(result.reply, "");
}

TEST_F(BadAnswersTest, AReplyAsLargeAsTheLimitIsTaken) {
  acts_ = [](std::uint32_t stream) { return Answer(stream, h2::Message(std::string(kReplyBytesMax, 'x'))); };
  EXPECT_EQ(Invoke("bad").reply.size(), kReplyBytesMax);
}

// The same words as gRPC's own of a reply, but of the request.
TEST_F(BadAnswersTest, ARequestThatIsTooLargeForTheParticipantIsItsRefusal) {
  const std::string request(2 * kReplyBytesMax, 'q');
  RawPeer small([&](std::uint32_t stream, const std::string&) {
    return Refuse(stream, {{"grpc-status", "8"},
                           {"grpc-message", absl::StrCat("Received message larger than max (", request.size(), " vs. ",
                                                         kReplyBytesMax, ")")}});
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

TEST_F(BadAnswersTest, AReplyThatTricklesForEverEndsWithTheCallsTimeout) {
  acts_ = [](std::uint32_t stream) {
    std::vector<RawPeer::Act> acts = {
        Send(h2::Begin(stream) + h2::Data(stream, h2::Message(std::string(5000, 'x')).substr(0, 5), false))};
    for (int i = 0; i < 5000; ++i) acts.push_back({Kind::kSend, h2::Data(stream, "x", false), absl::Milliseconds(20)});
    return acts;
  };
  EXPECT_EQ(Invoke("bad", false, absl::Milliseconds(200)).failure.code, 4);
  EXPECT_EQ(Invoke("good").reply, "fine");
}

TEST_F(BadAnswersTest, TheTrailerOfARefusalIsRead) {
  acts_ = [](std::uint32_t stream) { return Refuse(stream, {{"grpc-status", "9"}, {"saga-outcome", "refused"}}); };
  EXPECT_TRUE(Invoke("bad").effect_free);
}

TEST_F(BadAnswersTest, TheTrailerOfARefusalCountsForTheKeyThatItSpeaksOf) {
  const auto says_refused = [this](const std::string& key) {
    acts_ = [key](std::uint32_t stream) {
      return Refuse(stream, {{"grpc-status", "9"}, {"saga-outcome", "refused"}, {"saga-outcome-key", key}});
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
      return Refuse(stream, {{"grpc-status", "14"}, {"grpc-retry-pushback-ms", milliseconds}});
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
