#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shop/order/v1/notification_service.grpc.pb.h"
#include "tests/contract/order_parts.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using testing::ElementsAre;
using testing::IsEmpty;
using Stub = v1::NotificationService::Stub;
using Kinds = v1::Notification;

v1::NotifyRequest Of(const std::string& order_id, Kinds::Kind kind, const std::string& member = "m1") {
  v1::NotifyRequest request;
  request.set_order_id(order_id);
  request.set_kind(kind);
  request.set_member_id(member);
  return request;
}

v1::NotifyRequest Paid(const std::string& order_id, std::int64_t won, const std::string& member = "m1") {
  v1::NotifyRequest request = Of(order_id, Kinds::KIND_ORDER_PAID, member);
  request.mutable_amount()->set_minor_units(won);
  request.mutable_amount()->set_currency_code("KRW");
  return request;
}

class NotificationServiceTest : public testing::Test {
 protected:
  Called<v1::NotifyResponse> Notify(const v1::NotifyRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::Notify, request, metadata);
  }
  // As a follow-up of an order does.
  Called<v1::NotifyResponse> Notify(const v1::NotifyRequest& request, const std::string& saga) {
    return Notify(request, SagaCall(saga, "notify", "action", "retriable"));
  }
  Called<v1::ListNotificationsResponse> List(const std::string& member, int page_size = 0,
                                             const std::string& token = "", const Metadata& metadata = {}) {
    v1::ListNotificationsRequest request;
    request.set_member_id(member);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(stub(), &Stub::ListNotifications, request, metadata);
  }
  // "ORDER KIND" of all, newest first.
  std::vector<std::string> ListAll(const std::string& member, int page_size) {
    std::vector<std::string> told;
    std::string token;
    do {
      const auto page = List(member, page_size, token);
      EXPECT_TRUE(page.status.ok()) << page.status;
      EXPECT_LE(page.response.notifications_size(), page_size);
      for (const v1::Notification& each : page.response.notifications()) {
        told.push_back(absl::StrCat(each.order_id(), " ", static_cast<int>(each.kind())));
      }
      token = page.response.next_page_token();
    } while (!token.empty());
    return told;
  }

  Stub& stub() { return process_.stub(); }

  OrderProcess<v1::NotificationService> process_;
};

