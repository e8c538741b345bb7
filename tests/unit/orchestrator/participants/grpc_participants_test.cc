// Against a real gRPC server in this process.
#include "orchestrator/participants/grpc_participants.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "common/base/check.h"
#include "common/rpc/bytes.h"
#include "common/rpc/error.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/support/wall_clock.h"

namespace unwind {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kTokens = 100;  // of CallQueue, at most

// Answers every method as it is told; a method named Held waits until it is released.
class Peer final : public grpc::CallbackGenericService {
  class Handler;

 public:
  struct Seen {
    std::string method;
    std::string request;
    std::multimap<std::string, std::string> metadata;
  };

  Peer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Peer() override {
    Release();
    server_->Shutdown();
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void AnswerWith(grpc::Status status, std::string reply = "", bool effect_free = false) {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    reply_ = std::move(reply);
    effect_free_ = effect_free;
  }

  // Waits until `count` calls were seen in all.
  std::vector<Seen> WaitForCalls(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return seen_.size() >= count; }));
    return seen_;
  }

  // Lets the held calls go, in the order they came, and those that come later.
  void Release() {
    std::vector<Handler*> held;
    {
      std::lock_guard lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (Handler* handler : held) handler->AnswerOk();
  }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Handler(*this, context);
  }

 private:
  class Handler final : public grpc::ServerGenericBidiReactor {
   public:
    Handler(Peer& peer, grpc::GenericCallbackServerContext* context) : peer_(peer), context_(context) {
      StartRead(&buffer_);
    }
    void OnReadDone(bool) override {
      std::lock_guard lock(peer_.mutex_);
      Seen seen{context_->method(), ToBytes(buffer_), {}};
      for (const auto& [key, value] : context_->client_metadata()) {
        seen.metadata.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
      }
      peer_.seen_.push_back(std::move(seen));
      peer_.changed_.notify_all();
      if (context_->method().find("Held") != std::string::npos && peer_.holding_) {
        peer_.held_.push_back(this);
        return;
      }
      if (peer_.effect_free_) context_->AddTrailingMetadata("saga-outcome", "refused");
      if (!peer_.status_.ok()) return Finish(peer_.status_);
      AnswerOk();
    }
    void AnswerOk() {
      buffer_ = ToBuffer(peer_.reply_);
      StartWriteAndFinish(&buffer_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnCancel() override {
      {
        std::lock_guard lock(peer_.mutex_);
        if (std::erase(peer_.held_, this) == 0) return;
      }
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    Peer& peer_;
    grpc::GenericCallbackServerContext* const context_;
    grpc::ByteBuffer buffer_;
  };

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  grpc::Status status_;
  std::string reply_;
  bool effect_free_ = false;
  bool holding_ = true;
  std::vector<Seen> seen_;
  std::vector<Handler*> held_;
};

class GrpcParticipantsTest : public testing::Test {
 protected:
  void Connect(GrpcParticipantsOptions options = {}) {
    participants_ = std::make_unique<GrpcParticipants>(Routes{{"a.B", peer_.address()}}, options, metrics_);
  }

  // Without a name the step is one of its own.
  std::future<CallResult> Start(const std::string& method, absl::Duration timeout = kLong, Phase phase = Phase::kAction,
                                int attempt = 1, const std::string& step = "") {
    auto promise = std::make_shared<std::promise<CallResult>>();
    Call call;
    call.method = method;
    call.request = "request";
    call.timeout = timeout;
    call.saga_id = "s-1";
    call.step = step.empty() ? "step-" + std::to_string(++steps_) : step;
    call.phase = phase;
    call.attempt = attempt;
    participants_->Invoke(std::move(call), [promise](CallResult result) { promise->set_value(std::move(result)); });
    return promise->get_future();
  }

  // Repeats, to a peer that answers every call UNAVAILABLE: once the queue's tokens are spent only time lets one go.
  std::vector<std::future<CallResult>> StartRepeats(int count) {
    peer_.AnswerWith(grpc::Status(grpc::StatusCode::UNAVAILABLE, "down"));
    std::vector<std::future<CallResult>> results;
    for (int i = 0; i < count; ++i) results.push_back(Start("/a.B/C", kLong, Phase::kAction, 2));
    return results;
  }

  CallResult Invoke(const std::string& method, absl::Duration timeout = kLong) { return Start(method, timeout).get(); }

  double Counted(const std::string& family, const std::string& code) {
    for (const auto& collected : registry_.Collect()) {
      if (collected.name != family) continue;
      for (const auto& metric : collected.metric) {
        for (const auto& label : metric.label) {
          if (label.name == "grpc_code" && label.value == code) return metric.counter.value;
        }
        if (code.empty()) return metric.counter.value;
      }
    }
    return -1;
  }

  double HeldBack() { return metrics_.Of(peer_.address()).held_back.Value(); }
  double Waiting() { return metrics_.Of(peer_.address()).waiting.Value(); }
  double Out() { return metrics_.Of(peer_.address()).out.Value(); }

  int steps_ = 0;
  Peer peer_;
  prometheus::Registry registry_;
  ParticipantMetrics metrics_{registry_};
  std::unique_ptr<GrpcParticipants> participants_;
};

TEST_F(GrpcParticipantsTest, CarriesBytesAndMetadata) {
  Connect();
  peer_.AnswerWith(grpc::Status::OK, std::string("re\0ply", 6));
  const CallResult result = Invoke("/a.B/C");
  EXPECT_EQ(result.failure, Failure());
  EXPECT_EQ(result.reply, std::string("re\0ply", 6));
  EXPECT_FALSE(result.effect_free);
  const auto seen = peer_.WaitForCalls(1);
  EXPECT_EQ(seen[0].method, "/a.B/C");
  EXPECT_EQ(seen[0].request, "request");
  const std::map<std::string, std::string> sent(seen[0].metadata.begin(), seen[0].metadata.end());
  EXPECT_EQ(sent.at("saga-id"), "s-1");
  EXPECT_EQ(sent.at("saga-step"), "step-1");
  EXPECT_EQ(sent.at("saga-phase"), "action");
  EXPECT_EQ(sent.at("saga-kind"), "compensatable");
  EXPECT_EQ(sent.at("saga-attempt"), "1");
  EXPECT_EQ(sent.at("idempotency-key"), "s-1/step-1/action");
  EXPECT_LT(absl::Now() - absl::FromUnixMillis(std::stoll(sent.at("saga-issued-at"))), absl::Minutes(1));
  EXPECT_EQ(sent.count("saga-expires-at"), 1u);
  EXPECT_EQ(sent.count("traceparent"), 0u);
  EXPECT_EQ(Counted("grpc_client_started_total", ""), 1);
  EXPECT_EQ(Counted("grpc_client_handled_total", "OK"), 1);
}

TEST(MetadataOfTest, SaysOfAPendingStepWhatItsParticipantMayAndMustDo) {
  const auto value = [](const Call& call, const std::string& name) -> std::string {
    for (const auto& [key, text] : MetadataOf(call)) {
      if (key == name) return text;
    }
    return "none";
  };
  Call call;
  EXPECT_EQ(value(call, "saga-accepts"), "none");
  EXPECT_EQ(value(call, "saga-decide"), "none");
  call.accepts_pending = true;
  call.decides = true;
  EXPECT_EQ(value(call, "saga-accepts"), "pending");
  EXPECT_EQ(value(call, "saga-decide"), "now");
}

TEST(MetadataOfTest, HasTheTraceAndLeavesOutTheBaggageThatIsTooMuchWithTheRest) {
  const std::string traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Call call;
  call.trace = {traceparent, std::string(512, 's'), std::string(4096, 'b')};
  const auto sent = [&call](const std::string& name) {
    std::string value;
    for (const auto& [key, text] : MetadataOf(call)) value = key == name ? text : value;
    return value;
  };
  EXPECT_EQ(sent("traceparent"), traceparent);
  EXPECT_EQ(sent("tracestate"), call.trace.tracestate);
  EXPECT_EQ(sent("baggage"), call.trace.baggage);
  for (int i = 0; i < 8; ++i)
    call.metadata.emplace_back(std::string(64, static_cast<char>('a' + i)), std::string(256, 'v'));
  EXPECT_EQ(sent("tracestate"), call.trace.tracestate);
  EXPECT_EQ(sent("baggage"), "");
  EXPECT_EQ(sent(std::string(64, 'h')), std::string(256, 'v'));
}

TEST_F(GrpcParticipantsTest, EveryCodePassesThrough) {
  Connect();
  for (int code = 1; code <= 16; ++code) {
    peer_.AnswerWith(grpc::Status(static_cast<grpc::StatusCode>(code), "because"));
    const CallResult result = Invoke("/a.B/C");
    EXPECT_EQ(result.failure.code, code);
    EXPECT_EQ(result.failure.message, "because");
    EXPECT_EQ(result.failure.reason, "");
  }
  EXPECT_EQ(Counted("grpc_client_handled_total", "FailedPrecondition"), 1);
}

TEST_F(GrpcParticipantsTest, ReadsTheErrorInfoAndTheTrailer) {
  Connect();
  peer_.AnswerWith(ToGrpc(MakeError(absl::StatusCode::kFailedPrecondition, "3 left",
                                    {"STOCK_NOT_ENOUGH", "stock.shop.unwind", {{"left", "3"}}})),
                   "", true);
  const CallResult result = Invoke("/a.B/C");
  EXPECT_TRUE(result.effect_free);
  const Failure expected{"STOCK_NOT_ENOUGH", "stock.shop.unwind", 9, "3 left", "", {{"left", "3"}}};
  EXPECT_EQ(result.failure, expected);
}

TEST_F(GrpcParticipantsTest, ReadsThePauseOfARetryInfo) {
  Connect();
  const auto asked = [this](absl::Duration delay) {
    peer_.AnswerWith(ToGrpc(WithRetryAfter(absl::UnavailableError("busy"), delay)));
    return Invoke("/a.B/C").retry_after;
  };
  EXPECT_EQ(asked(absl::Milliseconds(3200)), absl::Milliseconds(3200));
  EXPECT_EQ(asked(absl::Seconds(-5)), absl::ZeroDuration());
  EXPECT_EQ(asked(absl::Hours(99999)), absl::Hours(1));
  peer_.AnswerWith(grpc::Status(grpc::StatusCode::UNAVAILABLE, "busy"));
  EXPECT_EQ(Invoke("/a.B/C").retry_after, absl::ZeroDuration());
}

TEST_F(GrpcParticipantsTest, KeepsTheFieldViolations) {
  Connect();
  peer_.AnswerWith(
      ToGrpc(MakeBadRequest("a", {{"items[0].quantity", "must be at least 1"}, {"member_id", "must be set"}})));
  const Failure failure = Invoke("/a.B/C").failure;
  EXPECT_EQ(failure.reason, "INVALID_REQUEST");
  EXPECT_EQ(failure.metadata.at("field_violations"), "items[0].quantity: must be at least 1; member_id: must be set");
}

TEST_F(GrpcParticipantsTest, SurvivesDetailsThatAreGarbage) {
  Connect();
  const std::vector<std::string> garbage = {"\xFF\xFF\xFF\xFF", std::string(4000, '\x0a'), std::string("\0\0\0", 3),
                                            "x"};
  for (const std::string& details : garbage) {
    peer_.AnswerWith(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no", details));
    const Failure failure = Invoke("/a.B/C").failure;
    EXPECT_EQ(failure.code, 9);
    EXPECT_EQ(failure.message, "no");
    EXPECT_EQ(failure.reason, "");
  }
}

TEST_F(GrpcParticipantsTest, CutsAndCleansWhatWouldBeStored) {
  Connect();
  peer_.AnswerWith(grpc::Status(grpc::StatusCode::INTERNAL, std::string(5000, 'm')));
  EXPECT_EQ(Invoke("/a.B/C").failure.message, std::string(1024, 'm'));
  peer_.AnswerWith(grpc::Status(grpc::StatusCode::INTERNAL, "bad \xFF byte"));
  EXPECT_EQ(Invoke("/a.B/C").failure.message, "bad ? byte");
}

TEST_F(GrpcParticipantsTest, ADeadlineEndsACallThatIsNotAnswered) {
  Connect();
  const absl::Time before = absl::Now();
  EXPECT_EQ(Invoke("/a.B/Held", absl::Milliseconds(100)).failure.code, 4);
  EXPECT_LT(absl::Now() - before, absl::Seconds(10));
}

TEST_F(GrpcParticipantsTest, APeerThatIsDownIsUnavailableAtOnce) {
  participants_ =
      std::make_unique<GrpcParticipants>(Routes{{"a.B", "127.0.0.1:1"}}, GrpcParticipantsOptions(), metrics_);
  const absl::Time before = absl::Now();
  EXPECT_EQ(Invoke("/a.B/C").failure.code, 14);
  EXPECT_LT(absl::Now() - before, absl::Seconds(10));
}

TEST_F(GrpcParticipantsTest, AServiceWithoutARouteIsUnavailable) {
  Connect();
  const Failure failure = Invoke("/other.Service/C").failure;
  EXPECT_EQ(failure.code, 14);
  EXPECT_EQ(failure.message, "--participants does not say where other.Service is");
}

TEST_F(GrpcParticipantsTest, AHeaderThatMayNotBeSentIsLeftOut) {
  Connect();
  std::promise<CallResult> promise;
  Call call;
  call.method = "/a.B/C";
  call.timeout = kLong;
  call.metadata = {{"x", "line\nbreak"}, {"y", "fine"}};
  participants_->Invoke(std::move(call), [&](CallResult result) { promise.set_value(std::move(result)); });
  EXPECT_EQ(promise.get_future().get().failure.code, 0);
  const auto seen = peer_.WaitForCalls(1);
  EXPECT_EQ(seen[0].metadata.count("x"), 0u);
  EXPECT_EQ(seen[0].metadata.count("y"), 1u);
}

TEST_F(GrpcParticipantsTest, NoMoreThanTheCapAreOutAndCompensationsGoFirst) {
  Connect({.in_flight_max = 1, .channels = 2});
  std::vector<std::future<CallResult>> results;
  results.push_back(Start("/a.B/Held1"));
  results.push_back(Start("/a.B/Action2"));
  results.push_back(Start("/a.B/Action3"));
  results.push_back(Start("/a.B/Undo4", kLong, Phase::kCompensation));
  results.push_back(Start("/a.B/Ask5", kLong, Phase::kResolve));
  EXPECT_EQ(peer_.WaitForCalls(1).size(), 1u);
  peer_.Release();
  for (auto& result : results) EXPECT_EQ(result.get().failure.code, 0);
  std::vector<std::string> order;
  for (const auto& seen : peer_.WaitForCalls(5)) order.push_back(seen.method);
  EXPECT_EQ(order, (std::vector<std::string>{"/a.B/Held1", "/a.B/Undo4", "/a.B/Ask5", "/a.B/Action2", "/a.B/Action3"}));
}

// Else a participant that does not fence would act after the saga went back.
TEST_F(GrpcParticipantsTest, AnActionThatStillWaitsIsNotSentAfterItsCompensation) {
  Connect({.in_flight_max = 1, .channels = 1});
  auto held = Start("/a.B/Held1");
  peer_.WaitForCalls(1);
  auto action = Start("/a.B/Action2", kLong, Phase::kAction, 1, "take");
  auto undo = Start("/a.B/Undo3", kLong, Phase::kCompensation, 1, "take");
  EXPECT_EQ(action.get().failure.code, 1);
  peer_.Release();
  EXPECT_EQ(held.get().failure.code, 0);
  EXPECT_EQ(undo.get().failure.code, 0);
  EXPECT_EQ(peer_.WaitForCalls(2).size(), 2u);
}

TEST_F(GrpcParticipantsTest, RepeatsThatAreHeldBackAreSentWhenTimeHasEarnedThem) {
  Connect();
  const absl::Time before = absl::Now();
  auto results = StartRepeats(kTokens + 50);
  for (auto& result : results) {
    ASSERT_EQ(result.wait_until(absl::ToChronoTime(before + kPatience)), std::future_status::ready);
    EXPECT_EQ(result.get().failure.message, "down");
  }
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(450));  // 100 a second
  EXPECT_EQ(peer_.WaitForCalls(results.size()).size(), results.size());
}

// Else time earns nothing until the clock has caught up, and nobody calls the participant for so long.
TEST_F(GrpcParticipantsTest, RepeatsThatAreHeldBackAreSentThoughTheClockIsSetBack) {
  Connect();
  for (auto& result : StartRepeats(kTokens)) result.get();
  const WallClockSetBack back(absl::Hours(1));
  auto results = StartRepeats(10);
  for (auto& result : results) {
    ASSERT_EQ(result.wait_for(absl::ToChronoSeconds(kPatience)), std::future_status::ready);
    EXPECT_EQ(result.get().failure.message, "down");
  }
}

TEST_F(GrpcParticipantsTest, AGaugeSaysWhetherAParticipantIsHeldBack) {
  Connect();
  EXPECT_EQ(HeldBack(), 0);
  peer_.AnswerWith(grpc::Status(grpc::StatusCode::UNAVAILABLE, "down"));
  for (int i = 0; i < 20; ++i) Invoke("/a.B/C");
  EXPECT_EQ(HeldBack(), 1);
  peer_.AnswerWith(grpc::Status::OK);
  Invoke("/a.B/C");
  EXPECT_EQ(HeldBack(), 0);
}

TEST_F(GrpcParticipantsTest, GaugesSayHowManyCallsWaitAndAreOut) {
  Connect({.in_flight_max = 1, .channels = 1});
  std::vector<std::future<CallResult>> results;
  results.push_back(Start("/a.B/Held1"));
  for (int i = 0; i < 2; ++i) results.push_back(Start("/a.B/C"));
  peer_.WaitForCalls(1);
  EXPECT_EQ(Waiting(), 2);
  EXPECT_EQ(Out(), 1);
  peer_.Release();
  for (auto& result : results) result.get();
  EXPECT_EQ(Waiting(), 0);
  EXPECT_EQ(Out(), 0);
}

TEST_F(GrpcParticipantsTest, StopAnswersCallsThatAreHeldBack) {
  Connect();
  auto results = StartRepeats(kTokens + 1000);  // ten seconds' worth
  peer_.WaitForCalls(kTokens + 1);              // one went by the clock, which is set for the next
  const auto stopped = std::async(std::launch::async, [this] { participants_->Stop(); });
  CHECK(stopped.wait_for(absl::ToChronoSeconds(kPatience)) == std::future_status::ready);
  const std::size_t sent = peer_.WaitForCalls(0).size();
  std::size_t held = 0;
  for (auto& result : results) {
    ASSERT_EQ(result.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    const Failure failure = result.get().failure;
    if (failure.message != "the orchestrator is stopping") continue;
    EXPECT_EQ(failure.code, grpc::StatusCode::CANCELLED);
    ++held;
  }
  EXPECT_GT(held, 0u);
  EXPECT_LE(held + sent, results.size());
}

TEST_F(GrpcParticipantsTest, StopAnswersEveryCall) {
  Connect({.in_flight_max = 1, .channels = 1});
  auto out = Start("/a.B/Held");
  peer_.WaitForCalls(1);
  auto waiting = Start("/a.B/C");
  participants_->Stop();
  EXPECT_EQ(out.get().failure.code, 1);
  EXPECT_EQ(waiting.get().failure.code, 1);
  EXPECT_EQ(Invoke("/a.B/C").failure.code, 1);
}

TEST_F(GrpcParticipantsTest, ACallThatFindsNoRoomToWaitIsNotSentAndComesAgainLater) {
  Connect({.in_flight_max = 1, .queue_bytes_max = 4000});
  std::vector<std::future<CallResult>> results;
  results.push_back(Start("/a.B/Held"));
  peer_.WaitForCalls(1);
  for (int i = 0; i < 5; ++i) results.push_back(Start("/a.B/C"));
  const CallResult refused = results[5].get();
  EXPECT_EQ(refused.failure.reason, "CALL_NOT_SENT");
  EXPECT_EQ(refused.failure.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(refused.by_transport);
  EXPECT_FALSE(refused.is_answered);
  EXPECT_EQ(refused.retry_after, absl::Seconds(5));
  peer_.Release();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get().failure, Failure());
  EXPECT_EQ(Invoke("/a.B/C").failure, Failure());  // there is room again
}

}  // namespace
}  // namespace unwind
