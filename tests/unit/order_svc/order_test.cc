#include "order_svc/order.h"

#include <functional>

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::order {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(1);

CreateCall Call(const std::string& order_id, std::vector<Item> items = {{"p1", 2, false}, {"p2", 1, false}}) {
  return {.order_id = order_id, .owner = "saga/create_order", .member_id = "m1", .items = std::move(items)};
}

// An order in `state`, made by "saga/create_order" and, if it is being cancelled, cancelled by "cancel/start".
Order OrderIn(State state) {
  Order order{.order_id = "o1",
              .owner = "saga/create_order",
              .member_id = "m1",
              .items = {{"p1", 1, true}},
              .state = state,
              .total = {},
              .payment_id = "",
              .reason = "",
              .canceller = "",
              .create_time = kNow,
              .update_time = kNow};
  if (state == State::kFailed) order.reason = "STOCK_NOT_ENOUGH";
  if (state == State::kPaid || state == State::kCancelling || state == State::kCancelled) {
    order.total = {500, "KRW"};
    order.payment_id = "pay1";
  }
  if (state == State::kCancelling || state == State::kCancelled) {
    order.canceller = "cancel/start";
    order.reason = "changed my mind";
  }
  return order;
}

constexpr State kStates[] = {State::kPending, State::kPaid, State::kFailed, State::kCancelling, State::kCancelled};

void ExpectRefused(const absl::Status& status, absl::StatusCode code, absl::string_view reason,
                   const std::map<std::string, std::string>& metadata) {
  EXPECT_EQ(status.code(), code) << status;
  const ErrorInfo info = GetErrorInfo(status);
  EXPECT_EQ(info.reason, std::string(reason));
  EXPECT_EQ(info.domain, "order.shop.unwind");
  EXPECT_EQ(info.metadata, metadata);
}

// Every state that `step` does not start from: refused with this, and nothing has changed.
void ExpectRefusedUnless(const std::vector<State>& allowed, absl::string_view reason,
                         const std::function<absl::Status(std::optional<Order>&, Claims&)>& step) {
  const std::map<State, std::string> names = {{State::kPending, "PENDING"},
                                              {State::kPaid, "PAID"},
                                              {State::kFailed, "FAILED"},
                                              {State::kCancelling, "CANCELLING"},
                                              {State::kCancelled, "CANCELLED"}};
  for (const State state : kStates) {
    if (std::find(allowed.begin(), allowed.end(), state) != allowed.end()) continue;
    SCOPED_TRACE(names.at(state));
    std::optional<Order> order = OrderIn(state);
    Claims claims = {{{"m1", "p1"}, "o1"}};
    ExpectRefused(step(order, claims), absl::StatusCode::kFailedPrecondition, reason,
                  {{"order_id", "o1"}, {"state", names.at(state)}});
    EXPECT_EQ(order, OrderIn(state));
    EXPECT_EQ(claims.size(), 1u);
  }
}

TEST(IsLive, UntilItFailedOrIsCancelled) {
  EXPECT_TRUE(IsLive(State::kPending));
  EXPECT_TRUE(IsLive(State::kPaid));
  EXPECT_TRUE(IsLive(State::kCancelling));
  EXPECT_FALSE(IsLive(State::kFailed));
  EXPECT_FALSE(IsLive(State::kCancelled));
}

TEST(Create, RecordsWhoPaysLater) {
  std::optional<Order> order;
  Claims claims;
  CreateCall call = Call("o1");
  call.pays_later = true;
  ASSERT_TRUE(Create(order, claims, {}, call, kNow).ok());
  EXPECT_TRUE(order->pays_later);
  const absl::Status refused = StartCancel(order, "o1", {"cancel/start", "m1", ""}, kNow);
  ExpectRefused(refused, absl::StatusCode::kFailedPrecondition, "ORDER_IN_PROGRESS",
                {{"order_id", "o1"}, {"state", "PAYMENT_PENDING"}});
}

TEST(Create, RecordsAPendingOrder) {
  std::optional<Order> order;
  Claims claims;
  ASSERT_TRUE(Create(order, claims, {}, Call("o1"), kNow).ok());
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->order_id, "o1");
  EXPECT_EQ(order->owner, "saga/create_order");
  EXPECT_EQ(order->member_id, "m1");
  EXPECT_EQ(order->state, State::kPending);
  EXPECT_THAT(order->items, ElementsAre(Item{"p1", 2, false}, Item{"p2", 1, false}));
  EXPECT_EQ(order->create_time, kNow);
  EXPECT_EQ(order->update_time, kNow);
  EXPECT_THAT(claims, IsEmpty());
}

