// How the answer of a call becomes the event that is decided on.
#include "orchestrator/engine/saga_call.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "orchestrator/core/outcome.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

constexpr int kFailedPrecondition = 9, kInternal = 13, kUnavailable = 14;

CallResult Failed(int code, std::string reason) {
  CallResult result;
  result.failure = {
      .reason = std::move(reason), .domain = "d", .code = code, .message = "m", .step = {}, .metadata = {}};
  return result;
}

class SagaCallTest : public testing::Test {
 protected:
  Replied Read(Phase phase, CallResult result) {
    return ReadReply(definition_, {.step = 0, .phase = phase, .attempt = 1}, std::move(result), absl::Milliseconds(3));
  }

  FakeDefinition definition_;
};

class TenantDefinition final : public FakeDefinition {
 public:
  absl::StatusOr<std::string> Request(const Saga&, int, Phase) const override { return ""; }
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Metadata(const Saga& saga, int) const override {
    if (saga.input.empty()) return absl::InternalError("the input does not parse");
    return std::vector<std::pair<std::string, std::string>>{{"tenant", saga.input}};
  }
};

TEST_F(SagaCallTest, CarriesTheMetadataOfTheDefinition) {
  const TenantDefinition definition;
  Saga saga;
  saga.steps.resize(definition.plan().steps.size());
  saga.input = "acme";
  const Send send{.step = 0, .phase = Phase::kAction, .attempt = 1};
  const auto call = MakeCall(definition, saga, send, absl::UnixEpoch());
  ASSERT_TRUE(call.ok()) << call.status();
  ASSERT_EQ(call->metadata.size(), 1u);
  EXPECT_EQ(call->metadata[0].first, "tenant");
  EXPECT_EQ(call->metadata[0].second, "acme");
  saga.input = "";
  EXPECT_EQ(MakeCall(definition, saga, send, absl::UnixEpoch()).status().code(), absl::StatusCode::kInternal);
}

TEST_F(SagaCallTest, TheTrailerMakesARefusalFinalWhateverItsCodeAndTheStepsOwnTable) {
  definition_.methods_.overrides = {{kUnavailable, Outcome::kUnknown}, {kFailedPrecondition, Outcome::kUnknown}};
  for (const int code : {kFailedPrecondition, kInternal, kUnavailable}) {
    CallResult declined = Failed(code, "CARD_DECLINED");
    declined.effect_free = true;
    for (const Phase phase : {Phase::kAction, Phase::kCompensation}) {
      const Replied reply = Read(phase, declined);
      EXPECT_EQ(reply.outcome, Outcome::kRefused) << code;
      EXPECT_TRUE(reply.effect_free) << code;
    }
    EXPECT_EQ(Read(Phase::kResolve, declined).outcome, Outcome::kUnknown) << code;
  }
}

TEST_F(SagaCallTest, WhatTheBarrierRefusesIsNotFinal) {
  for (const char* const reason : {kReasonFenced, kReasonKeyReused}) {
    CallResult refused = Failed(kFailedPrecondition, reason);
    refused.effect_free = true;
    EXPECT_FALSE(Read(Phase::kAction, refused).effect_free) << reason;
  }
}

TEST_F(SagaCallTest, AStepsOwnTableIsItsActions) {
  definition_.methods_.overrides = {{kInternal, Outcome::kRefused}};
  EXPECT_EQ(Read(Phase::kAction, Failed(kInternal, "")).outcome, Outcome::kRefused);
  EXPECT_EQ(Read(Phase::kCompensation, Failed(kInternal, "")).outcome, Outcome::kUnknown);
}

TEST_F(SagaCallTest, WhatWasMadeHereIsNoAnswerThatTheStepsTableSpeaksOf) {
  definition_.methods_.overrides = {{kInternal, Outcome::kRefused}, {kUnavailable, Outcome::kRefused}};
  for (const bool by_transport : {false, true}) {  // a call that was alone is at fault itself
    CallResult ended = Failed(kUnavailable, kReasonConnectionEnded);
    ended.is_answered = false;
    ended.by_transport = by_transport;
    const Replied reply = Read(Phase::kAction, ended);
    EXPECT_EQ(reply.outcome, Outcome::kUnknown);
    EXPECT_EQ(reply.by_transport, by_transport);
  }
  CallResult too_large = Failed(kInternal, "REPLY_TOO_LARGE");
  too_large.is_answered = false;
  EXPECT_EQ(Read(Phase::kAction, too_large).outcome, Outcome::kUnknown);
}

CallResult NotFinished(const std::string& reply) {
  CallResult result;
  result.reply = reply;
  result.pending = true;
  result.retry_after = absl::Hours(1);
  return result;
}

TEST_F(SagaCallTest, WhatIsNotFinishedIsPendingOfAStepThatMayWaitOfEveryPhase) {
  definition_.plan_.steps[0].pending.emplace();
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    const Replied reply = Read(phase, NotFinished("pay here"));
    EXPECT_EQ(reply.outcome, Outcome::kPending);
    EXPECT_EQ(reply.reply, "pay here");
    EXPECT_EQ(reply.retry_after, absl::Hours(1));
    EXPECT_EQ(Read(phase, NotFinished("not a reply")).outcome, Outcome::kUnknown);
    EXPECT_EQ(Read(phase, NotFinished("not a reply")).retry_after, absl::ZeroDuration());
  }
}

TEST_F(SagaCallTest, WhatIsNotFinishedIsUnknownWhereNobodyAskedForThat) {
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    const Replied reply = Read(phase, NotFinished("pay here"));
    EXPECT_EQ(reply.outcome, Outcome::kUnknown);
    EXPECT_EQ(reply.reply, "");
    EXPECT_EQ(reply.failure.reason, kReasonPendingNotAsked);
    EXPECT_EQ(reply.retry_after, absl::ZeroDuration()) << "it is no poll that comes next";
  }
}

TEST_F(SagaCallTest, AStepThatMayWaitSaysSoAndItsResolveWhetherItDecides) {
  TenantDefinition definition;
  Saga saga;
  saga.input = "acme";
  saga.steps.resize(1);
  const auto make = [&](Phase phase) {
    return MakeCall(definition, saga, {.step = 0, .phase = phase, .attempt = 1}, absl::UnixEpoch()).value();
  };
  EXPECT_FALSE(make(Phase::kAction).accepts_pending);
  definition.plan_.steps[0].pending.emplace();
  definition.methods_.resolve = "/shop.order.v1.OrderService/GetOrder";
  for (const bool decides : {false, true}) {
    saga.steps[0].decides = decides;
    for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
      EXPECT_TRUE(make(phase).accepts_pending);
      EXPECT_EQ(make(phase).decides, decides && phase == Phase::kResolve);
    }
  }
}

TEST_F(SagaCallTest, ThePauseThatIsAskedForIsKept) {
  CallResult busy = Failed(kUnavailable, "BUSY");
  busy.retry_after = absl::Seconds(3);
  EXPECT_EQ(Read(Phase::kAction, busy).retry_after, absl::Seconds(3));
}

}  // namespace
}  // namespace unwind
