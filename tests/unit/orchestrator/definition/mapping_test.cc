// Requests and responses, byte by byte.
#include <gmock/gmock.h>

#include "orchestrator/definition/mapping.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "shop/coupon/v1/coupon_service.pb.h"
#include "shop/order/v1/order_service.pb.h"
#include "shop/payment/v1/payment_service.pb.h"
#include "shop/stock/v1/stock_service.pb.h"
#include "shop/wallet/v1/wallet_service.pb.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using google::protobuf::TextFormat;

template <typename Message>
std::string Bytes(const std::string& text) {
  Message message;
  EXPECT_TRUE(TextFormat::ParseFromString(text, &message)) << text;
  return message.SerializeAsString();
}

// A placed order whose stock is reserved and whose charge is done.
Saga PaidSaga(const Definition& definition) {
  Saga saga = NewSaga(definition);
  saga.input = Bytes<shop::checkout::v1::PlaceOrderRequest>(R"(
      request_id: "r" member_id: "kim" payment_method: PAYMENT_METHOD_CARD
      items { product_id: "lamp" quantity: 2 } items { product_id: "desk" quantity: 1 })");
  saga.steps[1].reply = Bytes<shop::stock::v1::ReserveResponse>(
      R"(reservation_id: "0190-saga" total { minor_units: 30000 currency_code: "KRW" })");
  saga.steps[4].reply = Bytes<shop::payment::v1::ChargeResponse>(R"(payment_id: "pay-1" pg_transaction_id: "pg-1")");
  return saga;
}

TEST(Requests, AreBuiltFromTheRow) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const Saga saga = PaidSaga(*definition);
  EXPECT_EQ(*definition->Request(saga, 0, Phase::kAction), Bytes<shop::order::v1::CreateOrderRequest>(R"(
      order_id: "0190-saga" member_id: "kim"
      items { product_id: "lamp" quantity: 2 } items { product_id: "desk" quantity: 1 })"));
  EXPECT_EQ(*definition->Request(saga, 4, Phase::kAction), Bytes<shop::payment::v1::ChargeRequest>(R"(
      payment_id: "0190-saga" member_id: "kim" amount { minor_units: 30000 currency_code: "KRW" }
      method: PAYMENT_METHOD_CARD)"));
  EXPECT_EQ(*definition->Request(saga, 4, Phase::kResolve), *definition->Request(saga, 4, Phase::kAction));
  EXPECT_EQ(*definition->Request(saga, 8, Phase::kAction), Bytes<shop::order::v1::ConfirmOrderRequest>(R"(
      order_id: "0190-saga" payment_id: "pay-1" total { minor_units: 30000 currency_code: "KRW" })"));
}

// What is due is said by the last of those who hold something.
TEST(Requests, TakeWhatTheCouponAndTheWalletLeaveToPay) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  Saga saga = PaidSaga(*definition);
  saga.input = Bytes<shop::checkout::v1::PlaceOrderRequest>(
      R"(member_id: "kim" coupon_id: "c" wallet { points { minor_units: 500 currency_code: "KRW" } })");
  const auto due = [&](int step) {
    const std::string request = definition->Request(saga, step, Phase::kAction).value();
    if (step == 3) {
      shop::wallet::v1::HoldRequest hold;
      EXPECT_TRUE(hold.ParseFromString(request));
      return hold.total().minor_units();
    }
    shop::payment::v1::ChargeRequest charge;
    EXPECT_TRUE(charge.ParseFromString(request));
    return charge.amount().minor_units();
  };
  EXPECT_EQ(due(3), 30000);
  saga.steps[2].reply = Bytes<shop::coupon::v1::HoldResponse>(
      R"(discount { minor_units: 3000 currency_code: "KRW" } due { minor_units: 27000 currency_code: "KRW" })");
  EXPECT_EQ(due(3), 27000);
  EXPECT_EQ(due(4), 27000);
  saga.steps[3].reply = Bytes<shop::wallet::v1::HoldResponse>(R"(
      points { minor_units: 27000 currency_code: "KRW" } balance { currency_code: "KRW" } due { currency_code: "KRW" })");
  EXPECT_EQ(due(4), 0) << "nothing due is an amount, not a missing one";
  saga.state = SagaState::kCompleted;
  EXPECT_EQ(*definition->Response(saga), Bytes<shop::checkout::v1::PlaceOrderResponse>(R"(
      order_id: "0190-saga" state: STATE_PAID total { minor_units: 30000 currency_code: "KRW" }
      discount { minor_units: 3000 currency_code: "KRW" } points { minor_units: 27000 currency_code: "KRW" }
      balance { currency_code: "KRW" } charged { currency_code: "KRW" })"));
}

TEST(Requests, OfACompensationCarryTheFailure) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  Saga saga = PaidSaga(*definition);
  saga.failure.reason = "STOCK_NOT_ENOUGH";
  EXPECT_EQ(*definition->Request(saga, 0, Phase::kCompensation),
            Bytes<shop::order::v1::RejectOrderRequest>(R"(order_id: "0190-saga" reason: "STOCK_NOT_ENOUGH")"));
  EXPECT_EQ(*definition->Request(saga, 1, Phase::kCompensation),
            Bytes<shop::stock::v1::ReleaseRequest>(R"(reservation_id: "0190-saga")"));
}

TEST(Requests, CutAFailureToWhatTheFieldTakes) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  Saga saga = NewSaga(*definition);
  saga.failure.reason = std::string(255, 'A') + "\xEA\xB0\x80";  // the last character does not fit in 256 bytes
  shop::order::v1::RejectOrderRequest request;
  ASSERT_TRUE(request.ParseFromString(*definition->Request(saga, 0, Phase::kCompensation)));
  EXPECT_EQ(request.reason(), std::string(255, 'A')) << "or RejectOrder would refuse it for ever";
}

