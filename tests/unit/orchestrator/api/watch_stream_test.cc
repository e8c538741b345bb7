// WatchSaga and WatchSagas over a real gRPC server and the memory store.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "orchestrator/api/saga_service.h"
#include "tests/support/poll.h"
#include "tests/unit/orchestrator/engine/world.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

using testing::ElementsAre;
using testing::HasSubstr;

// A stream that a test reads: of its response, the sagas as "id version state".
template <class Response>
class Reading {
 public:
  template <class Request>
  Reading(saga::v1::SagaService::Stub& stub,
          std::unique_ptr<grpc::ClientReader<Response>> (saga::v1::SagaService::Stub::*method)(grpc::ClientContext*,
                                                                                               const Request&),
          const Request& request) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    reader_ = (stub.*method)(&context_, request);
  }

  // Of the next message; empty: the stream has ended.
  std::vector<std::string> Next() {
    Response response;
    if (!reader_->Read(&response)) return {};
    std::vector<std::string> told;
    for (const saga::v1::Saga& saga : SagasOf(response)) {
      told.push_back(absl::StrCat(saga.saga_id(), " ", saga.version(), " ", saga::v1::Saga::State_Name(saga.state())));
    }
    return told;
  }
  absl::Status Finish() { return FromGrpc(reader_->Finish()); }
  void Leave() { context_.TryCancel(); }
  void AwaitStart() { reader_->WaitForInitialMetadata(); }

 private:
  static std::vector<saga::v1::Saga> SagasOf(const saga::v1::WatchSagaResponse& response) { return {response.saga()}; }
  static std::vector<saga::v1::Saga> SagasOf(const saga::v1::WatchSagasResponse& response) {
    return {response.sagas().begin(), response.sagas().end()};
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
};

using ReadingOne = Reading<saga::v1::WatchSagaResponse>;
using ReadingMany = Reading<saga::v1::WatchSagasResponse>;

class WatchStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(catalog_.Add(std::make_shared<FakeDefinition>()).ok());
    lease_ = store_.Acquire("host-a", "", absl::Hours(1)).value();
    Serve({});
  }
  void TearDown() override { Shut(); }

  void Shut() {
    if (server_ == nullptr) return;
    service_->EndWatches();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  void Serve(const WatchesOptions& options) {
    Shut();
    SagaServiceOptions service_options;
    service_options.watches = options;
    service_ = std::make_unique<SagaService>(store_, nullptr, nullptr, catalog_, clock_, service_options);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    // What the transport takes for a reader that does not read is little.
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
    stub_ = saga::v1::SagaService::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments));
  }

  // Stores the saga as it is now; the version grows by one.
  void Put(const std::string& id, SagaState state) {
    const absl::StatusOr<Saga> stored = store_.Load(id);
    SagaWrite write;
    if (stored.ok()) {
      write.saga = *stored;
      write.seen_version = stored->version;
    } else {
      write.saga.id = write.saga.key = id;
      write.saga.definition = "place-order";
      write.saga.definition_version = 3;
      write.saga.steps.resize(1);
    }
    ++write.saga.version;
    write.saga.state = state;
    const auto results = store_.Commit(lease_, {write});
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->front(), WriteResult::kStored);
  }

  std::unique_ptr<ReadingOne> WatchOne(const std::string& id, std::int64_t after_version = 0) {
    saga::v1::WatchSagaRequest request;
    request.set_saga_id(id);
    request.set_after_version(after_version);
    return std::make_unique<ReadingOne>(*stub_, &saga::v1::SagaService::Stub::WatchSaga, request);
  }
  std::unique_ptr<ReadingMany> WatchMany(saga::v1::Saga::State state = {}, const std::string& definition = "") {
    saga::v1::WatchSagasRequest request;
    request.set_definition(definition);
    request.set_state(state);
    return std::make_unique<ReadingMany>(*stub_, &saga::v1::SagaService::Stub::WatchSagas, request);
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  SystemClock clock_;
  Lease lease_;
  std::unique_ptr<SagaService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<saga::v1::SagaService::Stub> stub_;
};

