#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "order_svc/order.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"
#include "shop/order/v1/order_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/contract/service_harness.h"

extern const unwind::Migrations kOrderMigrations;

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stub = v1::OrderService::Stub;

v1::CreateOrderRequest CreateOf(const std::string& id, const std::string& member,
                                const std::vector<std::pair<std::string, int>>& items = {{"p1", 2}}) {
  v1::CreateOrderRequest request;
  request.set_order_id(id);
  request.set_member_id(member);
  for (const auto& [product, quantity] : items) {
    request.add_items()->set_product_id(product);
    request.mutable_items(request.items_size() - 1)->set_quantity(quantity);
  }
  return request;
}

v1::RejectOrderRequest RejectOf(const std::string& id, const std::string& reason = "STOCK_NOT_ENOUGH") {
  v1::RejectOrderRequest request;
  request.set_order_id(id);
  request.set_reason(reason);
  return request;
}

v1::ConfirmOrderRequest ConfirmOf(const std::string& id, std::int64_t total = 1500, const std::string& currency = "KRW",
                                  const std::string& payment = "pay") {
  v1::ConfirmOrderRequest request;
  request.set_order_id(id);
  request.mutable_total()->set_minor_units(total);
  request.mutable_total()->set_currency_code(currency);
  request.set_payment_id(payment);
  return request;
}

v1::StartCancelRequest StartOf(const std::string& id, const std::string& member,
                               const std::string& reason = "no need") {
  v1::StartCancelRequest request;
  request.set_order_id(id);
  request.set_member_id(member);
  request.set_reason(reason);
  return request;
}

v1::SetPurchaseLimitRequest LimitOf(const std::string& product, bool one_per_member) {
  v1::SetPurchaseLimitRequest request;
  request.set_product_id(product);
  request.set_one_per_member(one_per_member);
  return request;
}

template <class Request>
Request Of(const std::string& id) {
  Request request;
  request.set_order_id(id);
  return request;
}

class OrderServiceTest : public testing::Test {
 protected:
  Called<v1::CreateOrderResponse> Create(const v1::CreateOrderRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::CreateOrder, request, metadata);
  }
  // As the saga of the order's own id does.
  Called<v1::CreateOrderResponse> Create(const v1::CreateOrderRequest& request) {
    return Create(request, SagaCall(request.order_id(), "create_order", "action"));
  }
  Called<v1::RejectOrderResponse> Reject(const std::string& id) {
    return Call(stub(), &Stub::RejectOrder, RejectOf(id), SagaCall(id, "create_order", "compensation"));
  }
  Called<v1::ConfirmOrderResponse> Confirm(const v1::ConfirmOrderRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::ConfirmOrder, request, metadata);
  }
  Called<v1::ConfirmOrderResponse> Confirm(const std::string& id) {
    return Confirm(ConfirmOf(id), SagaCall(id, "confirm_order", "action", "retriable"));
  }
  Called<v1::StartCancelResponse> StartCancel(const v1::StartCancelRequest& request, const std::string& saga) {
    return Call(stub(), &Stub::StartCancel, request, SagaCall(saga, "start_cancel", "action"));
  }
  Called<v1::UndoCancelResponse> UndoCancel(const std::string& id, const std::string& saga) {
    return Call(stub(), &Stub::UndoCancel, Of<v1::UndoCancelRequest>(id),
                SagaCall(saga, "start_cancel", "compensation"));
  }
  Called<v1::FinishCancelResponse> FinishCancel(const std::string& id, const std::string& saga) {
    return Call(stub(), &Stub::FinishCancel, Of<v1::FinishCancelRequest>(id),
                SagaCall(saga, "finish_cancel", "action", "retriable"));
  }
  Called<v1::SetPurchaseLimitResponse> Limit(const std::string& product, bool one_per_member) {
    return Call(stub(), &Stub::SetPurchaseLimit, LimitOf(product, one_per_member),
                Key(absl::StrCat("limit-", product, ++keys_)));
  }
  Called<v1::ResetOrdersResponse> Reset() {
    return Call(stub(), &Stub::ResetOrders, v1::ResetOrdersRequest(), Key(absl::StrCat("reset-", ++keys_)));
  }
  Called<v1::Order> Get(const std::string& id) {
    return Call(stub(), &Stub::GetOrder, Of<v1::GetOrderRequest>(id), {});
  }
  Called<v1::ListOrdersResponse> List(int page_size, const std::string& token = "", const std::string& member = "",
                                      v1::Order::State state = v1::Order::STATE_UNSPECIFIED) {
    v1::ListOrdersRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    request.set_member_id(member);
    request.set_state(state);
    return Call(stub(), &Stub::ListOrders, request, {});
  }
  std::vector<std::string> ListAll(int page_size, const std::string& member = "",
                                   v1::Order::State state = v1::Order::STATE_UNSPECIFIED) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const auto page = List(page_size, token, member, state);
      EXPECT_TRUE(page.status.ok()) << page.status;
      EXPECT_LE(page.response.orders_size(), page_size);
      for (const v1::Order& order : page.response.orders()) ids.push_back(order.order_id());
      token = page.response.next_page_token();
    } while (!token.empty());
    return ids;
  }

  void Pay(const std::string& id, const std::string& member) {
    ASSERT_TRUE(Create(CreateOf(id, member)).status.ok());
    ASSERT_TRUE(Confirm(id).status.ok());
  }
  v1::Order::State StateOf(const std::string& id) { return Get(id).response.state(); }

  Stub& stub() { return process_.stub(); }

  ServiceProcess<v1::OrderService> process_{kOrderMigrations, NewOrderDomain, OrderTable()};
  int keys_ = 0;
};

