// What the caller of an aborted saga is told.
#include <gtest/gtest.h>

#include "common/rpc/error.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

Saga Aborted(Failure failure) {
  Saga saga;
  saga.id = "0190-saga";
  saga.state = SagaState::kAborted;
  saga.backward = true;
  saga.steps.resize(5);
  saga.failure = std::move(failure);
  return saga;
}

// Why it was undone, in the least words.
Failure Because(const std::string& reason, absl::StatusCode code) {
  Failure failure;
  failure.reason = reason;
  failure.domain = "a.domain";
  failure.code = static_cast<int>(code);
  return failure;
}

absl::Status ErrorOf(Failure failure) {
  const auto definition = LoadShop("place_order.yaml");
  return definition == nullptr ? absl::OkStatus() : definition->Error(Aborted(std::move(failure)));
}

TEST(Error, TakesItsCodeFromTheTableOfErrors) {
  const absl::Status error = ErrorOf({.reason = "STOCK_NOT_ENOUGH",
                                      .domain = "stock.shop.unwind",
                                      .code = static_cast<int>(absl::StatusCode::kFailedPrecondition),
                                      .message = "2 of lamp are left",
                                      .step = "reserve_stock",
                                      .metadata = {{"product_id", "lamp"}}});
  EXPECT_EQ(error.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(error.message(), "2 of lamp are left");
  const ErrorInfo expected{"STOCK_NOT_ENOUGH",
                           "stock.shop.unwind",
                           {{"product_id", "lamp"}, {"saga_id", "0190-saga"}, {"step", "reserve_stock"}}};
  EXPECT_EQ(GetErrorInfo(error), expected);
}

TEST(Error, FollowsTheShopsTable) {
  EXPECT_EQ(ErrorOf(Because("PAYMENT_FAILED", absl::StatusCode::kFailedPrecondition)).code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(ErrorOf(Because("PAYMENT_TIMEOUT", absl::StatusCode::kFailedPrecondition)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(Error, OfAnUnmappedRefusalKeepsItsCode) {
  EXPECT_EQ(ErrorOf(Because("PRODUCT_NOT_FOUND", absl::StatusCode::kNotFound)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorOf(Because("ORDER_ALREADY_EXISTS", absl::StatusCode::kAlreadyExists)).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(Error, OfADeadlineIsAbortedAndOfACancelCancelled) {
  const absl::Status deadline = ErrorOf(Because("SAGA_DEADLINE", absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(deadline.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(deadline.message(), "the saga was undone: SAGA_DEADLINE");
  const ErrorInfo expected{"SAGA_DEADLINE", "a.domain", {{"saga_id", "0190-saga"}}};
  EXPECT_EQ(GetErrorInfo(deadline), expected);
  EXPECT_EQ(ErrorOf(Because("SAGA_CANCELLED", absl::StatusCode::kCancelled)).code(), absl::StatusCode::kCancelled);
}

// A caller that repeats UNAVAILABLE, as most do, would repeat it for ever: the same key always finds the same saga.
TEST(Error, NeverBidsTheCallerRepeatTheCall) {
  EXPECT_EQ(ErrorOf(Because("OUTCOME_UNKNOWN", absl::StatusCode::kUnavailable)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ErrorOf(Because("QUEUE_FULL", absl::StatusCode::kResourceExhausted)).code(), absl::StatusCode::kAborted);
}

TEST(Error, NamesNoAddressOfWhatDidNotAnswer) {
  for (const char* reason : {"OUTCOME_UNKNOWN", "CONNECTION_ENDED"}) {
    const absl::Status error = ErrorOf({.reason = reason,
                                        .domain = "saga.unwind",
                                        .code = static_cast<int>(absl::StatusCode::kUnavailable),
                                        .message = "failed to connect to all addresses; last error: ipv4:10.0.0.7:7001",
                                        .step = "reserve_stock",
                                        .metadata = {}});
    EXPECT_EQ(error.message(), "undone; step reserve_stock was not answered: UNAVAILABLE");
  }
}

// "OUTCOME_UNKNOWN" reads as if the buyer might have been charged.
TEST(Error, OfAnUnknownOutcomeSaysThatAllWasUndone) {
  Failure failure = Because("OUTCOME_UNKNOWN", absl::StatusCode::kDeadlineExceeded);
  failure.step = "charge";
  const absl::Status error = ErrorOf(failure);
  EXPECT_EQ(error.message(), "undone; step charge was not answered: DEADLINE_EXCEEDED");
  EXPECT_EQ(GetErrorInfo(error).reason, "STEP_FAILED");
  EXPECT_EQ(GetErrorInfo(error).domain, "saga.unwind");
  // It answered: an exception in Python is UNKNOWN.
  failure.code = static_cast<int>(absl::StatusCode::kUnknown);
  EXPECT_EQ(ErrorOf(failure).message(), "undone; step charge failed: UNKNOWN");
}

TEST(Error, OfASagaThatIsNotUndoneYetDoesNotSayThatItIs) {
  Saga saga = Aborted(Because("OUTCOME_UNKNOWN", absl::StatusCode::kUnavailable));
  saga.state = SagaState::kCompensating;
  saga.failure.step = "charge";
  EXPECT_EQ(LoadShop("place_order.yaml")->Error(saga).message(),
            "being undone; step charge was not answered: UNAVAILABLE");
}

TEST(Error, OfAnUnknownOutcomeIsMappedByWhatIsToldAndByWhatIsStored) {
  const auto code_of = [](const std::string& errors) {
    const auto definition = LoadText(
        "saga: a\nversion: 1\nserves: lab.v1.Lab/Run\nsteps:\n  - { name: a, action: lab.v1.Parts/Make, compensation: "
        "none, request: { id: saga.id } }\nresponse: {}\nerrors: {" +
        errors + "}\n");
    Saga saga = Aborted(Because("OUTCOME_UNKNOWN", absl::StatusCode::kUnavailable));
    saga.steps.resize(1);
    return definition->Error(saga).code();
  };
  EXPECT_EQ(code_of("OUTCOME_UNKNOWN: INTERNAL"), absl::StatusCode::kInternal);
  EXPECT_EQ(code_of("STEP_FAILED: INTERNAL"), absl::StatusCode::kInternal);
  EXPECT_EQ(code_of("OUTCOME_UNKNOWN: INTERNAL, STEP_FAILED: NOT_FOUND"), absl::StatusCode::kNotFound);
}

TEST(Error, IsNeverOkNorOutsideTheCodes) {
  EXPECT_EQ(ErrorOf(Because("ODD", absl::StatusCode::kOk)).code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(ErrorOf(Because("ODD", static_cast<absl::StatusCode>(17))).code(), absl::StatusCode::kUnknown);
}

TEST(Response, OfAnAbortedSagaIsItsError) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const Saga saga = Aborted(Because("STOCK_NOT_ENOUGH", absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(definition->Response(saga).status(), definition->Error(saga));
}

}  // namespace
}  // namespace unwind
