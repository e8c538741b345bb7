// The shop's own definitions: what is loaded from them.
#include <gmock/gmock.h>

#include "absl/strings/str_replace.h"
#include "google/rpc/code.pb.h"
#include "orchestrator/core/reading.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PlaceOrder, HasThePlanOfItsFile) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const Plan& plan = definition->plan();
  EXPECT_EQ(plan.name, "place-order");
  EXPECT_EQ(plan.version, 2);
  EXPECT_EQ(plan.deadline, absl::Seconds(30));
  EXPECT_EQ(plan.refusals_max, 5);
  ASSERT_EQ(plan.steps.size(), 9u);
  EXPECT_EQ(plan.steps[0].name, "create_order");
  EXPECT_EQ(plan.steps[0].kind, StepKind::kCompensatable);
  EXPECT_TRUE(plan.steps[0].has_compensation);
  EXPECT_FALSE(plan.steps[0].compensation_reads_own_reply);
  EXPECT_FALSE(plan.steps[0].has_resolve);
  EXPECT_EQ(plan.steps[0].when, nullptr);
  EXPECT_THAT(plan.steps[0].after, IsEmpty());
  EXPECT_THAT(plan.steps[1].after, ElementsAre(0));
  EXPECT_EQ(plan.steps[1].retry.attempts, 5);
  EXPECT_EQ(plan.steps[1].retry.backoff, absl::Milliseconds(100));
  EXPECT_EQ(plan.steps[1].retry.cap, absl::Seconds(5));
  EXPECT_EQ(plan.steps[1].timeout, absl::Seconds(2));
  EXPECT_EQ(plan.steps[4].kind, StepKind::kPivot);
  EXPECT_TRUE(plan.steps[4].has_resolve);
  EXPECT_FALSE(plan.steps[4].has_compensation);
  for (std::size_t confirm = 5; confirm < 9; ++confirm) {
    EXPECT_EQ(plan.steps[confirm].kind, StepKind::kRetriable);
    EXPECT_THAT(plan.steps[confirm].after, ElementsAre(4)) << "all confirm at once";
  }
}

TEST(PlaceOrder, SkipsWhatAnOrderDoesNotHave) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const std::vector<StepPlan>& steps = definition->plan().steps;
  Texts texts;
  const auto runs = [&](const char* input) {
    Saga saga = NewSaga(*definition);
    saga.input = texts.Bytes("shop.checkout.v1.PlaceOrderRequest", input);
    std::vector<std::string> names;
    for (const StepPlan& step : steps) {
      if (step.when && step.when(saga)) names.push_back(step.name);
    }
    return names;
  };
  EXPECT_THAT(runs(""), IsEmpty());
  EXPECT_THAT(runs("coupon_id: 'c'"), ElementsAre("hold_coupon", "use_coupon"));
  EXPECT_THAT(runs("wallet {}"), ElementsAre("hold_wallet", "settle_wallet"));
}

TEST(PlaceOrder, NamesItsMethods) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  EXPECT_EQ(definition->serves()->full_name(), "shop.checkout.v1.CheckoutService.PlaceOrder");
  EXPECT_EQ(definition->methods(1).path(Phase::kAction), "/shop.stock.v1.StockService/Reserve");
  EXPECT_EQ(definition->methods(1).path(Phase::kCompensation), "/shop.stock.v1.StockService/Release");
  EXPECT_EQ(definition->methods(1).path(Phase::kResolve), "");
  EXPECT_EQ(definition->methods(4).path(Phase::kResolve), "/shop.payment.v1.PaymentService/ResolveCharge");
  EXPECT_EQ(definition->methods(4).path(Phase::kCompensation), "");
}

TEST(PlaceOrder, ReadsItsKeyFromTheRequest) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  EXPECT_TRUE(definition->key_required());
  EXPECT_EQ(definition->key_field(), "request_id");
  shop::checkout::v1::PlaceOrderRequest request;
  const auto input = definition->NewInput();
  EXPECT_EQ(definition->Key(*input), "");
  request.set_request_id("order-7");
  ASSERT_TRUE(input->ParseFromString(request.SerializeAsString()));
  EXPECT_EQ(definition->Key(*input), "order-7");
}

