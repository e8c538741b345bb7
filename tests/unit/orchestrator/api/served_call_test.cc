#include "orchestrator/api/served_call.h"

#include <memory>

#include "common/rpc/error.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/unit/orchestrator/fake_definition.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderRequest;

PlaceOrderRequest WithKey(const std::string& key) {
  PlaceOrderRequest request;
  request.set_request_id(key);
  return request;
}

google::rpc::BadRequest BadRequestOf(const absl::Status& status) {
  google::rpc::BadRequest bad_request;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload) bad_request.ParseFromString(std::string(*payload));
  return bad_request;
}

TEST(ReadKeyTest, TakesTheKeyFromTheRequestOrTheMetadata) {
  const FakeDefinition definition;
  EXPECT_EQ(*ReadKey(definition, WithKey("k-1"), std::nullopt), "k-1");
  EXPECT_EQ(*ReadKey(definition, WithKey(""), "k_2"), "k_2");
  EXPECT_EQ(*ReadKey(definition, WithKey(""), "\"quoted\""), "quoted");
  EXPECT_EQ(*ReadKey(definition, WithKey("same"), "\"same\""), "same");
}

TEST(ReadKeyTest, TwoDifferentKeysAreRefused) {
  const auto key = ReadKey(FakeDefinition(), WithKey("a"), "b");
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(key.status()).reason, "INVALID_REQUEST");
  ASSERT_EQ(BadRequestOf(key.status()).field_violations_size(), 1);
  EXPECT_EQ(BadRequestOf(key.status()).field_violations(0).field(), "request_id");
}

TEST(ReadKeyTest, AMissingKeyNamesTheField) {
  const auto key = ReadKey(FakeDefinition(), WithKey(""), std::nullopt);
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(key.status()).reason, "KEY_MISSING");
  EXPECT_EQ(GetErrorInfo(key.status()).domain, "saga.unwind");
  EXPECT_EQ(key.status().message(), "an idempotency key is required: set request_id, or metadata idempotency-key");
  ASSERT_EQ(BadRequestOf(key.status()).field_violations_size(), 1);
  EXPECT_EQ(BadRequestOf(key.status()).field_violations(0).field(), "request_id");
}

TEST(CheckFieldsTest, AnEnumValueOfANewerClientIsPassedOn) {
  PlaceOrderRequest request = WithKey("k");
  request.set_member_id("kim");
  auto* item = request.add_items();
  item->set_product_id("lamp");
  item->set_quantity(1);
  request.set_payment_method(static_cast<shop::type::v1::PaymentMethod>(77));
  EXPECT_EQ(CheckFields(FakeDefinition(), request, std::nullopt), absl::OkStatus());
}

TEST(CheckFieldsTest, NamesAMissingKeyOnlyBesideOtherFields) {
  PlaceOrderRequest request = WithKey("");
  request.set_member_id("m-1");
  request.add_items()->set_product_id("p-1");
  request.mutable_items(0)->set_quantity(1);
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
  EXPECT_TRUE(CheckFields(FakeDefinition(), request, std::nullopt).ok());
  request.clear_member_id();
  const auto fields = [&](const FakeDefinition& definition, const std::optional<std::string>& metadata) {
    const absl::Status status = CheckFields(definition, request, metadata);
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
    std::vector<std::string> named;
    const google::rpc::BadRequest bad_request = BadRequestOf(status);
    for (const auto& violation : bad_request.field_violations()) named.push_back(violation.field());
    return named;
  };
  const std::vector<std::string> both = {"request_id", "member_id"}, one = {"member_id"};
  EXPECT_EQ(fields(FakeDefinition(), std::nullopt), both);
  EXPECT_EQ(fields(FakeDefinition(), "k-1"), one);
  EXPECT_EQ(fields(FakeDefinition(false), std::nullopt), one);
  FakeDefinition whose_key_is_named;
  whose_key_is_named.key_field_ = "member_id";
  EXPECT_EQ(fields(whose_key_is_named, std::nullopt), one);
  request.set_request_id("k-1");
  EXPECT_EQ(fields(FakeDefinition(), std::nullopt), one);
}

TEST(ReadKeyTest, MayBeMissingWhereTheDefinitionAllowsIt) {
  const auto key = ReadKey(FakeDefinition(false), WithKey(""), std::nullopt);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(*key, "");
}

TEST(ReadKeyTest, ForeignCharactersAndLengthAreRefused) {
  const std::vector<std::string> bad = {"a b", "a/b", "키", std::string(65, 'a'), "", "\"\""};
  for (const std::string& value : bad) {
    const auto key = ReadKey(FakeDefinition(false), WithKey(""), value);
    EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument) << value;
    EXPECT_EQ(BadRequestOf(key.status()).field_violations(0).field(), "idempotency-key") << value;
  }
  EXPECT_EQ(ReadKey(FakeDefinition(), WithKey("a b"), std::nullopt).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(ReadKey(FakeDefinition(), WithKey(std::string(64, 'a')), std::nullopt).ok());
}