TEST(Requests, OfTheSameRowAreTheSame) {
  const auto definition = LoadShop("place_order.yaml");
  const auto again = LoadShop("place_order.yaml");
  ASSERT_NE(again, nullptr);
  const Saga saga = PaidSaga(*definition);
  for (int step = 0; step < 9; ++step) {
    EXPECT_EQ(*definition->Request(saga, step, Phase::kAction), *again->Request(saga, step, Phase::kAction));
  }
}

TEST(Requests, SayWhichStoredMessageIsBroken) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  Saga saga = PaidSaga(*definition);
  saga.steps[1].reply = "\xFF";
  EXPECT_EQ(definition->Request(saga, 4, Phase::kAction).status(),
            absl::InternalError("saga 0190-saga: the stored reply of step 1 is not a shop.stock.v1.ReserveResponse"));
  saga.input = "\xFF";
  EXPECT_EQ(definition->Request(saga, 0, Phase::kAction).status(),
            absl::InternalError("saga 0190-saga: the stored input is not a shop.checkout.v1.PlaceOrderRequest"));
}

TEST(Response, IsBuiltFromTheRow) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  Saga saga = PaidSaga(*definition);
  saga.state = SagaState::kCompleted;
  EXPECT_EQ(*definition->Response(saga), Bytes<shop::checkout::v1::PlaceOrderResponse>(R"(
      order_id: "0190-saga" state: STATE_PAID total { minor_units: 30000 currency_code: "KRW" }
      charged { minor_units: 30000 currency_code: "KRW" })"));
}