TEST(CancelOrder, RefundsPastNoReturnAndPutsBack) {
  const auto definition = LoadShop("cancel_order.yaml");
  ASSERT_NE(definition, nullptr);
  const Plan& plan = definition->plan();
  ASSERT_EQ(plan.steps.size(), 7u);
  EXPECT_EQ(plan.steps[0].kind, StepKind::kCompensatable);
  EXPECT_EQ(plan.steps[1].name, "take_back");
  EXPECT_EQ(plan.steps[1].kind, StepKind::kCompensatable) << "what it keeps is known before the refund";
  EXPECT_EQ(plan.steps[2].kind, StepKind::kPivot);
  EXPECT_TRUE(plan.steps[2].has_resolve);
  for (std::size_t back = 3; back < 7; ++back) {
    EXPECT_EQ(plan.steps[back].kind, StepKind::kRetriable);
    EXPECT_THAT(plan.steps[back].after, ElementsAre(2));
  }
  EXPECT_EQ(definition->methods(0).compensation, "/shop.order.v1.OrderService/UndoCancel");
  EXPECT_EQ(definition->methods(1).compensation, "/shop.wallet.v1.WalletService/UndoTakeBack");
}

TEST(Checkout, WaitsForItsPaymentAndAnswersMeanwhile) {
  const auto definition = LoadShop("checkout.yaml");
  ASSERT_NE(definition, nullptr);
  const Plan& plan = definition->plan();
  ASSERT_EQ(plan.steps.size(), 9u);
  const StepPlan& collect = plan.steps[4];
  EXPECT_EQ(collect.kind, StepKind::kPivot);
  EXPECT_TRUE(collect.has_resolve);
  ASSERT_TRUE(collect.pending.has_value());
  EXPECT_EQ(collect.pending->wait, absl::Minutes(15));
  EXPECT_EQ(plan.answer_after, 4);
  for (const int held : {2, 3}) EXPECT_NE(plan.steps[held].when, nullptr);
  for (const int confirms : {5, 6, 7, 8}) EXPECT_THAT(plan.steps[confirms].after, ElementsAre(4));
  for (const StepPlan& step : plan.steps) EXPECT_FALSE(step.compensation_reads_own_reply) << step.name;
}

TEST(ChargeWallet, TakesTheMoneyFirst) {
  const auto definition = LoadShop("charge_wallet.yaml");
  ASSERT_NE(definition, nullptr);
  const Plan& plan = definition->plan();
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[0].kind, StepKind::kPivot);
  EXPECT_TRUE(plan.steps[0].has_resolve);
  EXPECT_EQ(plan.steps[1].kind, StepKind::kRetriable);
}

TEST(Reset, UndoesNothingAndNeedsNoKey) {
  const auto definition = LoadShop("reset.yaml");
  ASSERT_NE(definition, nullptr);
  EXPECT_FALSE(definition->key_required());
  EXPECT_EQ(definition->key_field(), "request_id");
  for (const StepPlan& step : definition->plan().steps) {
    EXPECT_EQ(step.kind, StepKind::kCompensatable);
    EXPECT_FALSE(step.has_compensation);
  }
}

TEST(Steps, TakeOutcomesAndLimits) {
  const auto definition = LoadText(R"(
saga: lab
version: 3
serves: lab.v1.Lab/Run
refusals_max: 7
steps:
  - name: make
    action: lab.v1.Parts/Make
    request: { id: saga.id }
    compensation: none
    outcomes: { ABORTED: REFUSED, NOT_FOUND: UNKNOWN }
    timeout: 1h
    retry: { attempts: 25, backoff: 1h, cap: 24h }
response: {}
)");
  ASSERT_NE(definition, nullptr);
  EXPECT_EQ(definition->plan().version, 3);
  EXPECT_EQ(definition->plan().refusals_max, 7);
  EXPECT_EQ(definition->plan().deadline, absl::InfiniteDuration());
  EXPECT_EQ(definition->plan().steps[0].timeout, absl::Hours(1));
  EXPECT_EQ(definition->plan().steps[0].retry.cap, absl::Hours(24));
  const OutcomeOverrides expected = {{google::rpc::ABORTED, Outcome::kRefused},
                                     {google::rpc::NOT_FOUND, Outcome::kUnknown}};
  EXPECT_EQ(definition->methods(0).overrides, expected);
  EXPECT_TRUE(definition->key_required());
  EXPECT_EQ(definition->key_field(), "");
  EXPECT_EQ(definition->Key(*definition->NewInput()), "");
}

