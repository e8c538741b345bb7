#include "orchestrator/api/nudge_service.h"

#include <functional>
#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {
namespace {

// Over a driver that notes what it was asked and answers as it is told, and an owner elsewhere that heeds what it gets.
class NudgeServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = saga::participant::v1::NudgeService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  absl::Status Nudge(const std::string& saga_id, const std::string& step, const std::string& forwarded_by = "") {
    saga::participant::v1::NudgeRequest request;
    request.set_saga_id(saga_id);
    request.set_step(step);
    grpc::ClientContext context;
    if (!forwarded_by.empty()) context.AddMetadata(kForwardedByHeader, forwarded_by);
    saga::participant::v1::NudgeResponse response;
    return FromGrpc(stub_->Nudge(&context, request, &response));
  }

  absl::Status answer_;
  std::string asked_, forwarded_;
  NudgeService service_{
      [this](const std::string& saga_id, const std::string& step, const std::function<void(absl::Status)>& answered) {
        asked_ = absl::StrCat(saga_id, "/", step);
        answered(answer_);
      },
      [this](const ForeignNudge& nudge) {
        forwarded_ = absl::StrCat(nudge.owner, ": ", nudge.saga_id, "/", nudge.step);
        nudge.answered(absl::OkStatus());
      }};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<saga::participant::v1::NudgeService::Stub> stub_;
};

TEST_F(NudgeServiceTest, AsksTheDriverAndAnswersWhatItSays) {
  EXPECT_TRUE(Nudge("01938f5e", "collect").ok());
  EXPECT_EQ(asked_, "01938f5e/collect");
  answer_ = MakeError(absl::StatusCode::kFailedPrecondition, "over", {"SAGA_FINISHED", "saga", {{"owner", "two"}}});
  const absl::Status told = Nudge("01938f5e", "collect");
  EXPECT_EQ(told.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(told).reason, "SAGA_FINISHED");
  EXPECT_EQ(forwarded_, "");
}

TEST_F(NudgeServiceTest, IsPassedOnToTheOwnerOnce) {
  Saga foreign;
  foreign.id = "01938f5e";
  foreign.owner = "two";
  answer_ = DrivenElsewhere(foreign);
  EXPECT_EQ(Nudge("01938f5e", "collect"), absl::OkStatus());
  EXPECT_EQ(forwarded_, "two: 01938f5e/collect");
  forwarded_.clear();
  const absl::Status told = Nudge("01938f5e", "collect", "one");
  EXPECT_EQ(told.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(told).reason, "SAGA_ELSEWHERE");
  EXPECT_EQ(GetErrorInfo(told).metadata.at("owner"), "two");
  EXPECT_EQ(forwarded_, "") << "what was passed on is not passed on again";
}

TEST_F(NudgeServiceTest, NamesTheFieldThatIsWrong) {
  for (const auto& [saga_id, step, field] :
       {std::tuple("", "collect", "saga_id"), std::tuple("a b", "collect", "saga_id"), std::tuple("s", "", "step"),
        std::tuple("s", "a/b", "step")}) {
    const absl::Status told = Nudge(saga_id, step);
    EXPECT_EQ(told.code(), absl::StatusCode::kInvalidArgument) << saga_id << "/" << step;
    EXPECT_NE(told.message().find(field), absl::string_view::npos) << told;
  }
  EXPECT_EQ(asked_, "") << "nobody was asked";
}

}  // namespace
}  // namespace unwind