TEST(AnswerByTest, LeavesTenPercentButAtMostHalfASecond) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(AnswerBy(now, now + absl::Seconds(2), absl::Seconds(30)), now + absl::Milliseconds(1800));
  EXPECT_EQ(AnswerBy(now, now + absl::Seconds(30), absl::Seconds(30)), now + absl::Milliseconds(29500));
  EXPECT_EQ(AnswerBy(now, now + absl::Seconds(600), absl::Seconds(30)), now + absl::Seconds(594));
  EXPECT_EQ(AnswerBy(now, absl::InfiniteFuture(), absl::Seconds(30)), now + absl::Seconds(30));
  EXPECT_EQ(AnswerBy(now, now - absl::Seconds(1), absl::Seconds(30)), now - absl::Seconds(1));
}

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class AnswerTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(catalog_.Add(std::make_shared<FakeDefinition>()).ok()); }

  Progress In(SagaState state) {
    Progress progress;
    progress.saga.id = "s-1";
    progress.saga.definition = "place-order";
    progress.saga.definition_version = 3;
    progress.saga.steps.resize(1);
    progress.saga.state = state;
    progress.saga.failure.reason = "STOCK_NOT_ENOUGH";
    return progress;
  }

  DefinitionCatalog catalog_;
};

TEST_F(AnswerTest, ACompletedSagaIsItsResponse) {
  shop::checkout::v1::PlaceOrderResponse response;
  const auto bytes = Answer(catalog_, In(SagaState::kCompleted), kNow);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_TRUE(response.ParseFromString(*bytes));
  EXPECT_EQ(response.order_id(), "s-1");
}

TEST_F(AnswerTest, AnAbortedSagaIsItsError) {
  const auto answer = Answer(catalog_, In(SagaState::kAborted), kNow);
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(GetErrorInfo(answer.status()).reason, "STOCK_NOT_ENOUGH");
}

TEST_F(AnswerTest, AnUnfinishedSagaIsUnavailableAndMayBeAskedAgain) {
  for (const SagaState state : {SagaState::kRunning, SagaState::kCompensating, SagaState::kParked}) {
    const auto answer = Answer(catalog_, In(state), kNow);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
    const ErrorInfo info = GetErrorInfo(answer.status());
    EXPECT_EQ(info.reason, "SAGA_RUNNING");
    EXPECT_EQ(info.metadata.at("saga_id"), "s-1");
    EXPECT_EQ(info.metadata.count("state"), state == SagaState::kParked ? 1u : 0u);
    EXPECT_EQ(info.metadata.count("saga_reason"), state == SagaState::kParked ? 1u : 0u);
    EXPECT_TRUE(answer.status().GetPayload("type.googleapis.com/google.rpc.RetryInfo"));
  }
}

// A saga that is parked past its pivot has taken the money, one that is parked while it goes back gives it back.
TEST_F(AnswerTest, AnUnfinishedSagaSaysWhichWayItGoes) {
  for (const SagaState state : {SagaState::kRunning, SagaState::kCompensating, SagaState::kParked}) {
    Progress progress = In(state);
    EXPECT_EQ(GetErrorInfo(Answer(catalog_, progress, kNow).status()).metadata["direction"], "FORWARD");
    progress.saga.backward = true;
    EXPECT_EQ(GetErrorInfo(Answer(catalog_, progress, kNow).status()).metadata["direction"], "BACKWARD");
  }
}

TEST_F(AnswerTest, TheCallerOfAnUnfinishedSagaIsToldToComeAgainWhenItMayHaveMoved) {
  Progress progress = In(SagaState::kRunning);
  Step& step = progress.saga.steps[0];
  const auto pause = [&] { return GetRetryAfter(Answer(catalog_, progress, kNow).status()); };
  step.state = StepState::kInFlight;
  step.awaiting = true;
  EXPECT_EQ(pause(), absl::Milliseconds(200)) << "its call is out";
  step.awaiting = false;
  step.wake_at = kNow + absl::Seconds(7);
  EXPECT_EQ(pause(), absl::Seconds(7));
  progress.saga.deadline = kNow + absl::Seconds(3);
  EXPECT_EQ(pause(), absl::Seconds(3)) << "then it goes back";
  progress.saga.deadline = absl::InfiniteFuture();
  step.wake_at = kNow + absl::Hours(1);
  EXPECT_EQ(pause(), absl::Seconds(30));
  step.wake_at = kNow - absl::Seconds(1);
  EXPECT_EQ(pause(), absl::Milliseconds(200));
  progress.saga.definition_version = 9;  // of an instance that knows it
  step.wake_at = kNow + absl::Seconds(7);
  EXPECT_EQ(pause(), absl::Seconds(7));
}

// A caller that comes again at once does so for ever: an operator must give the instance what it lacks.
TEST_F(AnswerTest, TheCallerOfASagaThatNobodyDrivesIsToldToComeAgainLater) {
  Progress progress = In(SagaState::kRunning);
  progress.saga.steps[0].awaiting = true;
  EXPECT_LT(GetRetryAfter(Answer(catalog_, progress, kNow).status()), absl::Seconds(1));
  progress.undriven = true;
  const absl::Status status = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(GetErrorInfo(status).reason, "SAGA_RUNNING");
  EXPECT_EQ(GetErrorInfo(status).metadata.at("state"), "NOT_DRIVEN");
  EXPECT_EQ(GetRetryAfter(status), absl::Seconds(30));
}