TEST_F(OrderServiceTest, ASagaCreatesAndConfirms) {
  const auto created = Create(CreateOf("o1", "m1", {{"p2", 1}, {"p1", 2}}));
  ASSERT_TRUE(created.status.ok()) << created.status;
  EXPECT_EQ(created.response.order_id(), "o1");
  v1::Order order = Get("o1").response;
  EXPECT_EQ(order.state(), v1::Order::STATE_PENDING);
  EXPECT_EQ(order.member_id(), "m1");
  ASSERT_EQ(order.items_size(), 2);
  EXPECT_EQ(order.items(0).product_id(), "p2");  // as they were ordered
  EXPECT_EQ(order.items(1).quantity(), 2);
  EXPECT_FALSE(order.has_total());
  EXPECT_EQ(order.payment_id(), "");
  EXPECT_GT(order.create_time().seconds(), 1'700'000'000);

  ASSERT_TRUE(Confirm("o1").status.ok());
  order = Get("o1").response;
  EXPECT_EQ(order.state(), v1::Order::STATE_PAID);
  EXPECT_EQ(order.total().minor_units(), 1500);
  EXPECT_EQ(order.total().currency_code(), "KRW");
  EXPECT_EQ(order.payment_id(), "pay");
  EXPECT_EQ(order.reason(), "");
}

TEST_F(OrderServiceTest, ACompensationFailsTheOrderAndARepeatDoesNothing) {
  const auto first = Create(CreateOf("o1", "m1"));
  const auto repeat = Create(CreateOf("o1", "m1"));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status;
  EXPECT_EQ(first.response.SerializeAsString(), repeat.response.SerializeAsString());
  EXPECT_TRUE(Reject("o1").status.ok());
  EXPECT_TRUE(Reject("o1").status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_FAILED);
  EXPECT_EQ(Get("o1").response.reason(), "STOCK_NOT_ENOUGH");
  const auto confirm = Confirm("o1");
  EXPECT_EQ(confirm.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(confirm.reason(), "ORDER_NOT_PENDING");
  EXPECT_EQ(confirm.info().metadata.at("state"), "FAILED");
  EXPECT_FALSE(confirm.effect_free);  // an operator may mend it and retry
}

TEST_F(OrderServiceTest, ACompensationOfWhatNeverCameFencesIt) {
  EXPECT_TRUE(Reject("o1").status.ok());
  const auto late = Create(CreateOf("o1", "m1"));
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(late.reason(), "FENCED");
  EXPECT_EQ(Get("o1").status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get("o1").reason(), "ORDER_NOT_FOUND");
}

TEST_F(OrderServiceTest, ARefusalIsStickyAndSaysThatNothingHappened) {
  ASSERT_TRUE(Create(CreateOf("o1", "m1")).status.ok());
  const Metadata other = SagaCall("s2", "create_order", "action");
  for (int i = 0; i < 2; ++i) {
    const auto taken = Create(CreateOf("o1", "m2"), other);
    EXPECT_EQ(taken.status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(taken.reason(), "ORDER_ID_TAKEN");
    EXPECT_EQ(taken.info().domain, "order.shop.unwind");
    EXPECT_TRUE(taken.effect_free);
  }
  // Its compensation must not touch the order of the first saga.
  EXPECT_TRUE(
      Call(stub(), &Stub::RejectOrder, RejectOf("o1"), SagaCall("s2", "create_order", "compensation")).status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_PENDING);
}

TEST_F(OrderServiceTest, TheSameKeyWithAnotherBodyIsRefused) {
  ASSERT_TRUE(Create(CreateOf("o1", "m1")).status.ok());
  const auto other = Create(CreateOf("o1", "m2"));
  EXPECT_EQ(other.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(other.reason(), "KEY_REUSED");
  EXPECT_EQ(Get("o1").response.member_id(), "m1");
}

TEST_F(OrderServiceTest, AnIdempotencyKeyAloneIsEnough) {
  ASSERT_TRUE(Create(CreateOf("o1", "m1"), Key("k1")).status.ok());
  ASSERT_TRUE(Create(CreateOf("o1", "m1"), Key("k1")).status.ok());
  EXPECT_EQ(Create(CreateOf("o1", "m1"), Key("k2")).reason(), "ORDER_ID_TAKEN");
  ASSERT_TRUE(Confirm(ConfirmOf("o1"), Key("k3")).status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_PAID);
  EXPECT_EQ(Confirm(ConfirmOf("o9"), Key("k4")).reason(), "ORDER_NOT_FOUND");
}

TEST_F(OrderServiceTest, WithoutMetadataAMutatingCallIsRefused) {
  const Metadata none;
  for (const absl::Status& status : {Create(CreateOf("o1", "m1"), none).status, Confirm(ConfirmOf("o1"), none).status,
                                     Call(stub(), &Stub::RejectOrder, RejectOf("o1"), none).status,
                                     Call(stub(), &Stub::StartCancel, StartOf("o1", "m1"), none).status,
                                     Call(stub(), &Stub::UndoCancel, Of<v1::UndoCancelRequest>("o1"), none).status,
                                     Call(stub(), &Stub::FinishCancel, Of<v1::FinishCancelRequest>("o1"), none).status,
                                     Call(stub(), &Stub::SetPurchaseLimit, LimitOf("p1", true), none).status,
                                     Call(stub(), &Stub::ResetOrders, v1::ResetOrdersRequest(), none).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_MISSING");
    EXPECT_THAT(std::string(status.message()), HasSubstr("idempotency-key"));
  }
  EXPECT_THAT(ListAll(10), IsEmpty());
}

TEST_F(OrderServiceTest, EachFieldKeepsItsLimits) {
  const std::string long_id(65, 'a');
  std::vector<std::pair<std::string, int>> many;
  for (int i = 0; i < 101; ++i) many.emplace_back(absl::StrCat("p", i), 1);
  const std::vector<std::pair<v1::CreateOrderRequest, std::string>> creates = {
      {CreateOf("", "m1"), "order_id"},
      {CreateOf(long_id, "m1"), "order_id"},
      {CreateOf("o.1", "m1"), "order_id"},
      {CreateOf("o1", ""), "member_id"},
      {CreateOf("o1", "\xED\x95\x9C"), "member_id"},
      {CreateOf("o1", "m1", {}), "items"},
      {CreateOf("o1", "m1", many), "items"},
      {CreateOf("o1", "m1", {{"p1", 1}, {"p1", 1}}), "items[1].product_id"},
      {CreateOf("o1", "m1", {{"", 1}}), "items[0].product_id"},
      {CreateOf("o1", "m1", {{"p1", 0}}), "items[0].quantity"},
      {CreateOf("o1", "m1", {{"p1", -5}}), "items[0].quantity"},
      {CreateOf("o1", "m1", {{"p1", 1001}}), "items[0].quantity"},
  };
  for (const auto& [request, field] : creates) {
    const auto called = Create(request, Key("bad"));
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_EQ(called.reason(), "INVALID_REQUEST") << field;
    EXPECT_THAT(BadFields(called.status), Contains(field));
  }
  v1::ConfirmOrderRequest unpaid = ConfirmOf("o1");
  unpaid.clear_total();
  const std::vector<std::pair<v1::ConfirmOrderRequest, std::string>> confirms = {
      {ConfirmOf(""), "order_id"},
      {unpaid, "total"},
      {ConfirmOf("o1", -1), "total.minor_units"},
      {ConfirmOf("o1", 1'000'000'000'000'001), "total.minor_units"},
      {ConfirmOf("o1", 1, ""), "total.currency_code"},
      {ConfirmOf("o1", 1, "krw"), "total.currency_code"},
      {ConfirmOf("o1", 1, "KRW", ""), "payment_id"},
  };
  for (const auto& [request, field] : confirms) {
    const auto called = Confirm(request, Key("bad-" + field + request.total().currency_code()));
    EXPECT_EQ(called.reason(), "INVALID_REQUEST") << field;
    EXPECT_THAT(BadFields(called.status), Contains(field));
  }
  const std::string long_reason(257, 'x');
  EXPECT_THAT(BadFields(Call(stub(), &Stub::RejectOrder, RejectOf("o1", long_reason), Key("bad")).status),
              ElementsAre("reason"));
  EXPECT_THAT(BadFields(Call(stub(), &Stub::StartCancel, StartOf("o1", "", long_reason), Key("bad")).status),
              ElementsAre("member_id", "reason"));
  EXPECT_THAT(BadFields(Call(stub(), &Stub::SetPurchaseLimit, LimitOf("", true), Key("bad")).status),
              ElementsAre("product_id"));
  EXPECT_THAT(BadFields(Get("").status), ElementsAre("order_id"));
  EXPECT_THAT(BadFields(List(-1).status), ElementsAre("page_size"));
  EXPECT_THAT(BadFields(List(1, "", "m 1").status), ElementsAre("member_id"));
  EXPECT_THAT(BadFields(List(1, std::string(1025, 'a')).status), ElementsAre("page_token"));
  EXPECT_THAT(BadFields(List(1, "", "", static_cast<v1::Order::State>(77)).status), ElementsAre("state"));
  EXPECT_THAT(ListAll(10), IsEmpty());
  EXPECT_TRUE(Create(CreateOf("o1", "m1"), Key("bad")).status.ok());  // an invalid request uses up no key
}

TEST_F(OrderServiceTest, AMemberCancelsAPaidOrder) {
  Pay("o1", "m1");
  const auto started = StartCancel(StartOf("o1", "m1"), "c1");
  ASSERT_TRUE(started.status.ok()) << started.status;
  EXPECT_EQ(started.response.payment_id(), "pay");
  EXPECT_EQ(started.response.total().minor_units(), 1500);
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_CANCELLING);
  EXPECT_EQ(Get("o1").response.reason(), "");  // not yet
  const auto second = StartCancel(StartOf("o1", "m1"), "c2");
  EXPECT_EQ(second.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(second.reason(), "ORDER_IN_PROGRESS");
  EXPECT_TRUE(second.effect_free);
  EXPECT_TRUE(UndoCancel("o1", "c2").status.ok());  // of what was refused: nothing
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_CANCELLING);
  ASSERT_TRUE(FinishCancel("o1", "c1").status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_CANCELLED);
  EXPECT_EQ(Get("o1").response.reason(), "no need");
  EXPECT_EQ(StartCancel(StartOf("o1", "m1"), "c3").reason(), "ORDER_NOT_CANCELLABLE");
}

TEST_F(OrderServiceTest, ACancelThatFailsIsTakenBack) {
  Pay("o1", "m1");
  ASSERT_TRUE(StartCancel(StartOf("o1", "m1"), "c1").status.ok());
  ASSERT_TRUE(UndoCancel("o1", "c1").status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_PAID);
  EXPECT_EQ(FinishCancel("o1", "c1").reason(), "ORDER_NOT_CANCELLING");
  EXPECT_TRUE(StartCancel(StartOf("o1", "m1"), "c2").status.ok());
}

TEST_F(OrderServiceTest, WhatCannotBeCancelled) {
  ASSERT_TRUE(Create(CreateOf("o1", "m1")).status.ok());
  EXPECT_EQ(StartCancel(StartOf("o1", "m1"), "c1").reason(), "ORDER_IN_PROGRESS");
  EXPECT_EQ(StartCancel(StartOf("o1", "m2"), "c2").reason(), "ORDER_NOT_FOUND");
  EXPECT_EQ(StartCancel(StartOf("o9", "m1"), "c3").reason(), "ORDER_NOT_FOUND");
}

TEST_F(OrderServiceTest, ALimitedProductIsOnePerMember) {
  ASSERT_TRUE(Limit("p1", true).status.ok());
  ASSERT_TRUE(Create(CreateOf("o1", "m1", {{"p1", 1}, {"p2", 1}})).status.ok());
  const auto second = Create(CreateOf("o2", "m1", {{"p2", 1}, {"p1", 1}}));
  EXPECT_EQ(second.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.reason(), "ORDER_ALREADY_EXISTS");
  EXPECT_EQ(second.info().metadata.at("blocking_order_id"), "o1");
  EXPECT_EQ(second.info().metadata.at("product_id"), "p1");
  EXPECT_TRUE(second.effect_free);
  EXPECT_EQ(Get("o2").status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Create(CreateOf("o3", "m2", {{"p1", 1}})).status.ok());
  EXPECT_TRUE(Create(CreateOf("o4", "m1", {{"p2", 1}})).status.ok());

  ASSERT_TRUE(Reject("o1").status.ok());  // a failed order frees it
  ASSERT_TRUE(Create(CreateOf("o5", "m1", {{"p1", 1}})).status.ok());
  ASSERT_TRUE(Confirm("o5").status.ok());
  EXPECT_EQ(Create(CreateOf("o6", "m1", {{"p1", 1}})).info().metadata.at("blocking_order_id"), "o5");
  ASSERT_TRUE(StartCancel(StartOf("o5", "m1"), "c1").status.ok());
  EXPECT_EQ(Create(CreateOf("o7", "m1", {{"p1", 1}})).info().metadata.at("blocking_order_id"), "o5");
  ASSERT_TRUE(FinishCancel("o5", "c1").status.ok());  // a cancelled one too
  EXPECT_TRUE(Create(CreateOf("o8", "m1", {{"p1", 1}})).status.ok());
}

TEST_F(OrderServiceTest, ALimitHoldsForOrdersMadeAfterIt) {
  ASSERT_TRUE(Create(CreateOf("o1", "m1", {{"p1", 1}})).status.ok());
  ASSERT_TRUE(Limit("p1", true).status.ok());
  ASSERT_TRUE(Create(CreateOf("o2", "m1", {{"p1", 1}})).status.ok());
  EXPECT_EQ(Create(CreateOf("o3", "m1", {{"p1", 1}})).info().metadata.at("blocking_order_id"), "o2");
  ASSERT_TRUE(Limit("p1", false).status.ok());
  EXPECT_TRUE(Create(CreateOf("o4", "m1", {{"p1", 1}})).status.ok());
}

TEST_F(OrderServiceTest, OneOfManyAtOnceGetsTheLimitedProduct) {
  ASSERT_TRUE(Limit("p1", true).status.ok());
  std::vector<std::future<Called<v1::CreateOrderResponse>>> orders;
  for (int i = 0; i < 32; ++i) {
    orders.push_back(
        std::async(std::launch::async, [this, i] { return Create(CreateOf(absl::StrCat("o", i), "m1")); }));
  }
  int ok = 0;
  for (auto& order : orders) {
    const auto called = order.get();
    if (called.status.ok()) {
      ++ok;
    } else {
      EXPECT_EQ(called.reason(), "ORDER_ALREADY_EXISTS") << called.status;
    }
  }
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(ListAll(50).size(), 1u);
}

TEST_F(OrderServiceTest, ListsNewestFirstByPageAndFilter) {
  std::vector<std::string> newest_first, of_m1, failed, failed_of_m1;
  for (int i = 0; i < 11; ++i) {
    const std::string id = absl::StrCat("o", i), member = i % 3 == 0 ? "m1" : "m2";
    ASSERT_TRUE(Create(CreateOf(id, member)).status.ok());
    if (i % 2 == 0) {
      ASSERT_TRUE(Reject(id).status.ok());
    }
    newest_first.insert(newest_first.begin(), id);
    if (member == "m1") of_m1.insert(of_m1.begin(), id);
    if (i % 2 == 0) failed.insert(failed.begin(), id);
    if (member == "m1" && i % 2 == 0) failed_of_m1.insert(failed_of_m1.begin(), id);
  }
  EXPECT_EQ(ListAll(1), newest_first);
  EXPECT_EQ(ListAll(4), newest_first);
  EXPECT_EQ(ListAll(11), newest_first);
  EXPECT_EQ(ListAll(2, "m1"), of_m1);
  EXPECT_EQ(ListAll(2, "", v1::Order::STATE_FAILED), failed);
  EXPECT_EQ(ListAll(1, "m1", v1::Order::STATE_FAILED), failed_of_m1);
  EXPECT_THAT(ListAll(2, "m3"), IsEmpty());
  EXPECT_EQ(List(2).response.orders(0).items_size(), 1);
}

TEST_F(OrderServiceTest, WhoPaysLaterIsPaymentPendingUntilItIsPaid) {
  for (const char* const id : {"o1", "o2", "o3"}) {
    v1::CreateOrderRequest later = CreateOf(id, "m1");
    later.set_pays_later(true);
    ASSERT_TRUE(Create(later).status.ok());
  }
  ASSERT_TRUE(Create(CreateOf("o4", "m1")).status.ok());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_PAYMENT_PENDING);
  const auto refused = StartCancel(StartOf("o1", "m1"), "cancel-1");
  EXPECT_EQ(refused.reason(), "ORDER_IN_PROGRESS");
  EXPECT_EQ(refused.info().metadata.at("state"), "PAYMENT_PENDING");
  ASSERT_TRUE(Confirm("o2").status.ok());
  ASSERT_TRUE(Reject("o3").status.ok());
  EXPECT_EQ(StateOf("o2"), v1::Order::STATE_PAID);
  EXPECT_EQ(StateOf("o3"), v1::Order::STATE_FAILED);
  for (const char* const member : {"", "m1"}) {
    EXPECT_THAT(ListAll(2, member, v1::Order::STATE_PAYMENT_PENDING), ElementsAre("o1"));
    EXPECT_THAT(ListAll(2, member, v1::Order::STATE_PENDING), ElementsAre("o4"));
    EXPECT_THAT(ListAll(2, member, v1::Order::STATE_PAID), ElementsAre("o2"));
    EXPECT_THAT(ListAll(2, member, v1::Order::STATE_FAILED), ElementsAre("o3"));
  }
}

TEST_F(OrderServiceTest, APageTokenIsGoodForItsFiltersOnly) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Create(CreateOf(absl::StrCat("o", i), "m1")).status.ok());
  const std::string token = List(1, "", "m1").response.next_page_token();
  EXPECT_TRUE(List(2, token, "m1").status.ok());
  for (const auto& called :
       {List(1, token), List(1, token, "m2"), List(1, token, "m1", v1::Order::STATE_PENDING), List(1, "x", "m1"),
        List(1, token + "AA", "m1"), List(1, "MQpvcmRlcnMKbTEKMApub3BlOm8x", "m1")}) {
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(called.reason(), "INVALID_PAGE_TOKEN");
    EXPECT_EQ(called.info().domain, "order.shop.unwind");
  }
}

TEST_F(OrderServiceTest, WhatWasAnsweredSurvivesARestart) {
  const auto before = Create(CreateOf("o1", "m1"));
  process_.Stop();
  process_.Start();
  const auto after = Create(CreateOf("o1", "m1"));
  ASSERT_TRUE(after.status.ok()) << after.status;
  EXPECT_EQ(before.response.SerializeAsString(), after.response.SerializeAsString());
  EXPECT_EQ(StateOf("o1"), v1::Order::STATE_PENDING);
}

TEST_F(OrderServiceTest, AResetRemovesAllUnlessSomethingIsUnderWay) {
  ASSERT_TRUE(Limit("p1", true).status.ok());
  Pay("o1", "m1");
  ASSERT_TRUE(Create(CreateOf("o2", "m2")).status.ok());
  const auto refused = Reset();
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "RESET_REFUSED");
  EXPECT_EQ(refused.info().metadata.at("in_progress"), "1");
  ASSERT_TRUE(Reject("o2").status.ok());
  ASSERT_TRUE(StartCancel(StartOf("o1", "m1"), "c1").status.ok());
  EXPECT_EQ(Reset().reason(), "RESET_REFUSED");
  ASSERT_TRUE(UndoCancel("o1", "c1").status.ok());
  const auto reset = Reset();
  ASSERT_TRUE(reset.status.ok()) << reset.status;
  EXPECT_EQ(reset.response.orders_removed(), 2);
  EXPECT_THAT(ListAll(10), IsEmpty());
  ASSERT_TRUE(Create(CreateOf("o3", "m1")).status.ok());  // the claim is gone, the limit is not
  EXPECT_EQ(Create(CreateOf("o4", "m1")).reason(), "ORDER_ALREADY_EXISTS");
}

TEST(OrderReset, IsOffByDefault) {
  ServiceProcess<v1::OrderService> process(kOrderMigrations, NewOrderDomain, OrderTable(), false);
  const auto called = Call(process.stub(), &Stub::ResetOrders, v1::ResetOrdersRequest(), Key("k"));
  EXPECT_EQ(called.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(called.reason(), "RESET_DISABLED");
  EXPECT_EQ(called.info().domain, "order.shop.unwind");
}

// Batches straight into the domain, without gRPC and the barrier.
// Who asks, once callers are told apart.

constexpr char kGatewayAndAgents[] = R"(rules:
  - {callers: [gateway], methods: [shop.order.v1.OrderService/GetOrder, shop.order.v1.OrderService/ListOrders], member: allowed}
  - {callers: [orchestrator], methods: [shop.order.v1.OrderService/CreateOrder], saga_metadata: allowed}
  - {callers: [agent, backup], methods: [shop.order.v1.OrderService/SetPurchaseLimit]}
  - {callers: [orchestrator], methods: [shop.order.v1.OrderService/ResetOrders]}
)";

Metadata From(const std::string& service, Metadata metadata = {}) {
  metadata[kTestIdentity] = service;
  return metadata;
}

Metadata OnBehalfOf(const std::string& member) { return From("gateway", {{"x-member-id", member}}); }

class OrderCallersTest : public OrderServiceTest {
 protected:
  void Guard() {
    process_.Stop();
    process_.Guard(kGatewayAndAgents);
    process_.Start();
  }
  Called<v1::CreateOrderResponse> CreateFor(const std::string& id, const std::string& member) {
    return Create(CreateOf(id, member), From("orchestrator", SagaCall(id, "create_order", "action")));
  }
  Called<v1::Order> GetAs(const std::string& id, const Metadata& caller) {
    return Call(stub(), &Stub::GetOrder, Of<v1::GetOrderRequest>(id), caller);
  }
  Called<v1::ListOrdersResponse> ListAs(const std::string& member, const Metadata& caller) {
    v1::ListOrdersRequest request;
    request.set_member_id(member);
    return Call(stub(), &Stub::ListOrders, request, caller);
  }
  Called<v1::SetPurchaseLimitResponse> Limit(const std::string& product, const std::string& key,
                                             const std::string& service) {
    Metadata metadata = Key(key);
    if (!service.empty()) metadata = From(service, metadata);
    return Call(stub(), &Stub::SetPurchaseLimit, LimitOf(product, true), metadata);
  }
};

TEST_F(OrderCallersTest, AMemberCannotTellAnothersOrderFromNone) {
  Guard();
  const auto unknown = GetAs("o1", OnBehalfOf("mina"));
  EXPECT_EQ(unknown.reason(), "ORDER_NOT_FOUND");
  ASSERT_TRUE(CreateFor("o1", "juno").status.ok());
  EXPECT_EQ(SerializeStatus(GetAs("o1", OnBehalfOf("mina")).status), SerializeStatus(unknown.status));
  EXPECT_EQ(GetAs("o1", OnBehalfOf("juno")).response.member_id(), "juno");
  EXPECT_EQ(GetAs("o1", From("gateway")).response.member_id(), "juno");  // on nobody's behalf
}

TEST_F(OrderCallersTest, AMemberListsItsOwnOrdersAndMustSaySo) {
  Guard();
  ASSERT_TRUE(CreateFor("o1", "juno").status.ok());
  EXPECT_EQ(ListAs("juno", OnBehalfOf("juno")).response.orders_size(), 1);
  for (const std::string& other : {std::string("mina"), std::string()}) {
    const auto refused = ListAs(other, OnBehalfOf("juno"));
    EXPECT_EQ(refused.status.code(), absl::StatusCode::kPermissionDenied) << other;
    EXPECT_EQ(refused.reason(), "CALLER_NOT_ALLOWED");
    EXPECT_THAT(BadFields(refused.status), ElementsAre("member_id"));
  }
  EXPECT_EQ(ListAs("", From("gateway")).response.orders_size(), 1);
}

TEST_F(OrderCallersTest, ACallThatIsNotAllowedIsRefusedBeforeItIsRead) {
  Guard();
  EXPECT_EQ(Limit("p1", "k", "").reason(), "CALLER_UNKNOWN");
  EXPECT_EQ(Limit("p1", "k", "gateway").reason(), "CALLER_NOT_ALLOWED");
  EXPECT_EQ(Call(stub(), &Stub::ResetOrders, v1::ResetOrdersRequest(), From("agent", Key("r"))).reason(),
            "CALLER_NOT_ALLOWED");
  EXPECT_EQ(Limit("p1", "k", "agent").status, absl::OkStatus());
}

TEST_F(OrderCallersTest, TwoServicesWithOneKeyMakeTwoCalls) {
  Guard();
  EXPECT_TRUE(Limit("p1", "k", "agent").status.ok());
  EXPECT_TRUE(Limit("p2", "k", "backup").status.ok());
  EXPECT_TRUE(Limit("p1", "k", "agent").status.ok());
  EXPECT_EQ(Limit("p2", "k", "agent").reason(), "KEY_REUSED");
}

TEST_F(OrderCallersTest, CallsWithSagaMetadataHaveOneScopeWhoeverSendsThem) {
  ASSERT_TRUE(Create(CreateOf("o1", "juno")).status.ok());
  Guard();
  EXPECT_TRUE(CreateFor("o1", "juno").status.ok());
  EXPECT_EQ(CreateFor("o1", "mina").reason(), "KEY_REUSED");
  EXPECT_TRUE(CreateFor("o2", "juno").status.ok());  // no row of before decides about it
  int scoped = 0;
  ASSERT_TRUE(process_.Open()
                  ->Read([&](soci::session& sql) {
                    sql << "SELECT COUNT(*) FROM saga_barrier WHERE key_scope <> ''", soci::into(scoped);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(scoped, 0);
}

// As when a running shop begins to tell callers apart.
TEST_F(OrderCallersTest, AKeyFromBeforeThePolicyDoesNothingTwice) {
  EXPECT_TRUE(Limit("p1", "k", "").status.ok());
  Guard();
  EXPECT_TRUE(Limit("p1", "k", "agent").status.ok());
  EXPECT_EQ(Limit("p2", "k", "agent").reason(), "KEY_REUSED");
  int rows = 0;
  ASSERT_TRUE(process_.Open()
                  ->Read([&](soci::session& sql) {
                    sql << "SELECT COUNT(*) FROM saga_barrier", soci::into(rows);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(rows, 1);
}

class OrderBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    connection_ = OpenTestDatabase(folder_.File("order.db"));
    ASSERT_TRUE(Migrate(*connection_, "order", kOrderMigrations).ok());
  }

  template <class Request>
  void Add(const char* method, const std::string& owner, Request request) {
    auto command = std::make_unique<Command>();
    command->method = domain_->NumberOf(method);
    command->key.saga_id = owner;
    command->request = std::make_shared<Request>(std::move(request));
    batch_.push_back(std::move(command));
  }

  // The reasons of the refusals, in order; OK is empty.
  std::vector<std::string> Apply() {
    std::vector<Command*> commands;
    for (const auto& command : batch_) commands.push_back(command.get());
    const absl::Status status =
        connection_->Write([&](soci::session& session) { return domain_->Apply(session, commands); });
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::string> reasons;
    for (const Command* command : commands) {
      EXPECT_FALSE(std::holds_alternative<Unknown>(command->answer));
      const auto* refused = std::get_if<Refused>(&command->answer);
      reasons.push_back(refused == nullptr ? "" : GetErrorInfo(refused->status).reason);
    }
    batch_.clear();
    return reasons;
  }

  long long Ask(const std::string& sql) {
    long long value = -1;
    const absl::Status status = connection_->Read([&](soci::session& session) {
      session << sql, soci::into(value);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return value;
  }

  const TempDir folder_;
  const SystemClock clock_{};
  const std::unique_ptr<StepDomain> domain_ = NewOrderDomain(clock_);
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Command>> batch_;
};

TEST_F(OrderBatchTest, TwoThatWantTheSameClaim) {
  Add("SetPurchaseLimit", "k", LimitOf("p1", true));
  Add("CreateOrder", "s1", CreateOf("o1", "m1"));
  Add("CreateOrder", "s2", CreateOf("o2", "m1"));
  Add("CreateOrder", "s3", CreateOf("o3", "m2"));
  Add("RejectOrder", "s1", RejectOf("o1"));
  Add("CreateOrder", "s4", CreateOf("o4", "m1"));
  EXPECT_THAT(Apply(), ElementsAre("", "", "ORDER_ALREADY_EXISTS", "", "", ""));
  Add("RejectOrder", "s4", RejectOf("o4"));
  Add("CreateOrder", "s5", CreateOf("o5", "m1"));
  Add("CreateOrder", "s6", CreateOf("o6", "m2"));
  EXPECT_THAT(Apply(), ElementsAre("", "", "ORDER_ALREADY_EXISTS"));
  EXPECT_EQ(Ask("SELECT count(*) FROM order_items WHERE live = 1 AND limited = 1"), 2);
}

TEST_F(OrderBatchTest, ACompensationOfAnotherCallIsRefused) {
  Add("CreateOrder", "s1", CreateOf("o1", "m1"));
  Add("RejectOrder", "s2", RejectOf("o1"));
  EXPECT_THAT(Apply(), ElementsAre("", "ORDER_OWNED_BY_OTHER"));
  Add("RejectOrder", "s2", RejectOf("o1"));  // also when the row comes from the table
  EXPECT_THAT(Apply(), ElementsAre("ORDER_OWNED_BY_OTHER"));
}

TEST_F(OrderBatchTest, AResetBetweenTwoOrdersOfOneBatch) {
  Add("SetPurchaseLimit", "k", LimitOf("p1", true));
  Add("CreateOrder", "s1", CreateOf("o1", "m1"));
  Add("ConfirmOrder", "s1", ConfirmOf("o1"));
  Add("ResetOrders", "k", v1::ResetOrdersRequest());
  Add("CreateOrder", "s1", CreateOf("o1", "m1"));
  Add("ResetOrders", "k", v1::ResetOrdersRequest());
  EXPECT_THAT(Apply(), ElementsAre("", "", "", "", "", "RESET_REFUSED"));
  EXPECT_EQ(Ask("SELECT count(*) FROM orders WHERE state = 1"), 1);
}

TEST_F(OrderBatchTest, TheIndexIsTheLastGuardOfAClaim) {
  Add("SetPurchaseLimit", "k", LimitOf("p1", true));
  Add("CreateOrder", "s1", CreateOf("o1", "m1"));
  Add("CreateOrder", "s2", CreateOf("o2", "m2"));
  ASSERT_THAT(Apply(), ElementsAre("", "", ""));
  const absl::Status status = connection_->Write([](soci::session& session) {
    session << "UPDATE order_items SET member_id = 'm1' WHERE order_id = 'o2'";
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AnyOf(HasSubstr("UNIQUE constraint failed: order_items"), HasSubstr("\"order_items_claim\"")));
}

TEST_F(OrderBatchTest, ClaimsAndStatesAgreeWhateverComes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const int commands = 1 + draw(40);
    for (int i = 0; i < commands; ++i) {
      const std::string id = absl::StrCat("o", draw(80)), member = absl::StrCat("m", draw(4));
      switch (draw(12)) {
        case 0:
          Add("SetPurchaseLimit", "k", LimitOf(absl::StrCat("p", draw(3)), draw(3) > 0));
          break;
        case 1:
        case 2:
          Add("RejectOrder", id, RejectOf(id));
          break;
        case 3:
          Add("ConfirmOrder", "other", ConfirmOf(id));
          break;
        case 4:
        case 5:
          Add("StartCancel", "other", StartOf(id, member));
          break;
        case 6:
          Add("UndoCancel", "other", Of<v1::UndoCancelRequest>(id));
          break;
        case 7:
          Add("FinishCancel", "other", Of<v1::FinishCancelRequest>(id));
          break;
        case 8:
          if (draw(10) == 0) Add("ResetOrders", "k", v1::ResetOrdersRequest());
          break;
        default: {
          std::vector<std::pair<std::string, int>> items = {{absl::StrCat("p", draw(3)), 1}};
          if (draw(2) == 0) items.emplace_back("q", 1);
          Add("CreateOrder", id, CreateOf(id, member, items));
        }
      }
    }
    Apply();  // a claim held twice would break the unique index, and so the batch
    EXPECT_EQ(Ask("SELECT count(*) FROM order_items AS i JOIN orders AS o ON o.order_id = i.order_id"
                  " WHERE i.live <> CASE WHEN o.state IN (1, 2, 4) THEN 1 ELSE 0 END OR i.member_id <> o.member_id"),
              0);
    EXPECT_EQ(Ask("SELECT count(*) FROM orders WHERE order_id NOT IN (SELECT order_id FROM order_items)"), 0);
  }
}

}  // namespace
}  // namespace unwind::order
