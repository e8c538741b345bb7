// saga.v1.SagaService over a real gRPC server and the memory store; the driver is played by the test.
#include "orchestrator/api/saga_service.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/refusals.h"
#include "shop/order/v1/order_service.pb.h"
#include "tests/support/test_gate.h"
#include "tests/unit/orchestrator/engine/world.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

const absl::Time kStart = absl::FromUnixMillis(1'700'000'000'500);

class SagaServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(catalog_.Add(std::make_shared<FakeDefinition>()).ok());
    const auto lease = store_.Acquire("host-a", "", absl::Hours(1));
    ASSERT_TRUE(lease.ok());
    lease_ = *lease;
    Serve({});
  }
  void TearDown() override { server_->Shutdown(); }

  void Serve(const SagaServiceOptions& options) {
    if (server_ != nullptr) server_->Shutdown();
    service_ = std::make_unique<SagaService>(
        store_,
        [this](const std::string& saga_id, Event event, std::int64_t, const std::function<void(Progress)>& answered) {
          asked_.emplace_back(saga_id, std::move(event));
          if (meanwhile_) return answered({.status = meanwhile_(), .saga = {}});
          answered(progress_);
        },
        [this](const std::function<void(absl::Status)>& held) {
          pauses_held_ = store_.Pauses().value().size();
          held(held_);
        },
        catalog_, clock_, options);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    if (gate_ != nullptr) GuardBy(*gate_, builder);
    server_ = builder.BuildAndStart();
    stub_ = saga::v1::SagaService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }

  static Saga Aborted(const std::string& id) {
    Saga saga;
    saga.id = id;
    saga.definition = "place-order";
    saga.definition_version = 3;
    saga.key = "key-" + id;
    saga.owner = "host-a";
    saga.create_time = kStart;
    saga.update_time = kStart + absl::Milliseconds(20);
    saga.state = SagaState::kAborted;
    saga.version = 2;
    saga.steps.resize(1);
    saga.steps[0].state = StepState::kRefused;
    saga.steps[0].sends[1] = 1;
    saga.failure = {"STOCK_NOT_ENOUGH", "stock.shop.unwind", 9, "3 left", "create_order", {{"left", "3"}}};
    return saga;
  }

  static Saga Parked(const std::string& id, Phase phase) {
    Saga saga = Aborted(id);
    saga.state = SagaState::kParked;
    saga.steps[0].parked = true;
    saga.steps[0].phase = phase;
    return saga;
  }

  // Its compensation failed and waits to be sent again.
  static Saga Repeated(const std::string& id) {
    Saga saga = Aborted(id);
    saga.state = SagaState::kCompensating;
    saga.backward = true;
    Step& step = saga.steps[0];
    step.state = StepState::kCompensating;
    step.phase = Phase::kCompensation;
    step.sends[2] = 1;
    step.first_send_time = kStart;
    step.wake_at = kStart + absl::Seconds(1);
    step.last_failure = {"DISK_FULL", "d", 13, "no room", "create_order", {}};
    return saga;
  }

  void Store(const Saga& saga) {
    SagaWrite write;
    write.saga = saga;
    HistoryEvent started{1, {kStart, 0.5}, Started{}, SagaState::kRunning, {{0, Phase::kAction, 1}}};
    Replied reply;
    reply.attempt = 1;
    reply.outcome = Outcome::kRefused;
    reply.effect_free = true;
    reply.failure = saga.failure;
    reply.elapsed = absl::Milliseconds(12);
    write.events = {started, {2, {kStart + absl::Milliseconds(20), 0.5}, reply, saga.state, {}}};
    const auto results = store_.Commit(lease_, {write});
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->front(), WriteResult::kStored);
  }

  template <class Request, class Response>
  absl::Status Call(grpc::Status (saga::v1::SagaService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                        Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    for (const auto& [name, value] : caller_) context.AddMetadata(name, value);
    return FromGrpc((stub_.get()->*method)(&context, request, response));
  }

  absl::Status Get(const std::string& id, saga::v1::Saga* response) {
    saga::v1::GetSagaRequest request;
    request.set_saga_id(id);
    return Call(&saga::v1::SagaService::Stub::GetSaga, request, response);
  }

  absl::Status List(const saga::v1::ListSagasRequest& request, saga::v1::ListSagasResponse* response) {
    return Call(&saga::v1::SagaService::Stub::ListSagas, request, response);
  }

  std::vector<std::string> Ids(const saga::v1::ListSagasResponse& response) {
    std::vector<std::string> ids;
    for (const auto& saga : response.sagas()) ids.push_back(saga.saga_id());
    return ids;
  }

  std::unique_ptr<Gate> gate_;
  std::map<std::string, std::string> caller_;  // metadata of every call
  FaultyStore store_;
  struct StoppedClock final : Clock {
    absl::Time Now() const override { return now; }
    absl::Time now = kStart + absl::Minutes(1);
  };

  DefinitionCatalog catalog_;
  StoppedClock clock_;
  Lease lease_;
  Progress progress_;
  std::vector<std::pair<std::string, Event>> asked_;
  std::function<absl::Status()> meanwhile_;  // what happens to the saga before the driver hears a verb
  absl::Status held_;                        // what the driver answers where pauses are to hold
  std::size_t pauses_held_ = 99;             // stored then
  std::unique_ptr<SagaService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<saga::v1::SagaService::Stub> stub_;
};