TEST(Create, TakenIdIsRefused) {
  for (const State state : kStates) {
    std::optional<Order> order = OrderIn(state);
    Claims claims;
    ExpectRefused(Create(order, claims, {}, Call("o1"), kLater), absl::StatusCode::kAlreadyExists, "ORDER_ID_TAKEN",
                  {{"order_id", "o1"}});
    EXPECT_EQ(order, OrderIn(state));
  }
}

TEST(Create, ALimitedProductIsClaimed) {
  std::optional<Order> order;
  Claims claims;
  ASSERT_TRUE(Create(order, claims, {"p2"}, Call("o1"), kNow).ok());
  EXPECT_THAT(order->items, ElementsAre(Item{"p1", 2, false}, Item{"p2", 1, true}));
  EXPECT_THAT(claims, UnorderedElementsAre(Pair(Pair("m1", "p2"), "o1")));
}

TEST(Create, TheSecondOfOneBatchSeesTheFirst) {
  std::optional<Order> first, second;
  Claims claims;
  ASSERT_TRUE(Create(first, claims, {"p2"}, Call("o1"), kNow).ok());
  ExpectRefused(Create(second, claims, {"p2"}, Call("o2"), kNow), absl::StatusCode::kAlreadyExists,
                "ORDER_ALREADY_EXISTS", {{"blocking_order_id", "o1"}, {"product_id", "p2"}});
  EXPECT_FALSE(second.has_value());
  EXPECT_EQ(claims.size(), 1u);
}

TEST(Create, ALostClaimTakesNoneOfTheOthers) {
  std::optional<Order> order;
  Claims claims = {{{"m1", "p2"}, "o0"}};
  EXPECT_FALSE(Create(order, claims, {"p1", "p2"}, Call("o1"), kNow).ok());
  EXPECT_THAT(claims, UnorderedElementsAre(Pair(Pair("m1", "p2"), "o0")));
}

TEST(Create, AnotherMembersClaimDoesNotBlock) {
  std::optional<Order> order;
  Claims claims = {{{"m2", "p2"}, "o0"}};
  EXPECT_TRUE(Create(order, claims, {"p2"}, Call("o1"), kNow).ok());
}

TEST(Create, AClaimOfALimitThatWasTakenAwayDoesNotBlock) {
  std::optional<Order> order;
  Claims claims = {{{"m1", "p2"}, "o0"}};
  ASSERT_TRUE(Create(order, claims, {}, Call("o1"), kNow).ok());
  EXPECT_FALSE(order->items[1].limited);
  EXPECT_THAT(claims, UnorderedElementsAre(Pair(Pair("m1", "p2"), "o0")));
}

TEST(Reject, APendingOrderFails) {
  std::optional<Order> order = OrderIn(State::kPending);
  Claims claims = {{{"m1", "p1"}, "o1"}, {{"m1", "p9"}, "o9"}};
  ASSERT_TRUE(Reject(order, claims, "saga/create_order", "STOCK_NOT_ENOUGH", kLater).ok());
  EXPECT_EQ(order->state, State::kFailed);
  EXPECT_EQ(order->reason, "STOCK_NOT_ENOUGH");
  EXPECT_EQ(order->update_time, kLater);
  EXPECT_THAT(claims, UnorderedElementsAre(Pair(Pair("m1", "p9"), "o9")));
}