TEST_F(WatchStreamTest, ASagaIsToldAsItChangesUntilItHasEnded) {
  Put("s-1", SagaState::kRunning);
  const auto watch = WatchOne("s-1");
  EXPECT_THAT(watch->Next(), ElementsAre("s-1 1 STATE_RUNNING"));
  Put("s-1", SagaState::kParked);
  EXPECT_THAT(watch->Next(), ElementsAre("s-1 2 STATE_PARKED"));
  Put("s-1", SagaState::kAborted);
  EXPECT_THAT(watch->Next(), ElementsAre("s-1 3 STATE_ABORTED"));
  EXPECT_THAT(watch->Next(), testing::IsEmpty());
  EXPECT_TRUE(watch->Finish().ok());
}

TEST_F(WatchStreamTest, AWatchIsResumedByVersion) {
  Put("s-1", SagaState::kRunning);
  const auto watch = WatchOne("s-1", 1);
  watch->AwaitStart();
  Put("s-1", SagaState::kParked);
  EXPECT_THAT(watch->Next(), ElementsAre("s-1 2 STATE_PARKED"));
}

TEST_F(WatchStreamTest, TheSagasOfAFilterAreToldTogether) {
  Put("s-1", SagaState::kParked);
  Put("s-2", SagaState::kRunning);
  const auto parked = WatchMany(saga::v1::Saga::STATE_PARKED, "place-order");
  const auto others = WatchMany({}, "cancel-order");
  EXPECT_THAT(parked->Next(), ElementsAre("s-1 1 STATE_PARKED"));
  Put("s-1", SagaState::kAborted);
  EXPECT_THAT(parked->Next(), ElementsAre("s-1 2 STATE_ABORTED"));
  Put("s-2", SagaState::kParked);
  EXPECT_THAT(parked->Next(), ElementsAre("s-2 2 STATE_PARKED"));
  service_->EndWatches();
  EXPECT_THAT(others->Next(), testing::IsEmpty());
}

TEST_F(WatchStreamTest, WhatCannotBeWatchedIsRefused) {
  EXPECT_EQ(GetErrorInfo(WatchOne("nobody")->Finish()).reason, "SAGA_NOT_FOUND");
  EXPECT_EQ(WatchOne("")->Finish().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WatchOne("s-1", -1)->Finish().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(WatchMany(static_cast<saga::v1::Saga::State>(99))->Finish().message(), HasSubstr("state"));
}

TEST_F(WatchStreamTest, OnlySoManyWatch) {
  Serve({.watchers_max = 1});
  Put("s-1", SagaState::kRunning);
  auto first = WatchOne("s-1");
  first->Next();
  const absl::Status refused = WatchOne("s-1")->Finish();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorInfo(refused).reason, "OVERLOADED");
  EXPECT_GT(GetRetryAfter(refused), absl::ZeroDuration());
  first->Leave();  // makes room
  EXPECT_TRUE(Eventually(kPatience, [this] { return !WatchOne("s-1")->Next().empty(); }));
}

TEST_F(WatchStreamTest, OnlySoManyFiltersAreWatched) {
  std::vector<std::unique_ptr<ReadingMany>> watches;
  for (int i = 0; i < 16; ++i) {
    watches.push_back(WatchMany({}, absl::StrCat("d-", i)));
    watches.back()->AwaitStart();
  }
  EXPECT_EQ(GetErrorInfo(WatchMany({}, "d-16")->Finish()).reason, "OVERLOADED");
  const auto same = WatchMany({}, "d-3");  // costs nothing more
  same->AwaitStart();
  service_->EndWatches();
  EXPECT_EQ(GetErrorInfo(same->Finish()).reason, "WATCH_ENDED");
}