TEST_F(NotificationServiceTest, WhatIsToldIsListedWithItsParameters) {
  EXPECT_THAT(ListAll("m1", 10), IsEmpty());
  ASSERT_TRUE(Notify(Paid("o1", 1500), "s1").status.ok());
  v1::NotifyRequest points = Of("o1", Kinds::KIND_POINTS_EARNED);
  points.set_points(15);
  ASSERT_TRUE(Notify(points, "s2").status.ok());
  v1::NotifyRequest apology = Of("o2", Kinds::KIND_SOLD_OUT_APOLOGY);
  apology.set_product_id("lamp");
  apology.set_coupon_id("sorry");
  ASSERT_TRUE(Notify(apology, "s3").status.ok());

  const auto listed = List("m1");
  ASSERT_EQ(listed.response.notifications_size(), 3) << listed.status;
  const v1::Notification& sorry = listed.response.notifications(0);
  EXPECT_EQ(sorry.kind(), Kinds::KIND_SOLD_OUT_APOLOGY);
  EXPECT_EQ(sorry.order_id(), "o2");
  EXPECT_EQ(sorry.product_id(), "lamp");
  EXPECT_EQ(sorry.coupon_id(), "sorry");
  EXPECT_FALSE(sorry.has_amount());
  const v1::Notification& earned = listed.response.notifications(1);
  EXPECT_EQ(earned.kind(), Kinds::KIND_POINTS_EARNED);
  EXPECT_EQ(earned.points(), 15);
  const v1::Notification& paid = listed.response.notifications(2);
  EXPECT_EQ(paid.kind(), Kinds::KIND_ORDER_PAID);
  EXPECT_EQ(paid.member_id(), "m1");
  EXPECT_EQ(paid.amount().minor_units(), 1500);
  EXPECT_EQ(paid.amount().currency_code(), "KRW");
  EXPECT_EQ(paid.points(), 0);
  EXPECT_GT(paid.create_time().seconds(), 1'700'000'000);
  EXPECT_THAT(ListAll("m2", 10), IsEmpty());
}

TEST_F(NotificationServiceTest, EveryKindIsKept) {
  const auto* const kinds = Kinds::Kind_descriptor();
  for (int i = 0; i < kinds->value_count(); ++i) {
    const auto kind = static_cast<Kinds::Kind>(kinds->value(i)->number());
    if (kind == Kinds::KIND_UNSPECIFIED) continue;
    ASSERT_TRUE(Notify(Of("o1", kind), absl::StrCat("s", i)).status.ok()) << kinds->value(i)->name();
    EXPECT_EQ(List("m1", 1).response.notifications(0).kind(), kind);
  }
}

TEST_F(NotificationServiceTest, ItIsToldOnceWhateverCalls) {
  const auto first = Notify(Paid("o1", 1500), "s1");
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_TRUE(Notify(Paid("o1", 1500), "s1").status.ok());
  const std::string before = List("m1").response.SerializeAsString();
  process_.Stop();
  process_.Start();
  EXPECT_TRUE(Notify(Paid("o1", 1500), "s1").status.ok());
  EXPECT_TRUE(Notify(Paid("o1", 1500), "s2").status.ok());
  EXPECT_TRUE(Notify(Paid("o1", 1500), Key("by-hand")).status.ok());
  EXPECT_EQ(List("m1").response.SerializeAsString(), before);  // its time too
  EXPECT_EQ(Notify(Paid("o1", 1600), "s1").reason(), "KEY_REUSED");
}

TEST_F(NotificationServiceTest, WhatWasToldStands) {
  ASSERT_TRUE(Notify(Paid("o1", 1500), "s1").status.ok());
  for (const v1::NotifyRequest& other : {Paid("o1", 1600), Paid("o1", 1500, "m2")}) {
    const auto called = Notify(other, "s2");
    EXPECT_EQ(called.status.code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(called.reason(), "NOTIFICATION_EXISTS");
    EXPECT_EQ(called.info().metadata.at("order_id"), "o1");
    EXPECT_EQ(called.info().domain, "order.shop.unwind");
    EXPECT_FALSE(called.effect_free);
  }
  EXPECT_EQ(List("m1").response.notifications(0).amount().minor_units(), 1500);
  EXPECT_THAT(ListAll("m2", 10), IsEmpty());
}

TEST_F(NotificationServiceTest, ListsNewestFirstByPage) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 7; ++i) {
    const std::string id = absl::StrCat("o", i);
    ASSERT_TRUE(Notify(Paid(id, 1), id).status.ok());
    newest_first.insert(newest_first.begin(), id + " 1");
    if (i % 3 == 0) {
      ASSERT_TRUE(Notify(Paid(id + "x", 1, "m2"), id + "x").status.ok());
    }
  }
  for (const int page : {1, 2, 6, 7, 8}) EXPECT_EQ(ListAll("m1", page), newest_first);
  EXPECT_THAT(ListAll("m2", 2), ElementsAre("o6x 1", "o3x 1", "o0x 1"));
  const std::string token = List("m1", 2).response.next_page_token();
  for (const auto& called : {List("m2", 2, token), List("m1", 2, "x"), List("m1", 2, token + "AA")}) {
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(called.reason(), "INVALID_PAGE_TOKEN");
  }
}

