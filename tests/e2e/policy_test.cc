// What a member, an operator and a shop that begins to tell callers apart see of the policy that ships.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "tests/e2e/policy_shop.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;
using shop::order::v1::OrderService;
using shop::payment::v1::PaymentService;

constexpr absl::Duration kPatience = absl::Seconds(60);

// What a caller is told, without the id that it asked for and that of the saga which its call started.
std::string Told(const grpc::Status& status, const std::string& id) {
  std::string told =
      absl::StrCat(static_cast<int>(status.error_code()), " ", status.error_message(), " ", status.error_details());
  const std::map<std::string, std::string> metadata = GetErrorInfo(FromGrpc(status)).metadata;
  const auto saga = metadata.find("saga_id");
  told = absl::StrReplaceAll(told, {{id, "the order"}});
  return saga == metadata.end() ? told : absl::StrReplaceAll(told, {{saga->second, "the saga"}});
}

class GoingOnTest : public PolicyTest {
 protected:
  // True once the caller is told that his saga has begun and goes on: a busy machine may not have stored it in time.
  bool GoesOn(const std::string& member, const PlaceOrderRequest& request) {
    PlaceOrderResponse response;
    return Eventually(kPatience,
                      [&] { return Reason(Place(member, request, &response, absl::Seconds(2))) == "SAGA_RUNNING"; });
  }
};

TEST_F(PolicyTest, AnothersIsAsIfItWereNotThere) {
  StartCluster(/*with_policy=*/true);
  Restock("pen", 10);
  PlaceOrderResponse placed;
  const grpc::Status status = Place("mina", Shop::Order("mina", "pen"), &placed);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const std::string theirs = placed.order_id();
  std::string none = theirs;  // no order has it
  none.back() = none.back() == '0' ? '1' : '0';

  const auto order_of = [&](const std::string& member, const std::string& id) {
    shop::order::v1::GetOrderRequest request;
    request.set_order_id(id);
    shop::order::v1::Order order;
    return Ask<OrderService>({"gateway", member}, cluster_->Address(Node::kOrder), &OrderService::Stub::GetOrder,
                             request, &order);
  };
  EXPECT_TRUE(order_of("mina", theirs).ok());
  EXPECT_EQ(order_of("juno", theirs).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Told(order_of("juno", theirs), theirs), Told(order_of("juno", none), none));

  const auto payment_of = [&](const std::string& member, const std::string& id) {
    shop::payment::v1::GetPaymentRequest request;
    request.set_payment_id(id);
    shop::payment::v1::Payment payment;
    return Ask<PaymentService>({"gateway", member}, cluster_->Address(Node::kPayment),
                               &PaymentService::Stub::GetPayment, request, &payment);
  };
  EXPECT_TRUE(payment_of("mina", theirs).ok());
  EXPECT_EQ(payment_of("juno", theirs).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Told(payment_of("juno", theirs), theirs), Told(payment_of("juno", none), none));

  const auto cancel_of = [&](const std::string& member, const std::string& as, const std::string& id) {
    CancelOrderRequest request;
    request.set_request_id(NewKey());
    request.set_order_id(id);
    request.set_member_id(as);
    CancelOrderResponse response;
    return Ask<CheckoutService>({"gateway", member}, cluster_->Address(Node::kOrchestrator),
                                &CheckoutService::Stub::CancelOrder, request, &response);
  };
  EXPECT_EQ(cancel_of("juno", "juno", theirs).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Told(cancel_of("juno", "juno", theirs), theirs), Told(cancel_of("juno", "juno", none), none));
  EXPECT_EQ(cancel_of("juno", "mina", theirs).error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Reason(Place("juno", Shop::Order("mina", "pen"), &placed)), "CALLER_NOT_ALLOWED");

  const auto orders_of = [&](const std::string& member) {
    shop::order::v1::ListOrdersRequest request;
    request.set_member_id(member);
    shop::order::v1::ListOrdersResponse response;
    EXPECT_TRUE(Ask<OrderService>({"gateway", member}, cluster_->Address(Node::kOrder), &OrderService::Stub::ListOrders,
                                  request, &response)
                    .ok());
    return response.orders_size();
  };
  EXPECT_EQ(orders_of("mina"), 1);
  EXPECT_EQ(orders_of("juno"), 0);
}