TEST_F(WatchStreamTest, AStoreThatIsAwayEndsNoWatch) {
  Put("s-1", SagaState::kRunning);
  const auto watch = WatchOne("s-1");
  watch->Next();
  store_.SetBroken(true);
  const int looks = store_.looks();
  EXPECT_TRUE(Eventually(kPatience, [&] { return store_.looks() > looks + 1; }));
  store_.SetBroken(false);
  Put("s-1", SagaState::kParked);
  EXPECT_THAT(watch->Next(), ElementsAre("s-1 2 STATE_PARKED"));
}

TEST_F(WatchStreamTest, AStreamEndsWithAReasonWhenTheInstanceStops) {
  Put("s-1", SagaState::kRunning);
  const auto watch = WatchOne("s-1");
  watch->Next();
  service_->EndWatches();
  const absl::Status ended = watch->Finish();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(ended).reason, "WATCH_ENDED");
  EXPECT_GT(GetRetryAfter(ended), absl::ZeroDuration());
  EXPECT_EQ(GetErrorInfo(WatchOne("s-1")->Finish()).reason, "WATCH_ENDED");
}

TEST_F(WatchStreamTest, AStreamHasAnAge) {
  Serve({.age_max = absl::ZeroDuration()});
  Put("s-1", SagaState::kRunning);
  EXPECT_EQ(GetErrorInfo(WatchOne("s-1")->Finish()).reason, "WATCH_ENDED");
}

TEST_F(WatchStreamTest, AReaderThatDoesNotReadDoesNotHoldUpTheStop) {
  for (int i = 0; i < 500; ++i) Put(absl::StrCat("s-", 100 + i), SagaState::kRunning);
  const auto blocked = WatchMany(), quick = WatchMany();
  for (int round = 0; round < 6; ++round) {  // more than what the transport takes
    for (int i = 0; i < 500; ++i) Put(absl::StrCat("s-", 100 + i), SagaState::kRunning);
    quick->Next();
  }
  const absl::Time began = SteadyNow();
  service_->EndWatches();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
  EXPECT_LT(SteadyNow() - began, absl::Seconds(10));
  while (!blocked->Next().empty()) continue;
  const absl::Status ended = blocked->Finish();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable) << ended;
}

// It has one message on its way and none behind that: what it reads then is not what it missed but what is.
TEST_F(WatchStreamTest, ASlowReaderGetsTheNewestAndHoldsUpNobody) {
  for (int i = 0; i < 500; ++i) Put(absl::StrCat("s-", 100 + i), SagaState::kRunning);
  const auto slow = WatchMany(), quick = WatchMany();
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 500; ++i) Put(absl::StrCat("s-", 100 + i), SagaState::kRunning);
    quick->Next();
  }
  Put("s-100", SagaState::kCompleted);
  const auto until = [](ReadingMany& watch, const std::string& told) {
    int messages = 1;
    for (std::vector<std::string> next = watch.Next(); !next.empty(); next = watch.Next(), ++messages) {
      if (std::count(next.begin(), next.end(), told) > 0) return messages;
    }
    return -1;
  };
  EXPECT_GT(until(*quick, "s-100 14 STATE_COMPLETED"), 0);
  const int messages = until(*slow, "s-100 14 STATE_COMPLETED");
  EXPECT_GT(messages, 0);
  EXPECT_LT(messages, 8) << "of 14 versions";
}

TEST_F(WatchStreamTest, ReadersMayLeaveAtAnyMoment) {
  Put("s-1", SagaState::kRunning);
  for (int i = 0; i < 100; ++i) {
    const auto one = WatchOne("s-1");
    const auto many = WatchMany();
    if (i % 3 == 0) one->Next();
    if (i % 5 == 0) Put("s-1", SagaState::kRunning);
    one->Leave();
    many->Leave();
  }
  EXPECT_FALSE(WatchOne("s-1")->Next().empty());
}

}  // namespace
}  // namespace unwind