TEST_F(NotificationServiceTest, EachFieldKeepsItsLimits) {
  const std::string long_id(65, 'a');
  const auto notify = [&](const v1::NotifyRequest& request) {
    const auto called = Notify(request, "bad");
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(called.reason(), "INVALID_REQUEST");
    return BadFields(called.status);
  };
  EXPECT_THAT(notify(v1::NotifyRequest()), ElementsAre("order_id", "kind", "member_id"));
  EXPECT_THAT(notify(Paid("o.1", 1)), ElementsAre("order_id"));
  EXPECT_THAT(notify(Paid(long_id, 1)), ElementsAre("order_id"));
  EXPECT_THAT(notify(Of("o1", Kinds::KIND_UNSPECIFIED)), ElementsAre("kind"));
  EXPECT_THAT(notify(Of("o1", static_cast<Kinds::Kind>(77))), ElementsAre("kind"));
  EXPECT_THAT(notify(Paid("o1", -1)), ElementsAre("amount.minor_units"));
  EXPECT_THAT(notify(Paid("o1", 1'000'000'000'000'001)), ElementsAre("amount.minor_units"));
  v1::NotifyRequest request = Paid("o1", 1);
  request.mutable_amount()->clear_currency_code();
  EXPECT_THAT(notify(request), ElementsAre("amount.currency_code"));
  request.mutable_amount()->set_currency_code("krw");
  EXPECT_THAT(notify(request), ElementsAre("amount.currency_code"));
  request = Paid("o1", 1);
  request.set_points(-1);
  EXPECT_THAT(notify(request), ElementsAre("points"));
  request.set_points(1'000'000'000'000'001);
  EXPECT_THAT(notify(request), ElementsAre("points"));
  request.set_points(0);
  request.set_product_id("p 1");
  request.set_coupon_id(long_id);
  EXPECT_THAT(notify(request), ElementsAre("product_id", "coupon_id"));
  EXPECT_THAT(BadFields(List("").status), ElementsAre("member_id"));
  EXPECT_THAT(BadFields(List("m1", -1).status), ElementsAre("page_size"));
  EXPECT_THAT(BadFields(List("m1", 1, std::string(1025, 'a')).status), ElementsAre("page_token"));
  const auto without = Notify(Paid("o1", 1), Metadata());
  EXPECT_EQ(without.reason(), "METADATA_MISSING");
  EXPECT_THAT(ListAll("m1", 10), IsEmpty());
  EXPECT_TRUE(Notify(Paid("o1", 1), "bad").status.ok());  // an invalid request uses up no key
}

TEST_F(NotificationServiceTest, OfManyThatTellTheSameAtOnceOneTells) {
  std::vector<std::future<Called<v1::NotifyResponse>>> calls;
  for (int i = 0; i < 32; ++i) {
    calls.push_back(
        std::async(std::launch::async, [this, i] { return Notify(Paid("o1", 1500), absl::StrCat("s", i)); }));
  }
  for (auto& call : calls) EXPECT_TRUE(call.get().status.ok());
  EXPECT_THAT(ListAll("m1", 10), ElementsAre("o1 1"));
}

TEST_F(NotificationServiceTest, AResetForgetsThem) {
  ASSERT_TRUE(Notify(Paid("o1", 1500), "s1").status.ok());
  v1::OrderService::Stub orders = process_.Orders();
  ASSERT_TRUE(Call(orders, &v1::OrderService::Stub::ResetOrders, v1::ResetOrdersRequest(), Key("reset")).status.ok());
  EXPECT_THAT(ListAll("m1", 10), IsEmpty());
}

constexpr char kGatewayAndOrchestrator[] = R"(rules:
  - {callers: [gateway], methods: [shop.order.v1.NotificationService/ListNotifications], member: allowed}
  - {callers: [orchestrator], methods: [shop.order.v1.NotificationService/Notify], saga_metadata: allowed}
)";

TEST_F(NotificationServiceTest, AMemberReadsItsOwnAlone) {
  process_.Stop();
  process_.Guard(kGatewayAndOrchestrator);
  process_.Start();
  Metadata saga = SagaCall("s1", "notify", "action", "retriable");
  saga[kTestIdentity] = "orchestrator";
  ASSERT_TRUE(Notify(Paid("o1", 1500, "mina"), saga).status.ok());
  const auto as = [](const std::string& member) {
    return Metadata{{kTestIdentity, "gateway"}, {"x-member-id", member}};
  };
  EXPECT_EQ(List("mina", 0, "", as("mina")).response.notifications_size(), 1);
  EXPECT_EQ(List("juno", 0, "", as("juno")).response.notifications_size(), 0);
  const auto refused = List("mina", 0, "", as("juno"));
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(refused.reason(), "CALLER_NOT_ALLOWED");
  EXPECT_THAT(BadFields(refused.status), ElementsAre("member_id"));
  EXPECT_EQ(Notify(Paid("o1", 1500, "mina"), as("mina")).reason(), "CALLER_NOT_ALLOWED");
}

}  // namespace
}  // namespace unwind::order