TEST_F(SagaServiceTest, GetShowsTheWholeSaga) {
  Store(Aborted("s-1"));
  saga::v1::Saga saga;
  ASSERT_TRUE(Get("s-1", &saga).ok());
  EXPECT_EQ(saga.saga_id(), "s-1");
  EXPECT_EQ(saga.definition(), "place-order");
  EXPECT_EQ(saga.definition_version(), 3);
  EXPECT_EQ(saga.key(), "key-s-1");
  EXPECT_EQ(saga.state(), saga::v1::Saga::STATE_ABORTED);
  EXPECT_EQ(saga.version(), 2);
  EXPECT_EQ(saga.owner(), "host-a");
  EXPECT_FALSE(saga.has_deadline());
  EXPECT_EQ(saga.create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(saga.create_time().nanos(), 500'000'000);
  ASSERT_EQ(saga.steps_size(), 1);
  EXPECT_EQ(saga.steps(0).name(), "create_order");
  EXPECT_EQ(saga.steps(0).state(), saga::v1::Step::STATE_REFUSED);
  EXPECT_EQ(saga.steps(0).phase(), saga::v1::PHASE_ACTION);
  EXPECT_EQ(saga.steps(0).attempt(), 1);
  EXPECT_EQ(saga.failure().reason(), "STOCK_NOT_ENOUGH");
  EXPECT_EQ(saga.failure().metadata().at("left"), "3");
}

TEST_F(SagaServiceTest, GetShowsWhyAStepIsRepeatedAndThatItIsStuck) {
  Saga saga = Repeated("s-1");
  saga.steps[0].unknowns = 19;
  Store(saga);
  saga::v1::Saga response;
  ASSERT_TRUE(Get("s-1", &response).ok());
  EXPECT_EQ(response.steps(0).last_failure().reason(), "DISK_FULL");
  EXPECT_FALSE(response.steps(0).stuck());
  saga.id = saga.key = "s-2";
  saga.steps[0].unknowns = 20;
  Store(saga);
  ASSERT_TRUE(Get("s-2", &response).ok());
  EXPECT_TRUE(response.steps(0).stuck());
}

TEST_F(SagaServiceTest, AStepThatWasNotSentHasNoPhase) {
  Saga saga = Aborted("s-1");
  saga.steps[0] = Step();
  Store(saga);
  saga::v1::Saga response;
  ASSERT_TRUE(Get("s-1", &response).ok());
  EXPECT_EQ(response.steps(0).phase(), saga::v1::PHASE_UNSPECIFIED);
  EXPECT_FALSE(response.steps(0).has_last_failure());
}

TEST_F(SagaServiceTest, ASagaThatIsNotThereIsNotFound) {
  saga::v1::Saga response;
  const absl::Status status = Get("nope", &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetErrorInfo(status), (ErrorInfo{"SAGA_NOT_FOUND", "saga.unwind", {{"saga_id", "nope"}}}));
  saga::v1::GetHistoryRequest history;
  history.set_saga_id("nope");
  saga::v1::GetHistoryResponse entries;
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::GetHistory, history, &entries)).reason, "SAGA_NOT_FOUND");
}

TEST_F(SagaServiceTest, WhatTheDatabaseSaysIsToldToNobody) {
  store_.SetBroken(true);
  saga::v1::Saga one;
  saga::v1::ListSagasResponse all;
  for (const absl::Status& status : {Get("s-1", &one), List({}, &all)}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(GetErrorInfo(status).reason, "STORE_FAILED");
    EXPECT_THAT(status.message(), testing::Not(testing::HasSubstr("table")));
  }
}

TEST_F(SagaServiceTest, AnIdThatIsNoneIsRefused) {
  saga::v1::Saga response;
  EXPECT_EQ(Get("", &response).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Get("a b", &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SagaServiceTest, ListPagesNewestFirst) {
  for (const char* id : {"s-1", "s-2", "s-3"}) Store(Aborted(id));
  saga::v1::ListSagasRequest request;
  request.set_page_size(2);
  request.set_definition("place-order");
  saga::v1::ListSagasResponse first;
  ASSERT_TRUE(List(request, &first).ok());
  EXPECT_THAT(Ids(first), testing::ElementsAre("s-3", "s-2"));
  request.set_page_token(first.next_page_token());
  saga::v1::ListSagasResponse second;
  ASSERT_TRUE(List(request, &second).ok());
  EXPECT_THAT(Ids(second), testing::ElementsAre("s-1"));
  EXPECT_EQ(second.next_page_token(), "");
  request.set_state(saga::v1::Saga::STATE_ABORTED);  // a token is good only with its filters
  saga::v1::ListSagasResponse none;
  EXPECT_EQ(GetErrorInfo(List(request, &none)).reason, "INVALID_PAGE_TOKEN");
}

TEST_F(SagaServiceTest, ASagaIsFoundByDefinitionAndKey) {
  Saga saga = Aborted("s-1");
  saga.key = "r-1";
  Store(saga);
  saga::v1::GetSagaRequest request;
  saga::v1::Saga response;
  request.set_definition(saga.definition);
  request.set_key("r-1");
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response).ok());
  EXPECT_EQ(response.saga_id(), "s-1");
  request.set_key("r-2");
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response)),
            (ErrorInfo{"SAGA_NOT_FOUND", "saga.unwind", {{"definition", saga.definition}, {"key", "r-2"}}}));
  request.clear_key();  // a definition alone names no saga
  EXPECT_EQ(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response).code(), absl::StatusCode::kInvalidArgument);
  request.set_key("r-1");
  request.set_saga_id("s-1");  // both at once may not agree
  EXPECT_EQ(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SagaServiceTest, ListFiltersByKeyAndTime) {
  for (const char* id : {"s-1", "s-2", "s-3"}) {
    Saga saga = Aborted(id);
    saga.create_time = absl::FromUnixSeconds(100 + id[2] - '0');
    Store(saga);
  }
  saga::v1::ListSagasRequest request;
  saga::v1::ListSagasResponse response;
  request.mutable_create_time_from()->set_seconds(102);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-3", "s-2"));
  request.mutable_create_time_before()->set_seconds(103);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-2"));
  request.Clear();
  request.set_key(Aborted("s-1").key);
  EXPECT_EQ(List(request, &response).code(), absl::StatusCode::kInvalidArgument);  // the key is of no definition
  request.set_definition(Aborted("s-1").definition);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::Contains("s-1"));
}