TEST(Reject, FreesTheClaimForTheNextOfTheBatch) {
  std::optional<Order> first, second;
  Claims claims;
  ASSERT_TRUE(Create(first, claims, {"p1"}, Call("o1"), kNow).ok());
  ASSERT_TRUE(Reject(first, claims, "saga/create_order", "", kNow).ok());
  EXPECT_TRUE(Create(second, claims, {"p1"}, Call("o2"), kNow).ok());
}

TEST(Reject, WhatNeverCameIsNothingToUndo) {
  std::optional<Order> order;
  Claims claims;
  EXPECT_TRUE(Reject(order, claims, "saga/create_order", "X", kNow).ok());
  EXPECT_FALSE(order.has_value());
}

TEST(Reject, AFailedOrderKeepsItsFirstReason) {
  std::optional<Order> order = OrderIn(State::kFailed);
  Claims claims;
  EXPECT_TRUE(Reject(order, claims, "saga/create_order", "OTHER", kLater).ok());
  EXPECT_EQ(order, OrderIn(State::kFailed));
}

TEST(Reject, ControlCharactersOfTheReasonBecomeBlanks) {
  std::optional<Order> order = OrderIn(State::kPending);
  Claims claims;
  ASSERT_TRUE(Reject(order, claims, "saga/create_order", absl::string_view("a\0b\nc", 5), kLater).ok());
  EXPECT_EQ(order->reason, "a b c");
}

TEST(Reject, OnlyByTheCallThatMadeIt) {
  std::optional<Order> order = OrderIn(State::kPending);
  Claims claims;
  ExpectRefused(Reject(order, claims, "other/create_order", "X", kLater), absl::StatusCode::kFailedPrecondition,
                "ORDER_OWNED_BY_OTHER", {{"order_id", "o1"}});
  EXPECT_EQ(order, OrderIn(State::kPending));
}

TEST(Reject, OtherStatesAreRefused) {
  ExpectRefusedUnless({State::kPending, State::kFailed}, "ORDER_NOT_PENDING",
                      [](std::optional<Order>& order, Claims& claims) {
                        return Reject(order, claims, "saga/create_order", "X", kLater);
                      });
}

TEST(Confirm, APendingOrderIsPaid) {
  std::optional<Order> order = OrderIn(State::kPending);
  ASSERT_TRUE(Confirm(order, "o1", {{500, "KRW"}, "pay1"}, kLater).ok());
  EXPECT_EQ(order->state, State::kPaid);
  EXPECT_EQ(order->total, (Money{500, "KRW"}));
  EXPECT_EQ(order->payment_id, "pay1");
  EXPECT_EQ(order->create_time, kNow);
  EXPECT_EQ(order->update_time, kLater);
}

TEST(Confirm, AnUnknownOrderIsRefused) {
  std::optional<Order> order;
  ExpectRefused(Confirm(order, "o7", {{500, "KRW"}, "pay1"}, kLater), absl::StatusCode::kNotFound, "ORDER_NOT_FOUND",
                {{"order_id", "o7"}});
}

TEST(Confirm, OtherStatesAreRefused) {
  ExpectRefusedUnless({State::kPending}, "ORDER_NOT_PENDING", [](std::optional<Order>& order, Claims&) {
    return Confirm(order, "o1", {{500, "KRW"}, "pay1"}, kLater);
  });
}

TEST(Confirm, ACurrencyIsThreeCapitals) {
  for (const char* code : {"", "KR", "krw", "KR1", "KRWW", "K-W"}) {
    std::optional<Order> order = OrderIn(State::kPending);
    const absl::Status status = Confirm(order, "o1", {{500, code}, "pay1"}, kLater);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << code;
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
    EXPECT_EQ(order, OrderIn(State::kPending));
  }
}

TEST(StartCancel, APaidOrderIsCancelling) {
  std::optional<Order> order = OrderIn(State::kPaid);
  ASSERT_TRUE(StartCancel(order, "o1", {"cancel/start", "m1", "changed\tmy mind"}, kLater).ok());
  EXPECT_EQ(order->state, State::kCancelling);
  EXPECT_EQ(order->canceller, "cancel/start");
  EXPECT_EQ(order->reason, "changed my mind");
  EXPECT_EQ(order->update_time, kLater);
}