TEST(Answers, ComeWhenTheSagaIsDoneUnlessAtDecided) {
  const auto with = [](const std::string& answer) {
    return LoadText(absl::StrCat("saga: lab\nversion: 1\nserves: lab.v1.Lab/Run\n", answer, R"(
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
response: {}
)"));
  };
  EXPECT_FALSE(with("")->plan().answer_at_decided);
  EXPECT_FALSE(with("answer: { at: done }")->plan().answer_at_decided);
  EXPECT_TRUE(with("answer: { at: decided }")->plan().answer_at_decided);
}

constexpr char kEarly[] = R"(saga: t
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: copy, action: lab.v1.Parts/Copy, request: { text: input.coupon }, compensation: none }
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, when: input.coupon }
  - { name: ship, kind: pivot, action: lab.v1.Parts/Ship, request: { id: saga.id }, resolve: lab.v1.Parts/AskShip }
  - { name: tell, kind: retriable, action: lab.v1.Parts/Copy, request: { text: ship.parcel_id } }
answer: ANSWER
response: { id: ship.parcel_id }
)";

std::string Early(const std::string& answer) { return absl::StrReplaceAll(kEarly, {{"ANSWER", answer}}); }

TEST(EarlyAnswer, IsBuiltOfWhatIsKnownByThen) {
  const auto definition =
      LoadText(Early("{ after: ship, at: decided, response: { id: saga.id, all: { text: ship.parcel_id } } }"));
  EXPECT_EQ(definition->plan().answer_after, 2);
  EXPECT_TRUE(definition->plan().answer_at_decided);
  Saga saga = NewSaga(*definition);
  saga.version = 5;
  EXPECT_FALSE(IsAnsweredEarly(definition->plan(), saga));
  Texts texts;
  saga.steps[2].state = StepState::kSucceeded;
  saga.steps[2].reply = texts.Bytes("lab.v1.ShipResponse", "parcel_id: 'p'");
  EXPECT_TRUE(IsAnsweredEarly(definition->plan(), saga));
  EXPECT_EQ(texts.Text("lab.v1.RunResponse", definition->EarlyResponse(saga).value()),
            "id: \"0190-saga\" all { text: \"p\" }");
  Saga back = saga, over = saga, head = saga;
  back.backward = true;
  over.state = SagaState::kCompleted;
  head.steps.clear();
  for (const Saga& each : {back, over, head}) EXPECT_FALSE(IsAnsweredEarly(definition->plan(), each));
  EXPECT_EQ(LoadText(Early("{ at: done }"))->plan().answer_after, -1);
}

TEST(EarlyAnswer, WhatIsWrongWithItIsSaid) {
  const auto said = [](const std::string& answer) {
    const auto loaded = LoadDefinition("t.yaml", Early(answer), AllDescriptors());
    return loaded.ok() ? "" : std::string(loaded.status().message());
  };
  EXPECT_THAT(said("{ after: shp, response: { id: saga.id } }"),
              testing::HasSubstr("t.yaml:9: there is no step 'shp' to answer after; name one of the steps"));
  EXPECT_THAT(said("{ after: ship }"),
              testing::HasSubstr("t.yaml:9: nothing says what the early lab.v1.RunResponse is made of"));
  EXPECT_THAT(said("{ response: { id: saga.id } }"),
              testing::HasSubstr("t.yaml:9: the early response comes after no step"));
  EXPECT_THAT(said("{ after: copy, response: { id: ship.parcel_id } }"),
              testing::HasSubstr(
                  "t.yaml:9: the early response reads 'ship.parcel_id', but step 'ship' may not have run by then"));
  EXPECT_THAT(said("{ after: ship, response: { id: make.part_id } }"),
              testing::HasSubstr("but the step may be skipped"));
  EXPECT_THAT(said("{ after: make, response: { id: make.part_id } }"),
              testing::HasSubstr("but the step may be skipped"));
  EXPECT_THAT(said("{ after: ship, response: { id: { first_of: [make.part_id, saga.id] } } }"), "");
}

}  // namespace
}  // namespace unwind