TEST_F(SagaServiceTest, StuckSagasAreListedOldestFirstAndPageByPage) {
  const auto store = [this](const std::string& id, int unknowns) {
    Saga saga = Repeated(id);
    saga.steps[0].unknowns = unknowns;
    Store(saga);
  };
  for (const char* id : {"s-1", "s-3", "s-4", "s-6"}) store(id, 20);
  for (const char* id : {"s-2", "s-5", "s-7"}) store(id, 19);
  Store(Parked("s-8", Phase::kAction));
  Saga other = Repeated("s-9");
  other.definition = "unknown-here";
  other.steps[0].unknowns = 20;
  Store(other);
  saga::v1::ListSagasRequest request;
  request.set_stuck(true);
  request.set_page_size(3);
  saga::v1::ListSagasResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-1", "s-3", "s-4"));
  saga::v1::ListSagasRequest next = request;
  next.set_page_token(response.next_page_token());
  saga::v1::ListSagasResponse second;
  ASSERT_TRUE(List(next, &second).ok());
  EXPECT_THAT(Ids(second), testing::ElementsAre("s-6"));
  EXPECT_EQ(second.next_page_token(), "");
  next.set_stuck(false);  // a token is good only with its filters
  EXPECT_EQ(GetErrorInfo(List(next, &second)).reason, "INVALID_PAGE_TOKEN");
  request.set_key("key-s-3");
  request.set_definition("place-order");
  request.set_state(saga::v1::Saga::STATE_COMPENSATING);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-3"));
  request.set_state(saga::v1::Saga::STATE_RUNNING);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.sagas_size(), 0);
  request.clear_state();
  request.mutable_create_time_before()->set_seconds(absl::ToUnixSeconds(kStart));
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.sagas_size(), 0);
  request.set_state(saga::v1::Saga::STATE_ABORTED);
  EXPECT_THAT(List(request, &response).message(),
              testing::HasSubstr("state: must be that of a saga which has not ended"));
}

TEST_F(SagaServiceTest, WaitingSagasAreListedOldestFirst) {
  const auto waiting = [this](const std::string& id) {
    Saga saga = Repeated(id);
    saga.steps[0].state = StepState::kWaiting;
    saga.steps[0].pendings = 3;
    return saga;
  };
  Store(waiting("s-3"));
  Store(Repeated("s-2"));
  Store(waiting("s-1"));
  Saga parked = waiting("s-4");
  parked.state = SagaState::kParked;
  parked.steps[0].parked = true;
  Store(parked);
  Saga stuck = Repeated("s-5");
  stuck.steps[0].unknowns = 20;
  Store(stuck);
  saga::v1::ListSagasRequest request;
  request.set_waiting(true);
  saga::v1::ListSagasResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-1", "s-3"));
  EXPECT_EQ(response.sagas(0).steps(0).pending_answers(), 3);
  request.set_stuck(true);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.sagas_size(), 0) << "none is both";
  request.set_stuck(false);
  request.set_page_size(1);
  ASSERT_TRUE(List(request, &response).ok());
  request.set_page_token(response.next_page_token());
  request.set_stuck(true);  // a token is good only with its filters
  EXPECT_EQ(GetErrorInfo(List(request, &response)).reason, "INVALID_PAGE_TOKEN");
}

TEST_F(SagaServiceTest, OneCallForStuckSagasLooksAtABoundedNumber) {
  std::vector<SagaWrite> writes;
  for (int i = 0; i < 2001; ++i) {
    SagaWrite write;
    write.saga = Repeated(absl::StrFormat("s-%04d", i));
    write.saga.steps[0].unknowns = i < 2000 ? 0 : 20;
    writes.push_back(std::move(write));
  }
  ASSERT_TRUE(store_.Commit(lease_, writes).ok());
  saga::v1::ListSagasRequest request;
  request.set_stuck(true);
  saga::v1::ListSagasResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.sagas_size(), 0);
  request.set_page_token(response.next_page_token());
  ASSERT_NE(request.page_token(), "");
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), testing::ElementsAre("s-2000"));
}

TEST_F(SagaServiceTest, ListFiltersAndRefusesNonsense) {
  Store(Aborted("s-1"));
  saga::v1::ListSagasRequest request;
  saga::v1::ListSagasResponse response;
  request.set_state(saga::v1::Saga::STATE_RUNNING);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.sagas_size(), 0);
  request.set_state(static_cast<saga::v1::Saga::State>(99));
  EXPECT_EQ(List(request, &response).code(), absl::StatusCode::kInvalidArgument);
  request.clear_state();
  request.set_page_size(-1);
  EXPECT_EQ(List(request, &response).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SagaServiceTest, HistoryTellsWhatHappened) {
  Store(Aborted("s-1"));
  saga::v1::GetHistoryRequest request;
  request.set_saga_id("s-1");
  request.set_page_size(1);
  saga::v1::GetHistoryResponse first;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetHistory, request, &first).ok());
  ASSERT_EQ(first.entries_size(), 1);
  EXPECT_EQ(first.entries(0).event(), "started");
  EXPECT_EQ(first.entries(0).state(), saga::v1::Saga::STATE_RUNNING);
  ASSERT_EQ(first.entries(0).sends_size(), 1);
  EXPECT_EQ(first.entries(0).sends(0).step(), "create_order");
  EXPECT_EQ(first.entries(0).sends(0).attempt(), 1);
  request.set_page_token(first.next_page_token());
  saga::v1::GetHistoryResponse second;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetHistory, request, &second).ok());
  ASSERT_EQ(second.entries_size(), 1);
  const saga::v1::HistoryEntry& reply = second.entries(0);
  EXPECT_EQ(reply.seq(), 2);
  EXPECT_EQ(reply.event(), "replied");
  EXPECT_EQ(reply.step(), "create_order");
  EXPECT_EQ(reply.phase(), saga::v1::PHASE_ACTION);
  EXPECT_EQ(reply.attempt(), 1);
  EXPECT_EQ(reply.outcome(), saga::v1::OUTCOME_REFUSED);
  EXPECT_EQ(reply.failure().reason(), "STOCK_NOT_ENOUGH");
  EXPECT_EQ(reply.elapsed_ms(), 12);
  EXPECT_EQ(second.next_page_token(), "");
  request.set_saga_id("s-2");  // another saga's token
  Store(Aborted("s-2"));
  saga::v1::GetHistoryResponse none;
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::GetHistory, request, &none)).reason, "INVALID_PAGE_TOKEN");
}

TEST_F(SagaServiceTest, CancelGoesToTheDriver) {
  progress_.saga = Aborted("s-1");
  saga::v1::CancelSagaRequest request;
  request.set_saga_id("s-1");
  request.set_actor("kim");
  request.set_reason("changed my mind");
  saga::v1::CancelSagaResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::CancelSaga, request, &response).ok());
  EXPECT_EQ(response.saga().saga_id(), "s-1");
  EXPECT_THAT(asked_, testing::ElementsAre(testing::Pair("s-1", Event(CancelRequested{"kim", "changed my mind"}))));
  progress_.status = absl::NotFoundError("?");
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::CancelSaga, request, &response)).reason, "SAGA_NOT_FOUND");
}