TEST(Response, OfTheOtherSagasIsBuiltToo) {
  const auto cancel = LoadShop("cancel_order.yaml");
  ASSERT_NE(cancel, nullptr);
  Saga saga = NewSaga(*cancel);
  saga.state = SagaState::kCompleted;
  saga.input = Bytes<shop::checkout::v1::CancelOrderRequest>(R"(order_id: "o-1" member_id: "kim")");
  saga.steps[0].reply = Bytes<shop::order::v1::StartCancelResponse>(
      R"(payment_id: "pay-1" total { minor_units: 5 currency_code: "USD" })");
  EXPECT_EQ(*cancel->Request(saga, 2, Phase::kAction),
            Bytes<shop::payment::v1::RefundRequest>(R"(refund_id: "0190-saga" payment_id: "pay-1")"));
  saga.steps[1].reply =
      Bytes<shop::wallet::v1::TakeBackResponse>(R"(keep_from_refund { minor_units: 2 currency_code: "USD" })");
  EXPECT_EQ(*cancel->Request(saga, 2, Phase::kAction), Bytes<shop::payment::v1::RefundRequest>(R"(
      refund_id: "0190-saga" payment_id: "pay-1" keep { minor_units: 2 currency_code: "USD" })"));
  saga.steps[2].reply = Bytes<shop::payment::v1::RefundResponse>(R"(refunded { minor_units: 3 currency_code: "USD" })");
  saga.steps[5].reply =
      Bytes<shop::wallet::v1::ReturnSettledResponse>(R"(points { minor_units: 7 currency_code: "USD" })");
  EXPECT_EQ(*cancel->Response(saga), Bytes<shop::checkout::v1::CancelOrderResponse>(R"(
      order_id: "o-1" state: STATE_CANCELLED refunded { minor_units: 3 currency_code: "USD" }
      points { minor_units: 7 currency_code: "USD" })"));
  const auto reset = LoadShop("reset.yaml");
  ASSERT_NE(reset, nullptr);
  EXPECT_EQ(*reset->Request(NewSaga(*reset), 0, Phase::kAction), "");
}

// One step that copies messages of every kind: `mapping` is its request, `input` a lab.v1.RunRequest in text format.
std::string Copied(const std::string& mapping, const std::string& input) {
  const auto definition = LoadText(absl::StrCat(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - name: copy
    action: lab.v1.Parts/Copy
    compensation: none
    request: )",
                                                mapping, "\nresponse: {}\n"));
  if (definition == nullptr) return "it does not load";
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.input = texts.Bytes("lab.v1.RunRequest", input);
  const auto bytes = definition->Request(saga, 0, Phase::kAction);
  if (!bytes.ok()) return bytes.status().ToString();
  return texts.Text("lab.v1.Everything", *bytes);
}

TEST(Copies, EveryType) {
  const std::string all =
      R"(text: "t" raw: "\377" yes: true small: -1 big: -2 small_positive: 3 big_positive: 4 rough: 1.5 fine: 2.5 )"
      R"(color: PART_COLOR_BLUE size: SIZE_LARGE part { name: "p" inner { weight: 9 } } words: "a" words: "b" )"
      R"(parts { name: "x" } parts { name: "y" } counts { key: "k" value: 1 } named { key: "n" value { name: "q" } } )"
      R"(maybe: 0 by_number: 0 pause { seconds: 5 } numbers: 1 numbers: 2 colors: PART_COLOR_RED flags: true )"
      R"(fractions: 0.5 rough_fractions: 0.25 positives: 7 big_positives: 8 bigs: -9)";
  std::string mapping = "{ ";
  for (const char* field :
       {"text",      "raw",           "yes",   "small",   "big",    "small_positive", "big_positive", "rough",
        "fine",      "color",         "size",  "part",    "words",  "parts",          "counts",       "named",
        "maybe",     "by_number",     "pause", "numbers", "colors", "flags",          "fractions",    "rough_fractions",
        "positives", "big_positives", "bigs"}) {
    absl::StrAppend(&mapping, field, ": input.all.", field, ", ");
  }
  absl::StrAppend(&mapping, "}");
  EXPECT_EQ(Copied(mapping, absl::StrCat("all { ", all, " }")), all);
  EXPECT_EQ(Copied(mapping, ""), "") << "what is not set stays unset";
}

TEST(Copies, WholeMessagesOfOneMapIntoAnother) {
  EXPECT_EQ(Copied("{ more_named: input.all.named }", R"(all { named { key: "n" value { name: "q" weight: 3 } } })"),
            R"(more_named { key: "n" value { name: "q" weight: 3 } })");
}

TEST(Copies, WriteMapsInOneOrder) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: a, action: lab.v1.Parts/Copy, request: { counts: input.all.counts }, compensation: none }
response: { all: input.all }
)");
  ASSERT_NE(definition, nullptr);
  Texts texts;
  Saga saga = NewSaga(*definition);
  std::string entries;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&entries, "counts { key: 'k", i * 7919 % 100, "' value: ", i, " } ");
  saga.input = texts.Bytes("lab.v1.RunRequest", absl::StrCat("all { ", entries, " }"));
  const std::string request = *definition->Request(saga, 0, Phase::kAction);
  const std::string response = *definition->Response(saga);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(*definition->Request(saga, 0, Phase::kAction), request);
    EXPECT_EQ(*definition->Response(saga), response);
  }
  EXPECT_EQ(texts.Text("lab.v1.Everything", request),
            texts.Text("lab.v1.Everything", texts.Bytes("lab.v1.Everything", entries)));
}

TEST(Copies, OfAOneofTheMemberThatIsSet) {
  const std::string members = "{ by_name: input.all.by_name, by_number: input.all.by_number }";
  EXPECT_EQ(Copied(members, R"(all { by_name: "n" })"), R"(by_name: "n")");
  EXPECT_EQ(Copied(members, "all { by_number: 0 }"), "by_number: 0") << "set, though to its default";
  EXPECT_EQ(Copied(members, "all { }"), "");
  EXPECT_EQ(Copied("{ by_number: input.all.by_number, by_name: input.all.by_name }", R"(all { by_name: "" })"),
            R"(by_name: "")");
}

TEST(Literals, OfEveryType) {
  EXPECT_EQ(
      Copied(R"({ text: "input.all.text", raw: abc, yes: true, small: -5, big: 9000000000, small_positive: 6,
              big_positive: 18446744073709551615, rough: 1.5, fine: -2.5e3, color: RED, size: "SIZE_LARGE", maybe: 0 })",
             ""),
      R"(text: "input.all.text" raw: "abc" yes: true small: -5 big: 9000000000 small_positive: 6 )"
      R"(big_positive: 18446744073709551615 rough: 1.5 fine: -2500 color: PART_COLOR_RED size: SIZE_LARGE maybe: 0)");
  EXPECT_EQ(Copied("{ text: 'copy', short_text: plain }", ""), R"(text: "copy" short_text: "plain")")
      << "a quoted word is a literal, even if a step has that name";
}