TEST_F(AnswerTest, ASagaThatGoesBackSaysWhyAndEndsTheCallOnlyWhereTheDefinitionSaysSo) {
  Progress progress = In(SagaState::kCompensating);
  progress.saga.backward = true;
  const absl::Status running = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(GetErrorInfo(running).reason, "SAGA_RUNNING");
  EXPECT_EQ(GetErrorInfo(running).metadata["saga_reason"], "STOCK_NOT_ENOUGH");
  Progress unknown = progress;
  unknown.saga.failure.reason = "OUTCOME_UNKNOWN";
  EXPECT_EQ(GetErrorInfo(Answer(catalog_, unknown, kNow).status()).metadata["saga_reason"], "STEP_FAILED");

  auto at_decided = std::make_shared<FakeDefinition>();
  at_decided->plan_.answer_at_decided = true;
  at_decided->plan_.version = progress.saga.definition_version = 4;
  ASSERT_TRUE(catalog_.Add(at_decided).ok());
  const absl::Status decided = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(decided.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(GetErrorInfo(decided).reason, "STOCK_NOT_ENOUGH");
}

TEST_F(AnswerTest, ASagaIsAnsweredForNowOnlyWhileItGoesForward) {
  Progress progress = In(SagaState::kRunning);
  auto early = std::make_shared<FakeDefinition>();
  early->plan_.answer_after = 0;
  early->plan_.version = progress.saga.definition_version = 4;
  ASSERT_TRUE(catalog_.Add(early).ok());
  progress.saga.steps.resize(1);
  progress.saga.steps[0].state = StepState::kInFlight;
  EXPECT_EQ(GetErrorInfo(Answer(catalog_, progress, kNow).status()).reason, "SAGA_RUNNING");
  progress.saga.steps[0].state = StepState::kSucceeded;
  EXPECT_EQ(Answer(catalog_, progress, kNow).value(), "for now");
  progress.saga.backward = true;
  progress.saga.state = SagaState::kCompensating;
  const absl::Status back = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(GetErrorInfo(back).reason, "SAGA_RUNNING");
  EXPECT_EQ(GetErrorInfo(back).metadata["saga_reason"], "STOCK_NOT_ENOUGH");
}

// Its response would be read from steps that the row has not.
TEST_F(AnswerTest, ASagaThatHasNotTheStepsOfItsDefinitionIsNotAnswered) {
  for (const std::size_t steps : {0U, 2U}) {
    Progress progress = In(SagaState::kCompleted);
    progress.saga.steps.resize(steps);
    const absl::Status status = Answer(catalog_, progress, kNow).status();
    EXPECT_EQ(GetErrorInfo(status).reason, "DEFINITION_UNUSABLE");
    EXPECT_EQ(GetRetryAfter(status), absl::ZeroDuration()) << "to ask again is of no use";
  }
}

TEST_F(AnswerTest, ARefusedAdmissionIsPassedOn) {
  Progress progress;
  progress.status = MakeError(absl::StatusCode::kResourceExhausted, "full", {"OVERLOADED", "saga.unwind", {}});
  EXPECT_EQ(Answer(catalog_, progress, kNow).status(), progress.status);
}

TEST_F(AnswerTest, ASagaOfADefinitionThatIsNotLearntYetMayBeAskedForAgain) {
  Progress progress = In(SagaState::kCompleted);
  progress.saga.definition_version = 4;
  const absl::Status status = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_GT(GetRetryAfter(status), absl::ZeroDuration());
}

TEST_F(AnswerTest, AFinishedSagaIsAnsweredByADefinitionThatCannotBeDrivenHere) {
  auto to_read = std::make_shared<FakeDefinition>();
  to_read->plan_.version = 4;
  ASSERT_TRUE(catalog_.Add(to_read, Use::kRead).ok());
  Progress progress = In(SagaState::kCompleted);
  progress.saga.definition_version = 4;
  EXPECT_TRUE(Answer(catalog_, progress, kNow).ok());
  progress.saga.state = SagaState::kAborted;
  EXPECT_EQ(GetErrorInfo(Answer(catalog_, progress, kNow).status()).reason, "STOCK_NOT_ENOUGH");
}

TEST_F(AnswerTest, ASagaOfADefinitionThatIsNeverLearntIsNotAskedForAgain) {
  Progress progress = In(SagaState::kCompleted);
  progress.saga.definition_version = 4;
  catalog_.GiveUp("place-order", 4, "it does not load");
  const absl::Status status = Answer(catalog_, progress, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(status).reason, "DEFINITION_UNUSABLE");
  EXPECT_EQ(GetRetryAfter(status), absl::ZeroDuration());
}

}  // namespace
}  // namespace unwind