// Without an identity a step is moved by whom the request names, and by nobody unnamed; with one by that alone.
TEST_F(SagaServiceTest, WhoActsIsTheCallersIdentity) {
  Store(Parked("s-1", Phase::kAction));
  saga::v1::RetryStepRequest retry;
  retry.set_saga_id("s-1");
  retry.set_step("create_order");
  retry.set_reason("the disk is free again");
  saga::v1::CancelSagaRequest cancel;
  cancel.set_saga_id("s-1");
  const auto retried_as = [&](const std::string& actor) {
    retry.set_actor(actor);
    saga::v1::RetryStepResponse response;
    const absl::Status status = Call(&saga::v1::SagaService::Stub::RetryStep, retry, &response);
    return status.ok() ? std::get<Operated>(asked_.back().second).actor : GetErrorInfo(status).reason;
  };
  const auto cancelled_as = [&](const std::string& actor) {
    cancel.set_actor(actor);
    saga::v1::CancelSagaResponse response;
    const absl::Status status = Call(&saga::v1::SagaService::Stub::CancelSaga, cancel, &response);
    return status.ok() ? std::get<CancelRequested>(asked_.back().second).actor : GetErrorInfo(status).reason;
  };
  EXPECT_EQ(retried_as("kim"), "kim");
  EXPECT_EQ(retried_as(""), "INVALID_REQUEST");
  EXPECT_EQ(cancelled_as(""), "");
  gate_ = NewTestGate("rules: [{callers: [jane, console], methods: [saga.v1.SagaService/*], member: allowed}]");
  Serve({});
  EXPECT_EQ(retried_as(""), "CALLER_UNKNOWN");
  caller_ = {{kTestIdentity, "jane"}};
  EXPECT_EQ(retried_as(""), "jane");
  EXPECT_EQ(retried_as("jane"), "jane");
  EXPECT_EQ(retried_as("kim"), "CALLER_NOT_ALLOWED");
  EXPECT_EQ(cancelled_as(""), "jane");
  EXPECT_EQ(cancelled_as("kim"), "CALLER_NOT_ALLOWED");
  caller_ = {{kTestIdentity, "console"}, {"x-member-id", "kim"}};
  EXPECT_EQ(retried_as(""), "kim via console");
  EXPECT_EQ(retried_as("kim"), "CALLER_NOT_ALLOWED");
}

TEST_F(SagaServiceTest, WhoAskedAndWhyHoldNoControlCharacters) {
  Store(Parked("s-1", Phase::kAction));
  saga::v1::RetryStepRequest retry;
  retry.set_saga_id("s-1");
  retry.set_step("create_order");
  saga::v1::RetryStepResponse retried;
  saga::v1::CancelSagaRequest cancel;
  cancel.set_saga_id("s-1");
  saga::v1::CancelSagaResponse cancelled;
  for (const std::string bad : {"a\nb", "a\x1b[2J", "a\x7f", "a\xc2\x9b",
                                "a\xe2\x80\xae"
                                "b"}) {
    retry.set_actor("kim");
    retry.set_reason(bad);
    EXPECT_THAT(Call(&saga::v1::SagaService::Stub::RetryStep, retry, &retried).message(), testing::HasSubstr("reason"));
    cancel.set_actor(bad);
    EXPECT_THAT(Call(&saga::v1::SagaService::Stub::CancelSaga, cancel, &cancelled).message(),
                testing::HasSubstr("actor"));
  }
  EXPECT_TRUE(asked_.empty());
  retry.set_reason("\xec\xa0\x84\xed\x99\x94: \xc3\xa9");
  EXPECT_TRUE(Call(&saga::v1::SagaService::Stub::RetryStep, retry, &retried).ok());
}

TEST_F(SagaServiceTest, TheHistoryKeepsWhoAskedApartFromWhy) {
  SagaWrite write;
  write.saga = Aborted("s-1");
  write.saga.version = 1;
  write.events = {{1, {kStart, 0.5}, CancelRequested{"bob: by order of alice", "why not"}, SagaState::kAborted, {}}};
  ASSERT_TRUE(store_.Commit(lease_, {write}).ok());
  saga::v1::GetHistoryRequest request;
  request.set_saga_id("s-1");
  saga::v1::GetHistoryResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetHistory, request, &response).ok());
  EXPECT_EQ(response.entries(0).actor(), "bob: by order of alice");
  EXPECT_EQ(response.entries(0).reason(), "why not");
}

TEST_F(SagaServiceTest, AnOperatorMovesAParkedStep) {
  Store(Parked("s-1", Phase::kAction));
  const auto ask = [](auto request) {
    request.set_saga_id("s-1");
    request.set_step("create_order");
    request.set_actor("kim");
    request.set_reason("called the shop");
    return request;
  };
  saga::v1::RetryStepResponse retried;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::RetryStep, ask(saga::v1::RetryStepRequest()), &retried).ok());
  saga::v1::SkipStepResponse skipped;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::SkipStep, ask(saga::v1::SkipStepRequest()), &skipped).ok());
  saga::v1::ResolveStepRequest request = ask(saga::v1::ResolveStepRequest());
  shop::order::v1::CreateOrderResponse reply;
  reply.set_order_id("o-1");
  request.mutable_reply()->PackFrom(reply);
  saga::v1::ResolveStepResponse resolved;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ResolveStep, request, &resolved).ok());
  const auto operated = [](Verb verb, const std::string& bytes) {
    return testing::Pair("s-1", Event(Operated{verb, 0, bytes, "kim", "called the shop"}));
  };
  EXPECT_THAT(asked_, testing::ElementsAre(operated(Verb::kRetry, ""), operated(Verb::kSkip, ""),
                                           operated(Verb::kResolve, reply.SerializeAsString())));
}