TEST(StartCancel, AnUnknownOrderOrAnotherMembersIsNotFound) {
  std::optional<Order> none;
  ExpectRefused(StartCancel(none, "o7", {"cancel/start", "m1", ""}, kLater), absl::StatusCode::kNotFound,
                "ORDER_NOT_FOUND", {{"order_id", "o7"}});
  std::optional<Order> order = OrderIn(State::kPaid);
  ExpectRefused(StartCancel(order, "o1", {"cancel/start", "m2", ""}, kLater), absl::StatusCode::kNotFound,
                "ORDER_NOT_FOUND", {{"order_id", "o1"}});
  EXPECT_EQ(order, OrderIn(State::kPaid));
}

TEST(StartCancel, AnOrderUnderWayIsInProgress) {
  ExpectRefusedUnless({State::kPaid, State::kFailed, State::kCancelled}, "ORDER_IN_PROGRESS",
                      [](std::optional<Order>& order, Claims&) {
                        return StartCancel(order, "o1", {"cancel/start", "m1", ""}, kLater);
                      });
}

TEST(StartCancel, AnOrderThatEndedIsNotCancellable) {
  ExpectRefusedUnless({State::kPaid, State::kPending, State::kCancelling}, "ORDER_NOT_CANCELLABLE",
                      [](std::optional<Order>& order, Claims&) {
                        return StartCancel(order, "o1", {"cancel/start", "m1", ""}, kLater);
                      });
}

TEST(UndoCancel, ACancellingOrderIsPaidAgain) {
  std::optional<Order> order = OrderIn(State::kCancelling);
  ASSERT_TRUE(UndoCancel(order, "o1", "cancel/start", kLater).ok());
  Order expected = OrderIn(State::kPaid);
  expected.update_time = kLater;
  EXPECT_EQ(order, expected);
}

TEST(UndoCancel, OnlyByTheCallThatStartedIt) {
  std::optional<Order> order = OrderIn(State::kCancelling);
  ExpectRefused(UndoCancel(order, "o1", "other/start", kLater), absl::StatusCode::kFailedPrecondition,
                "ORDER_OWNED_BY_OTHER", {{"order_id", "o1"}});
  EXPECT_EQ(order, OrderIn(State::kCancelling));
}

TEST(UndoCancel, AnUnknownOrderIsRefused) {
  std::optional<Order> order;
  ExpectRefused(UndoCancel(order, "o7", "cancel/start", kLater), absl::StatusCode::kNotFound, "ORDER_NOT_FOUND",
                {{"order_id", "o7"}});
}

TEST(UndoCancel, OtherStatesAreRefused) {
  ExpectRefusedUnless({State::kCancelling}, "ORDER_NOT_CANCELLING", [](std::optional<Order>& order, Claims&) {
    return UndoCancel(order, "o1", "cancel/start", kLater);
  });
}

TEST(FinishCancel, ACancellingOrderIsCancelledAndItsClaimFree) {
  std::optional<Order> order = OrderIn(State::kCancelling);
  Claims claims = {{{"m1", "p1"}, "o1"}};
  ASSERT_TRUE(FinishCancel(order, claims, "o1", kLater).ok());
  Order expected = OrderIn(State::kCancelled);
  expected.update_time = kLater;
  EXPECT_EQ(order, expected);
  EXPECT_THAT(claims, IsEmpty());
}

TEST(FinishCancel, AnUnknownOrderIsRefused) {
  std::optional<Order> order;
  Claims claims;
  ExpectRefused(FinishCancel(order, claims, "o7", kLater), absl::StatusCode::kNotFound, "ORDER_NOT_FOUND",
                {{"order_id", "o7"}});
}

TEST(FinishCancel, OtherStatesAreRefused) {
  ExpectRefusedUnless({State::kCancelling}, "ORDER_NOT_CANCELLING", [](std::optional<Order>& order, Claims& claims) {
    return FinishCancel(order, claims, "o1", kLater);
  });
}

}  // namespace
}  // namespace unwind::order