TEST(NestedMaps, BuildMessages) {
  EXPECT_EQ(Copied("{ part: { name: saga.key, weight: 4, inner: { name: input.coupon } }, pause: { seconds: 2 } }",
                   R"(coupon: "c")"),
            R"(part { name: "key-1" weight: 4 inner { name: "c" } } pause { seconds: 2 })");
  EXPECT_EQ(Copied("{ part: { name: input.coupon } }", ""), "part { }") << "it is there, whatever is in it";
}

TEST(FirstOf, TakesTheFirstThatIsSet) {
  const std::string mapping = "{ text: { first_of: [input.coupon, input.all.text, \"none\"] } }";
  EXPECT_EQ(Copied(mapping, R"(coupon: "c" all { text: "t" })"), R"(text: "c")");
  EXPECT_EQ(Copied(mapping, R"(all { text: "t" })"), R"(text: "t")");
  EXPECT_EQ(Copied(mapping, ""), R"(text: "none")");
  EXPECT_EQ(Copied("{ maybe: { first_of: [input.all.maybe, 3] } }", "all { maybe: 0 }"), "maybe: 0")
      << "an optional field is set when it is present, whatever it holds";
  EXPECT_EQ(Copied("{ text: { first_of: [input.coupon] } }", ""), "");
}

TEST(FirstOf, PassesOverStepsThatWereSkipped) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: a, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, when: input.coupon }
  - { name: b, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
response: { id: { first_of: [a.part_id, b.part_id] } }
)");
  ASSERT_NE(definition, nullptr);
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.state = SagaState::kCompleted;
  saga.steps[0].state = StepState::kSkipped;
  saga.steps[1].reply = texts.Bytes("lab.v1.MakeResponse", R"(part_id: "of b")");
  EXPECT_EQ(*definition->Response(saga), texts.Bytes("lab.v1.RunResponse", R"(id: "of b")"));
  saga.steps[0].state = StepState::kSucceeded;
  saga.steps[0].reply = texts.Bytes("lab.v1.MakeResponse", R"(part_id: "of a")");
  EXPECT_EQ(*definition->Response(saga), texts.Bytes("lab.v1.RunResponse", R"(id: "of a")"));
}

TEST(Compensation, MayReadItsOwnReply) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - name: make
    action: lab.v1.Parts/Make
    request: { id: saga.id }
    compensation: lab.v1.Parts/Unmake
    compensation_request: { id: saga.id, part_id: make.part_id, why: saga.failure.message }
response: {}
)");
  ASSERT_NE(definition, nullptr);
  EXPECT_TRUE(definition->plan().steps[0].compensation_reads_own_reply);
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.steps[0].reply = texts.Bytes("lab.v1.MakeResponse", R"(part_id: "p-9")");
  saga.failure.message = "no \xFF more";
  EXPECT_EQ(*definition->Request(saga, 0, Phase::kCompensation),
            texts.Bytes("lab.v1.UnmakeRequest", R"(id: "0190-saga" part_id: "p-9" why: "no ? more")"));
}

TEST(Compensation, OfAnIdentifierTakesAnyReason) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - name: make
    action: lab.v1.Parts/Make
    request: { id: saga.id }
    compensation: lab.v1.Parts/Unmake
    compensation_request: { id: saga.id, why_code: saga.failure.reason, why: saga.failure.reason }
response: {}
)");
  ASSERT_NE(definition, nullptr);
  Saga saga = NewSaga(*definition);
  saga.failure.reason = absl::StrCat("no more, \xEA\xB0\x80", std::string(100, 'x'));
  const std::string cut = absl::StrCat("no_more_____", std::string(52, 'x'));
  EXPECT_EQ(Texts().Text("lab.v1.UnmakeRequest", *definition->Request(saga, 0, Phase::kCompensation)),
            absl::StrCat(R"(id: "0190-saga" why: "no more, \352\260\200)", std::string(100, 'x'), R"(" why_code: ")",
                         cut, "\""));
}

TEST(Resolve, MayHaveItsOwnRequest) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - name: ship
    kind: pivot
    action: lab.v1.Parts/Ship
    request: { id: saga.id, part_id: input.coupon }
    resolve: lab.v1.Parts/AskShipById
    resolve_request: { id: saga.key }
response: { id: ship.parcel_id }
)");
  ASSERT_NE(definition, nullptr);
  Texts texts;
  EXPECT_EQ(*definition->Request(NewSaga(*definition), 0, Phase::kResolve),
            texts.Bytes("lab.v1.UnmakeRequest", R"(id: "key-1")"));
}

}  // namespace
}  // namespace unwind