TEST_F(SagaServiceTest, AStepThatWaitsSaysUntilWhenAndTakesAVerb) {
  Saga saga = Repeated("s-1");
  saga.state = SagaState::kRunning;
  saga.backward = false;
  Step& step = saga.steps[0];
  step = Step();
  step.state = StepState::kWaiting;
  step.sends[1] = 2;
  step.wake_at = kStart + absl::Seconds(30);
  step.wait_until = kStart + absl::Minutes(15);
  Store(saga);
  saga::v1::Saga response;
  ASSERT_TRUE(Get("s-1", &response).ok());
  const saga::v1::Step& shown = response.steps(0);
  EXPECT_EQ(shown.state(), saga::v1::Step::STATE_WAITING);
  EXPECT_EQ(shown.wait_until().seconds(), absl::ToUnixSeconds(kStart + absl::Minutes(15)));
  EXPECT_EQ(shown.next_attempt_time().seconds(), absl::ToUnixSeconds(kStart + absl::Seconds(30)));
  EXPECT_FALSE(shown.stuck());
  saga::v1::RetryStepRequest request;
  request.set_saga_id("s-1");
  request.set_step("create_order");
  request.set_actor("ann");
  request.set_reason("he has paid");
  saga::v1::RetryStepResponse retried;
  EXPECT_EQ(Call(&saga::v1::SagaService::Stub::RetryStep, request, &retried), absl::OkStatus());
  EXPECT_EQ(asked_.size(), 1u);
}

// Its participant would say that there is nothing to undo, or that nothing ever happened.
TEST_F(SagaServiceTest, AStepOfASagaThatIsTooOldIsNotRetriedButResolvedOrSkipped) {
  Store(Parked("s-1", Phase::kCompensation));
  clock_.now = kStart + Plan().age_max;
  const auto ask = [](auto request) {
    request.set_saga_id("s-1");
    request.set_step("create_order");
    request.set_actor("kim");
    request.set_reason("called the shop");
    return request;
  };
  saga::v1::RetryStepResponse retried;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::RetryStep, ask(saga::v1::RetryStepRequest()), &retried).ok());
  clock_.now += absl::Milliseconds(1);
  const absl::Status refused =
      Call(&saga::v1::SagaService::Stub::RetryStep, ask(saga::v1::RetryStepRequest()), &retried);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(refused).reason, "SAGA_TOO_OLD");
  EXPECT_THAT(refused.message(), testing::HasSubstr("resolve or skip step create_order"));
  EXPECT_EQ(asked_.size(), 1u);
  saga::v1::SkipStepResponse skipped;
  EXPECT_TRUE(Call(&saga::v1::SagaService::Stub::SkipStep, ask(saga::v1::SkipStepRequest()), &skipped).ok());
  saga::v1::ResolveStepResponse resolved;
  EXPECT_TRUE(Call(&saga::v1::SagaService::Stub::ResolveStep, ask(saga::v1::ResolveStepRequest()), &resolved).ok());
  EXPECT_EQ(asked_.size(), 3u);
}

// Somebody sees a saga that goes forward and is parked; to skip its step is to say that it never happened. Meanwhile a
// colleague cancels it, and its compensation parks: the same verb would now say that the step was undone.
TEST_F(SagaServiceTest, AVerbIsForWhatTheOperatorSaw) {
  Saga saga = Parked("s-1", Phase::kAction);
  saga.steps[0].state = StepState::kInFlight;
  Store(saga);
  saga::v1::Saga seen;
  ASSERT_TRUE(Get("s-1", &seen).ok());
  EXPECT_EQ(seen.direction(), saga::v1::Saga::DIRECTION_FORWARD);
  const auto ask = [&seen](auto request) {
    request.set_saga_id("s-1");
    request.set_step("create_order");
    request.set_actor("kim");
    request.set_reason("it never happened");
    request.set_seen_direction(seen.direction());
    request.set_seen_phase(seen.steps(0).phase());
    return request;
  };
  const auto retry = ask(saga::v1::RetryStepRequest());
  const auto skip = ask(saga::v1::SkipStepRequest());
  auto resolve = ask(saga::v1::ResolveStepRequest());
  resolve.set_reply_json("{}");
  const auto move = [&](auto method, const auto& request, auto response) { return Call(method, request, &response); };
  const auto all = [&] {
    return std::vector<absl::Status>{
        move(&saga::v1::SagaService::Stub::RetryStep, retry, saga::v1::RetryStepResponse()),
        move(&saga::v1::SagaService::Stub::SkipStep, skip, saga::v1::SkipStepResponse()),
        move(&saga::v1::SagaService::Stub::ResolveStep, resolve, saga::v1::ResolveStepResponse())};
  };
  for (const absl::Status& status : all()) EXPECT_TRUE(status.ok()) << status;
  asked_.clear();

  const auto is_refused = [&](const Saga& now, const std::string& phase) {
    SagaWrite write;
    write.saga = now;
    write.seen_version = now.version - 1;
    ASSERT_TRUE(store_.Commit(lease_, {write}).ok());
    for (const absl::Status& status : all()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      EXPECT_EQ(GetErrorInfo(status).reason, "SAGA_MOVED");
      EXPECT_EQ(GetErrorInfo(status).metadata["phase"], phase);
      EXPECT_THAT(status.message(), testing::HasSubstr("nothing was noted"));
    }
  };
  saga.version = 3;
  saga.backward = true;
  is_refused(saga, "PHASE_ACTION");  // another direction alone
  saga.version = 4;
  saga.backward = false;
  saga.steps[0].phase = Phase::kResolve;
  is_refused(saga, "PHASE_RESOLVE");  // another phase alone
  saga.version = 5;
  saga.backward = true;
  saga.steps[0].state = StepState::kCompensating;
  saga.steps[0].phase = Phase::kCompensation;
  is_refused(saga, "PHASE_COMPENSATION");
  EXPECT_TRUE(asked_.empty());

  ASSERT_TRUE(Get("s-1", &seen).ok());
  saga::v1::SkipStepResponse skipped;
  EXPECT_TRUE(Call(&saga::v1::SagaService::Stub::SkipStep, ask(saga::v1::SkipStepRequest()), &skipped).ok());
  auto unknown = ask(saga::v1::SkipStepRequest());
  unknown.set_seen_direction(static_cast<saga::v1::Saga::Direction>(9));
  unknown.set_seen_phase(static_cast<saga::v1::Phase>(9));
  const absl::Status bad = Call(&saga::v1::SagaService::Stub::SkipStep, unknown, &skipped);
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(bad.message(), testing::AllOf(testing::HasSubstr("seen_direction"), testing::HasSubstr("seen_phase")));
}