TEST_F(PolicyTest, TwoMembersWithOneKeyPlaceTwoOrders) {
  StartCluster(/*with_policy=*/true);
  Restock("pen", 10);
  PlaceOrderRequest minas = Shop::Order("mina", "pen"), junos = Shop::Order("juno", "pen");
  junos.set_request_id(minas.request_id());
  PlaceOrderResponse first, second, again;
  ASSERT_TRUE(Place("mina", minas, &first).ok());
  ASSERT_TRUE(Place("juno", junos, &second).ok());
  EXPECT_NE(first.order_id(), second.order_id());
  ASSERT_TRUE(Place("mina", minas, &again).ok());
  EXPECT_EQ(again.order_id(), first.order_id());
  EXPECT_EQ(SagasOf(minas.request_id()), 2);
}

// One order is placed and one is under way when the shop begins to tell callers apart. Both repeat their calls.
TEST_F(GoingOnTest, APolicySwitchedOnStartsNothingTwice) {
  ASSERT_EQ(std::getenv("UNWIND_POLICY"), nullptr);
  StartCluster(/*with_policy=*/false);
  Restock("pen", 10);
  const PlaceOrderRequest placed = Shop::Order("mina", "pen"), waits = Shop::Order("juno", "pen");
  PlaceOrderResponse before, after;
  ASSERT_TRUE(Place("mina", placed, &before).ok());
  cluster_->Kill(Node::kPayment);
  ASSERT_TRUE(GoesOn("juno", waits));

  ASSERT_EQ(setenv("UNWIND_POLICY", "policy/shop.yaml", 1), 0);
  for (const Node node : kNodes) {
    cluster_->Kill(node);
    const absl::Status restarted = cluster_->Restart(node);
    EXPECT_TRUE(restarted.ok()) << restarted;
  }
  unsetenv("UNWIND_POLICY");
  EXPECT_EQ(Call({"stranger"}, cluster_->Address(Node::kStock), "shop.stock.v1.StockService/Restock").error_code(),
            StatusCode::PERMISSION_DENIED);

  ASSERT_TRUE(Place("mina", placed, &after).ok());
  EXPECT_EQ(after.order_id(), before.order_id());
  EXPECT_EQ(SagasOf(placed.request_id()), 1);
  // Paid, or undone since the payment was away for too long: one end, told again and again.
  grpc::Status end;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    end = Place("juno", waits, &after);
    return !AskAgain(end);
  }));
  EXPECT_EQ(Reason(Place("juno", waits, &after)), Reason(end));
  EXPECT_EQ(SagasOf(waits.request_id()), 1);
  // Its key was nobody's, so another body under it is refused to everybody.
  PlaceOrderRequest other = Shop::Order("mina", "pen", 2);
  other.set_request_id(placed.request_id());
  EXPECT_EQ(Reason(Place("mina", other, &after)), "KEY_REUSED");
}

TEST_F(GoingOnTest, WhoMovesASagaIsSaidByItsCertificate) {
  StartCluster(/*with_policy=*/true);
  Restock("pen", 10);
  cluster_->Kill(Node::kPayment);
  const PlaceOrderRequest request = Shop::Order("mina", "pen");
  ASSERT_TRUE(GoesOn("mina", request));
  const std::string admin = cluster_->AdminAddress(Node::kOrchestrator);
  saga::v1::GetSagaRequest which;
  which.set_definition("place-order");
  which.set_key(request.request_id());
  saga::v1::Saga saga;
  ASSERT_TRUE(Ask<saga::v1::SagaService>({"operators_gateway", "jane"}, admin, &saga::v1::SagaService::Stub::GetSaga,
                                         which, &saga)
                  .ok());
  saga::v1::CancelSagaRequest cancel;
  cancel.set_saga_id(saga.saga_id());
  saga::v1::CancelSagaResponse cancelled;
  const auto cancel_as = [&](const std::string& actor) {
    cancel.set_actor(actor);
    return Ask<saga::v1::SagaService>({"operators_gateway", "jane"}, admin, &saga::v1::SagaService::Stub::CancelSaga,
                                      cancel, &cancelled);
  };
  EXPECT_EQ(Reason(cancel_as("somebody else")), "CALLER_NOT_ALLOWED");
  EXPECT_TRUE(cancel_as("").ok());
  saga::v1::GetHistoryRequest of;
  of.set_saga_id(saga.saga_id());
  saga::v1::GetHistoryResponse history;
  ASSERT_TRUE(
      Ask<saga::v1::SagaService>({"operator"}, admin, &saga::v1::SagaService::Stub::GetHistory, of, &history).ok());
  std::vector<std::string> actors;
  for (const auto& entry : history.entries()) {
    if (entry.event() == "cancel_requested") actors.push_back(entry.actor());
  }
  EXPECT_THAT(actors, testing::ElementsAre("jane via operators_gateway"));
}

}  // namespace
}  // namespace unwind
