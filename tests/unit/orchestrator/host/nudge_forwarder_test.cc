// Nudges on their way to the instance that drives their saga.
#include "orchestrator/host/nudge_forwarder.h"

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

namespace v1 = ::saga::participant::v1;
using testing::AllOf;
using testing::HasSubstr;

// An instance: notes what it was asked and by whom, and answers as it is told.
class Owner final : public v1::NudgeService::CallbackService {
 public:
  Owner() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }

  grpc::ServerUnaryReactor* Nudge(grpc::CallbackServerContext* context, const v1::NudgeRequest* request,
                                  v1::NudgeResponse*) override {
    const auto by = context->client_metadata().find(kForwardedByHeader);
    const std::string who =
        by == context->client_metadata().end() ? "" : std::string(by->second.data(), by->second.size());
    {
      std::lock_guard lock(mutex_);
      asked_.push_back(absl::StrCat(who, ": ", request->saga_id(), "/", request->step()));
    }
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(answer_));
    return reactor;
  }

  const std::string& address() const { return address_; }
  void AnswerWith(absl::Status answer) { answer_ = std::move(answer); }
  std::vector<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  void End() { server_->Shutdown(); }

 private:
  std::mutex mutex_;
  std::vector<std::string> asked_;
  absl::Status answer_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

class NudgeForwarderTest : public testing::Test {
 protected:
  absl::Status Forward(const std::string& owner, const std::string& saga_id = "s1") {
    std::promise<absl::Status> answer;
    forwarder_.Forward({.owner = owner, .saga_id = saga_id, .step = "collect", .answered = [&](absl::Status status) {
                          answer.set_value(std::move(status));
                        }});
    return answer.get_future().get();
  }

  void Stands(const std::string& instance, const std::string& address) {
    std::lock_guard lock(mutex_);
    holders_[instance] = LeaseHolder{.address = address, .is_current = true};
  }

  Owner owner_;
  std::mutex mutex_;
  std::map<std::string, absl::StatusOr<std::optional<LeaseHolder>>> holders_;
  prometheus::Registry registry_;
  ClientMetrics metrics_{registry_};
  NudgeForwarder forwarder_{"one",
                            [this](const std::string& instance) -> absl::StatusOr<std::optional<LeaseHolder>> {
                              std::lock_guard lock(mutex_);
                              const auto found = holders_.find(instance);
                              if (found == holders_.end()) return std::optional<LeaseHolder>();
                              return found->second;
                            },
                            metrics_};
};

void ExpectUnreachable(const absl::Status& status, const std::string& why) {
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(status).reason, "OWNER_UNREACHABLE");
  EXPECT_EQ(GetErrorInfo(status).metadata.at("owner"), "two");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("saga s1 is driven by instance two"), HasSubstr(why)));
}

TEST_F(NudgeForwarderTest, AsksTheOwnerAndSaysWhatItAnswers) {
  Stands("two", absl::StrCat(owner_.address(), " pid=1 start=2 pid_namespace=3 boot=4"));
  EXPECT_EQ(Forward("two"), absl::OkStatus());
  EXPECT_THAT(owner_.asked(), testing::ElementsAre("one: s1/collect"));
  owner_.AnswerWith(MakeError(absl::StatusCode::kFailedPrecondition, "it does not wait",
                              {"STEP_NOT_WAITING", kSagaDomain, {{"step", "collect"}}}));
  const absl::Status refused = Forward("two");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(refused).reason, "STEP_NOT_WAITING");
}

// Such as a policy without a rule for orchestrators: it is not the nudging service that is not let in.
TEST_F(NudgeForwarderTest, WordsThatAreNoOrchestratorsAreNotPassedOn) {
  Stands("two", owner_.address());
  owner_.AnswerWith(MakeError(absl::StatusCode::kPermissionDenied, "the caller may not call this method",
                              {"CALLER_NOT_ALLOWED", "rpc.unwind", {}}));
  ExpectUnreachable(Forward("two"), "PERMISSION_DENIED, the caller may not call this method");
}

TEST_F(NudgeForwarderTest, SaysWhyTheOwnerCannotBeAsked) {
  ExpectUnreachable(Forward("two"), "its lease is over");
  Stands("two", owner_.address());
  holders_["two"]->value().is_current = false;
  ExpectUnreachable(Forward("two"), "its lease is over");
  holders_["two"] = absl::UnavailableError("away");
  ExpectUnreachable(Forward("two"), "the store did not say where it is");
  Stands("two", "nowhere");
  ExpectUnreachable(Forward("two"), "has no port");
  Stands("two", "10.0.0.7:7000");  // another machine, in plaintext
  ExpectUnreachable(Forward("two"), "--insecure");
  Stands("two", owner_.address());
  owner_.End();
  ExpectUnreachable(Forward("two"), owner_.address());
  EXPECT_TRUE(owner_.asked().empty());
}

TEST_F(NudgeForwarderTest, FollowsAnOwnerThatMoved) {
  Owner before;
  Stands("two", before.address());
  EXPECT_EQ(Forward("two"), absl::OkStatus());
  before.End();
  Stands("two", owner_.address());
  EXPECT_EQ(Forward("two"), absl::OkStatus());
  EXPECT_EQ(owner_.asked().size(), 1u);
}

TEST_F(NudgeForwarderTest, ManyAtOnceAreAllAnswered) {
  constexpr int kNudges = 200;
  Stands("two", owner_.address());
  std::vector<std::promise<absl::Status>> answers(kNudges);
  for (int i = 0; i < kNudges; ++i) {
    forwarder_.Forward({.owner = i % 2 == 0 ? "two" : "three",
                        .saga_id = absl::StrCat("s", i),
                        .step = "collect",
                        .answered = [&answer = answers[static_cast<std::size_t>(i)]](absl::Status status) {
                          answer.set_value(std::move(status));
                        }});
  }
  for (int i = 0; i < kNudges; ++i) {
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].get_future().get().ok(), i % 2 == 0) << i;
  }
  EXPECT_EQ(owner_.asked().size(), static_cast<std::size_t>(kNudges / 2));
}

TEST_F(NudgeForwarderTest, AfterItsStopSaysThatItTakesNone) {
  Stands("two", owner_.address());
  forwarder_.Stop();
  const absl::Status told = Forward("two");
  EXPECT_EQ(told.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorInfo(told).reason, "OVERLOADED");
}

}  // namespace
}  // namespace unwind