// Who is told so must not take it for a refusal.
TEST_F(SagaServiceTest, TheStoresSilenceTellsAnOperatorToLookFirst) {
  Store(Parked("s-1", Phase::kAction));
  saga::v1::SkipStepRequest request;
  request.set_saga_id("s-1");
  request.set_step("create_order");
  request.set_actor("kim");
  request.set_reason("why");
  saga::v1::SkipStepResponse response;
  progress_.status = StoreSilent();
  for (const bool while_reading : {false, true}) {
    store_.SetAway(while_reading);
    const absl::Status status = Call(&saga::v1::SagaService::Stub::SkipStep, request, &response);
    EXPECT_EQ(status, StoreSilent());
    EXPECT_THAT(status.message(), testing::HasSubstr("who moves one looks at it first"));
  }
}

TEST_F(SagaServiceTest, AnOperatorMovesAStepThatIsRepeated) {
  Store(Repeated("s-1"));
  saga::v1::SkipStepRequest request;
  request.set_saga_id("s-1");
  request.set_step("create_order");
  request.set_actor("kim");
  request.set_reason("undone by hand");
  saga::v1::SkipStepResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::SkipStep, request, &response).ok());
  EXPECT_EQ(asked_.size(), 1u);
}

// A step that is repeated every few milliseconds moves between the look and the verb.
TEST_F(SagaServiceTest, AVerbIsPutToASagaThatMovesOnWithoutTurning) {
  Saga saga = Repeated("s-1");
  Store(saga);
  saga::v1::SkipStepRequest request;
  request.set_saga_id("s-1");
  request.set_step("create_order");
  request.set_actor("kim");
  request.set_reason("undone by hand");
  saga::v1::SkipStepResponse response;
  const auto skip = [&] { return Call(&saga::v1::SagaService::Stub::SkipStep, request, &response); };
  int moves = 0;
  const auto move = [&] {
    SagaWrite write;
    write.seen_version = saga.version++;
    write.saga = saga;
    EXPECT_TRUE(store_.Commit(lease_, {write}).ok());
    ++moves;
    return MovedMeanwhile();
  };
  meanwhile_ = [&] { return moves < 3 ? move() : absl::OkStatus(); };
  EXPECT_EQ(skip(), absl::OkStatus());
  EXPECT_EQ(moves, 3);
  EXPECT_EQ(asked_.size(), 4u);

  meanwhile_ = move;
  EXPECT_EQ(skip(), MovedMeanwhile()) << "and not for ever";

  // It was not said how it was seen; then it is for what was seen first.
  asked_.clear();
  meanwhile_ = [&] {
    saga.backward = false;
    return move();
  };
  const absl::Status refused = skip();
  EXPECT_EQ(GetErrorInfo(refused).reason, "SAGA_MOVED");
  EXPECT_EQ(GetErrorInfo(refused).metadata["direction"], "DIRECTION_FORWARD");
  EXPECT_EQ(asked_.size(), 1u);
}

// The row keeps what once parked a step, which somebody has mended.
TEST_F(SagaServiceTest, ACompletedSagaShowsNoFailure) {
  for (const auto& [id, state] : {std::pair("s-1", SagaState::kCompleted), std::pair("s-2", SagaState::kParked)}) {
    Saga saga = Parked(id, Phase::kAction);
    saga.failure.reason = "ORDER_MISSING";
    saga.state = state;
    Store(saga);
    saga::v1::GetSagaRequest request;
    request.set_saga_id(id);
    saga::v1::Saga response;
    ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response).ok());
    EXPECT_EQ(response.has_failure(), state == SagaState::kParked);
  }
}

TEST_F(SagaServiceTest, ASagaSaysWhichWayItGoes) {
  for (const auto& [id, backward] : {std::pair("s-1", false), std::pair("s-2", true)}) {
    Saga parked = Parked(id, Phase::kAction);
    parked.backward = backward;
    Store(parked);
    saga::v1::GetSagaRequest request;
    request.set_saga_id(id);
    saga::v1::Saga response;
    ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::GetSaga, request, &response).ok());
    EXPECT_EQ(response.direction(), backward ? saga::v1::Saga::DIRECTION_BACKWARD : saga::v1::Saga::DIRECTION_FORWARD);
  }
}

TEST_F(SagaServiceTest, AnOperatorIsToldWhatIsWrong) {
  Store(Aborted("s-1"));
  Store(Parked("s-2", Phase::kAction));
  Store(Parked("s-3", Phase::kCompensation));
  Saga without_steps = Parked("s-4", Phase::kAction);  // so that its definition says nothing of it
  without_steps.steps.clear();
  Store(without_steps);
  saga::v1::ResolveStepRequest request;
  saga::v1::ResolveStepResponse response;
  const auto answer = [&](const char* saga_id, const char* step) {
    request.set_saga_id(saga_id);
    request.set_step(step);
    return Call(&saga::v1::SagaService::Stub::ResolveStep, request, &response);
  };
  request.set_actor("kim");
  EXPECT_THAT(answer("s-2", "create_order").message(), testing::HasSubstr("reason"));
  request.set_reason("called the shop");
  EXPECT_EQ(GetErrorInfo(answer("nobody", "create_order")).reason, "SAGA_NOT_FOUND");
  EXPECT_EQ(GetErrorInfo(answer("s-2", "other")).reason, "STEP_NOT_FOUND");
  EXPECT_EQ(GetErrorInfo(answer("s-1", "create_order")).reason, "STEP_NOT_PARKED");
  EXPECT_EQ(GetErrorInfo(answer("s-4", "create_order")).reason, "DEFINITION_UNUSABLE");
  auto read_only = std::make_shared<FakeDefinition>();
  read_only->plan_.version = 9;
  ASSERT_TRUE(catalog_.Add(read_only, Use::kRead, "no route for gift.v1.MailService").ok());
  Saga undriven = Parked("s-5", Phase::kAction);
  undriven.definition_version = 9;
  Store(undriven);
  EXPECT_THAT(answer("s-5", "other").message(), testing::HasSubstr("no route for gift.v1.MailService"));
  EXPECT_THAT(answer("s-2", "create_order").message(), testing::HasSubstr("shop.order.v1.CreateOrderResponse"));
  request.mutable_reply()->PackFrom(shop::order::v1::RejectOrderResponse());
  EXPECT_THAT(answer("s-2", "create_order").message(), testing::HasSubstr("shop.order.v1.CreateOrderResponse"));
  EXPECT_THAT(answer("s-3", "create_order").message(), testing::HasSubstr("must be unset"));
  EXPECT_TRUE(asked_.empty());
}

