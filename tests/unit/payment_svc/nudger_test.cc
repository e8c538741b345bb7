// How payment_svc tells the orchestrators of payments that a saga waits for.
#include "payment_svc/nudger.h"

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "payment_svc/payment_series.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"
#include "tests/support/poll.h"

namespace unwind::payment {
namespace {

namespace v1 = ::saga::participant::v1;
using testing::ElementsAre;
using testing::UnorderedElementsAreArray;

constexpr absl::Duration kPatience = absl::Seconds(10);

// Answers as it is told, or not before Release.
class Orchestrator final : public v1::NudgeService::CallbackService {
 public:
  Orchestrator() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Orchestrator() override { server_->Shutdown(); }

  grpc::ServerUnaryReactor* Nudge(grpc::CallbackServerContext* context, const v1::NudgeRequest* request,
                                  v1::NudgeResponse*) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    std::lock_guard lock(mutex_);
    asked_.push_back(absl::StrCat(request->saga_id(), "/", request->step()));
    if (holds_) {
      held_.push_back(reactor);
    } else {
      reactor->Finish(ToGrpc(answer_));
    }
    return reactor;
  }

  void Hold() {
    std::lock_guard lock(mutex_);
    holds_ = true;
  }
  void Release() {
    std::lock_guard lock(mutex_);
    for (grpc::ServerUnaryReactor* const reactor : held_) reactor->Finish(grpc::Status::OK);
    held_.clear();
    holds_ = false;
  }
  void AnswerWith(const absl::Status& answer) {
    std::lock_guard lock(mutex_);
    answer_ = answer;
  }
  std::vector<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  const std::string& address() const { return address_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::vector<grpc::ServerUnaryReactor*> held_;
  bool holds_ = false;
  absl::Status answer_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

double Count(NudgeResult result) { return PaymentSeries::Get().nudges.at(result)->Value(); }

std::string OwnerOfStep(const std::string& saga, const std::string& step) {
  return OwnerOf({.key_scope = "", .saga_id = saga, .step = step});
}

class NudgerTest : public testing::Test {
 protected:
  Orchestrator orchestrator_;
  prometheus::Registry registry_;
  ClientMetrics metrics_{registry_};
};

TEST_F(NudgerTest, TellsOfTheStepThatWaits) {
  Nudger nudger(orchestrator_.address(), metrics_);
  const double before = Count(NudgeResult::kHeeded);
  nudger.Nudge(OwnerOfStep("a/b", "collect"));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Count(NudgeResult::kHeeded) == before + 1; }));
  EXPECT_THAT(orchestrator_.asked(), ElementsAre("a/b/collect"));
}

TEST_F(NudgerTest, WhatNoSagaMadeIsToldToNobody) {
  Nudger nudger(orchestrator_.address(), metrics_);
  nudger.Nudge(OwnerOf({.key_scope = "", .saga_id = "a-key", .step = ""}));
  nudger.Nudge(OwnerOf({.key_scope = "member mina", .saga_id = "a-key", .step = ""}));
  nudger.Nudge(OwnerOfStep("s1", "collect"));
  nudger.Stop();
  EXPECT_THAT(orchestrator_.asked(), ElementsAre("s1/collect"));
}

TEST_F(NudgerTest, CountsWhatIsRefusedAndWhatIsLost) {
  Nudger nudger(orchestrator_.address(), metrics_);
  const double refused = Count(NudgeResult::kRefused), lost = Count(NudgeResult::kLost);
  for (const absl::StatusCode code : {absl::StatusCode::kNotFound, absl::StatusCode::kFailedPrecondition,
                                      absl::StatusCode::kUnavailable, absl::StatusCode::kPermissionDenied}) {
    orchestrator_.AnswerWith(absl::Status(code, "no"));
    const double all = Count(NudgeResult::kRefused) + Count(NudgeResult::kLost);
    nudger.Nudge(OwnerOfStep("s1", "collect"));
    ASSERT_TRUE(Eventually(kPatience, [&] { return Count(NudgeResult::kRefused) + Count(NudgeResult::kLost) > all; }));
  }
  EXPECT_EQ(Count(NudgeResult::kRefused), refused + 2);
  EXPECT_EQ(Count(NudgeResult::kLost), lost + 2);
}

// Ten thousand webhooks at once must not cost a poll each.
TEST_F(NudgerTest, WhatIsTooMuchAtOnceWaits) {
  orchestrator_.Hold();
  Nudger nudger(orchestrator_.address(), metrics_);
  const double dropped = Count(NudgeResult::kDropped);
  std::vector<std::string> told;
  for (std::size_t i = 0; i < 2 * Nudger::kNudgesMax + 1; ++i) {
    nudger.Nudge(OwnerOfStep(absl::StrCat("s", i), "collect"));
    told.push_back(absl::StrCat("s", i, "/collect"));
  }
  ASSERT_TRUE(Eventually(kPatience, [&] { return orchestrator_.asked().size() >= Nudger::kNudgesMax; }));
  orchestrator_.Release();
  EXPECT_TRUE(Eventually(kPatience, [&] { return orchestrator_.asked().size() >= told.size(); }));
  EXPECT_THAT(orchestrator_.asked(), UnorderedElementsAreArray(told));
  EXPECT_EQ(Count(NudgeResult::kDropped), dropped);
}

// It is called where payments are written, which must go on.
TEST_F(NudgerTest, ANeverAnsweringOrchestratorBlocksNothing) {
  orchestrator_.Hold();
  Nudger nudger(orchestrator_.address(), metrics_);
  const double none = Count(NudgeResult::kDropped), heeded = Count(NudgeResult::kHeeded);
  for (std::size_t i = 0; i < Nudger::kNudgesMax + Nudger::kWaitingMax; ++i) nudger.Nudge(OwnerOfStep("s1", "collect"));
  EXPECT_EQ(Count(NudgeResult::kDropped), none);
  EXPECT_TRUE(Eventually(kPatience, [&] {
    nudger.Nudge(OwnerOfStep("s1", "collect"));
    return Count(NudgeResult::kDropped) > none;
  }));
  ASSERT_TRUE(Eventually(kPatience, [&] { return orchestrator_.asked().size() > 0; }));
  const double one = Count(NudgeResult::kDropped);
  std::thread stopping([&] { nudger.Stop(); });
  EXPECT_TRUE(Eventually(kPatience, [&] { return Count(NudgeResult::kDropped) > one; })) << "nobody is told any more";
  orchestrator_.Release();
  stopping.join();
  EXPECT_GT(Count(NudgeResult::kHeeded), heeded);
  const double stopped = Count(NudgeResult::kDropped);
  nudger.Nudge(OwnerOfStep("s1", "collect"));
  EXPECT_EQ(Count(NudgeResult::kDropped), stopped + 1);
}

TEST_F(NudgerTest, WithoutAnAddressNobodyIsTold) {
  Nudger nudger("", metrics_);
  const double dropped = Count(NudgeResult::kDropped), lost = Count(NudgeResult::kLost);
  nudger.Nudge(OwnerOfStep("s1", "collect"));
  nudger.Stop();
  EXPECT_EQ(Count(NudgeResult::kDropped), dropped);
  EXPECT_EQ(Count(NudgeResult::kLost), lost);
}

}  // namespace
}  // namespace unwind::payment