// For who has no descriptors of the participant.
TEST_F(SagaServiceTest, AKnownReplyMayBeGivenAsJson) {
  Store(Parked("s-1", Phase::kAction));
  Store(Parked("s-2", Phase::kCompensation));
  saga::v1::ResolveStepRequest request;
  request.set_step("create_order");
  request.set_actor("kim");
  request.set_reason("called the shop");
  saga::v1::ResolveStepResponse response;
  const auto answer = [&](const char* saga_id, const char* json) {
    request.set_saga_id(saga_id);
    request.set_reply_json(json);
    return Call(&saga::v1::SagaService::Stub::ResolveStep, request, &response);
  };
  EXPECT_THAT(answer("s-1", R"({"orderNo": "o-1"})").message(),
              testing::AllOf(testing::HasSubstr("reply_json"), testing::HasSubstr("orderNo"),
                             testing::HasSubstr("shop.order.v1.CreateOrderResponse")));
  EXPECT_THAT(answer("s-1", "{").message(), testing::HasSubstr("reply_json"));
  EXPECT_THAT(answer("s-2", "{}").message(), testing::HasSubstr("must be unset"));
  request.mutable_reply()->PackFrom(shop::order::v1::CreateOrderResponse());
  EXPECT_THAT(answer("s-1", "{}").message(), testing::HasSubstr("must be unset where reply_json is given"));
  request.clear_reply();
  EXPECT_TRUE(asked_.empty());
  ASSERT_TRUE(answer("s-1", R"({"orderId": "o-1"})").ok());
  shop::order::v1::CreateOrderResponse reply;
  reply.set_order_id("o-1");
  EXPECT_THAT(asked_,
              testing::ElementsAre(testing::Pair(
                  "s-1", Event(Operated{Verb::kResolve, 0, reply.SerializeAsString(), "kim", "called the shop"}))));
}

TEST_F(SagaServiceTest, ASagaShowsItsParentAndItsChildren) {
  Follower follower;
  follower.parent = {"place-order", 3};
  follower.definition = {"after-sold-out", 2};
  follower.on = SagaState::kAborted;
  follower.steps = 1;
  ASSERT_TRUE(store_.PutFollowers(0, {follower}).ok());
  Store(Aborted("s-1"));
  saga::v1::Saga parent, child;
  ASSERT_TRUE(Get("s-1", &parent).ok());
  EXPECT_EQ(parent.parent_id(), "");
  ASSERT_EQ(parent.children_size(), 1);
  EXPECT_EQ(parent.children(0).definition(), "after-sold-out");
  EXPECT_EQ(parent.children(0).definition_version(), 2);
  EXPECT_EQ(parent.children(0).state(), saga::v1::Saga::STATE_RUNNING);
  ASSERT_TRUE(Get(parent.children(0).saga_id(), &child).ok());
  EXPECT_EQ(child.parent_id(), "s-1");
  EXPECT_EQ(child.children_size(), 0);
}

TEST_F(SagaServiceTest, ADefinitionSaysWhomItFollows) {
  struct Following final : FakeDefinition {
    const google::protobuf::MethodDescriptor* serves() const override { return nullptr; }
    const Follows* follows() const override { return &follows_; }
    Follows follows_;
  };
  auto following = std::make_shared<Following>();
  following->plan_.name = "after-sold-out";
  following->follows_.parents = {"place-order", "checkout"};
  following->follows_.on = SagaState::kAborted;
  following->follows_.reasons = {"STOCK_NOT_ENOUGH"};
  ASSERT_TRUE(catalog_.Add(following).ok());
  ASSERT_TRUE(catalog_.Serve(following).ok());
  saga::v1::ListDefinitionsResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ListDefinitions, saga::v1::ListDefinitionsRequest(), &response).ok());
  const saga::v1::Definition& shown = response.definitions(0);
  ASSERT_EQ(shown.name(), "after-sold-out");
  EXPECT_FALSE(shown.served());
  EXPECT_EQ(shown.method(), "");
  EXPECT_EQ(shown.follows().definitions_size(), 2);
  EXPECT_EQ(shown.follows().on(), saga::v1::Saga::STATE_ABORTED);
  EXPECT_EQ(shown.follows().reasons(0), "STOCK_NOT_ENOUGH");
}

TEST_F(SagaServiceTest, DefinitionsAreListedWithTheirUnfinishedSagas) {
  auto read_only = std::make_shared<FakeDefinition>();
  read_only->plan_.version = 2;
  ASSERT_TRUE(catalog_.Add(read_only, Use::kRead, "no route for gift.v1.MailService").ok());
  ASSERT_TRUE(catalog_.Serve(catalog_.Find("place-order", 3)).ok());
  for (const auto& [id, version] :
       {std::pair("s-1", 2), std::pair("s-2", 3), std::pair("s-3", 3), std::pair("s-4", 9)}) {
    Saga saga = Parked(id, Phase::kAction);
    saga.definition_version = version;
    Store(saga);
  }
  Store(Aborted("s-5"));
  saga::v1::ListDefinitionsResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ListDefinitions, saga::v1::ListDefinitionsRequest(), &response).ok());
  ASSERT_EQ(response.definitions_size(), 3);
  const saga::v1::Definition &older = response.definitions(0), &served = response.definitions(1);
  EXPECT_EQ(older.version(), 2);
  EXPECT_FALSE(older.served());
  EXPECT_EQ(older.undriven_reason(), "no route for gift.v1.MailService");
  EXPECT_EQ(served.name(), "place-order");
  EXPECT_EQ(served.version(), 3);
  EXPECT_TRUE(served.served());
  EXPECT_EQ(served.method(), "shop.checkout.v1.CheckoutService/PlaceOrder");
  EXPECT_EQ(served.undriven_reason(), "");
  ASSERT_EQ(served.unfinished_size(), 1);
  EXPECT_EQ(served.unfinished(0).state(), saga::v1::Saga::STATE_PARKED);
  EXPECT_EQ(served.unfinished(0).count(), 2);
  EXPECT_EQ(served.unfinished(0).oldest_create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(response.definitions(2).version(), 9);
  EXPECT_EQ(response.definitions(2).method(), "");
  EXPECT_NE(response.definitions(2).undriven_reason(), "");
}

TEST_F(SagaServiceTest, ADefinitionIsPausedAndResumed) {
  ASSERT_TRUE(store_.PutDefinition({"place-order", 3, "h", "", ""}).ok());
  auto older = std::make_shared<FakeDefinition>();
  older->plan_.version = 2;
  ASSERT_TRUE(catalog_.Add(older).ok());
  saga::v1::PauseDefinitionRequest pause;
  pause.set_name("place-order");
  pause.set_actor("kim");
  pause.set_reason("sales go on at ten");
  saga::v1::PauseDefinitionResponse paused;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::PauseDefinition, pause, &paused).ok());
  EXPECT_EQ(pauses_held_, 1u) << "it is stored before it is to hold";
  EXPECT_EQ(paused.pause().actor(), "kim");
  EXPECT_EQ(paused.pause().reason(), "sales go on at ten");
  const saga::v1::Pause first = paused.pause();
  EXPECT_GT(first.pause_time().seconds(), 0);
  pause.set_reason("sales go on at noon");
  pause.set_actor("jane");
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::PauseDefinition, pause, &paused).ok());
  saga::v1::ListDefinitionsResponse list;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ListDefinitions, saga::v1::ListDefinitionsRequest(), &list).ok());
  ASSERT_EQ(list.definitions_size(), 2);
  for (const saga::v1::Definition& each : list.definitions()) {
    EXPECT_EQ(each.pause().actor(), "jane");
    EXPECT_EQ(each.pause().reason(), "sales go on at noon");
    EXPECT_EQ(each.pause().pause_time().seconds(), first.pause_time().seconds());
    EXPECT_EQ(each.pause().pause_time().nanos(), first.pause_time().nanos());
  }
  saga::v1::ResumeDefinitionRequest resume;
  resume.set_name("place-order");
  resume.set_actor("kim");
  saga::v1::ResumeDefinitionResponse resumed;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ResumeDefinition, resume, &resumed).ok());
    EXPECT_EQ(pauses_held_, 0u);
  }
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::ListDefinitions, saga::v1::ListDefinitionsRequest(), &list).ok());
  EXPECT_FALSE(list.definitions(0).has_pause());
}

TEST_F(SagaServiceTest, APauseThatCannotBeIsRefusedInWords) {
  ASSERT_TRUE(store_.PutDefinition({"place-order", 3, "h", "", ""}).ok());
  const auto told = [this](const std::string& name, const std::string& actor, const std::string& reason) {
    saga::v1::PauseDefinitionRequest request;
    request.set_name(name);
    request.set_actor(actor);
    request.set_reason(reason);
    saga::v1::PauseDefinitionResponse response;
    return Call(&saga::v1::SagaService::Stub::PauseDefinition, request, &response);
  };
  EXPECT_EQ(GetErrorInfo(told("plac-order", "kim", "why")).reason, "DEFINITION_NOT_FOUND");
  EXPECT_THAT(told("plac-order", "kim", "why").message(),
              testing::AllOf(testing::HasSubstr("name: there is no definition plac-order"),
                             testing::HasSubstr("ListDefinitions")));
  EXPECT_THAT(told("", "kim", "why").message(), testing::HasSubstr("name"));
  EXPECT_THAT(told("place-order", "", "why").message(), testing::HasSubstr("actor: must be set"));
  EXPECT_THAT(told("place-order", "kim", "").message(), testing::HasSubstr("reason"));
  EXPECT_THAT(told("place-order", "kim", "a\nb").message(), testing::HasSubstr("reason: must have no control"));
  EXPECT_EQ(pauses_held_, 99u);
  EXPECT_TRUE(store_.Pauses().value().empty());
  saga::v1::ResumeDefinitionRequest resume;
  resume.set_name("plac-order");
  saga::v1::ResumeDefinitionResponse resumed;
  EXPECT_THAT(Call(&saga::v1::SagaService::Stub::ResumeDefinition, resume, &resumed).message(),
              testing::HasSubstr("actor: must be set"));
  resume.set_actor("kim");
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::ResumeDefinition, resume, &resumed)).reason,
            "DEFINITION_NOT_FOUND");
  held_ = StoreSilent();
  EXPECT_EQ(GetErrorInfo(told("place-order", "kim", "why")).reason, "STORE_UNAVAILABLE");
  store_.SetAway(true);
  EXPECT_EQ(GetErrorInfo(told("place-order", "kim", "why")).reason, "STORE_UNAVAILABLE");
}

TEST_F(SagaServiceTest, WhoPausesIsTheCallersIdentity) {
  ASSERT_TRUE(store_.PutDefinition({"place-order", 3, "h", "", ""}).ok());
  gate_ = NewTestGate("rules: [{callers: [jane], methods: [saga.v1.SagaService/*]}]");
  Serve({});
  caller_ = {{kTestIdentity, "jane"}};
  saga::v1::PauseDefinitionRequest request;
  request.set_name("place-order");
  request.set_reason("why");
  saga::v1::PauseDefinitionResponse response;
  ASSERT_TRUE(Call(&saga::v1::SagaService::Stub::PauseDefinition, request, &response).ok());
  EXPECT_EQ(response.pause().actor(), "jane");
  request.set_actor("kim");
  EXPECT_EQ(GetErrorInfo(Call(&saga::v1::SagaService::Stub::PauseDefinition, request, &response)).reason,
            "CALLER_NOT_ALLOWED");
}

TEST_F(SagaServiceTest, TooManyReadsAreTurnedAway) {
  Serve({.readers = 1, .reads_max = 0});
  saga::v1::Saga response;
  const absl::Status status = Get("s-1", &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorInfo(status).reason, "OVERLOADED");
  EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.RetryInfo"));
}

}  // namespace
}  // namespace unwind
