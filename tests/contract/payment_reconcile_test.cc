// `payment_svc reconcile` beside a real order_svc.
#include <cstdio>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"
#include "payment_svc/reconcile_task.h"
#include "shop/order/v1/order_service.grpc.pb.h"
#include "tests/contract/collect_shop.h"
#include "tests/contract/service_harness.h"

extern const unwind::Migrations kOrderMigrations;

namespace unwind {
namespace {

namespace order_v1 = ::shop::order::v1;
using testing::HasSubstr;

class PaymentReconcileTest : public CollectShop {
 protected:
  using Orders = order_v1::OrderService;

  // What it says.
  std::string Reconcile() {
    const std::unique_ptr<Connection> connection = payment_.Open();
    std::FILE* const out = std::tmpfile();
    const absl::StatusOr<int> differences =
        payment::Reconcile(*connection, {.gateway = pg_.stub(), .orders = &orders_.stub(), .timeout = absl::Seconds(5)},
                           SystemClock(), absl::ZeroDuration(), out);
    EXPECT_TRUE(differences.ok()) << differences.status();
    std::string said(static_cast<std::size_t>(std::ftell(out)), '\0');
    std::rewind(out);
    EXPECT_EQ(std::fread(said.data(), 1, said.size(), out), said.size());
    std::fclose(out);
    return said;
  }

  template <class Request, class Response>
  void Do(grpc::Status (Orders::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
          const std::string& step, const std::string& phase = "action") {
    const auto called = Call(orders_.stub(), method, request, SagaCall(request.order_id(), step, phase));
    EXPECT_TRUE(called.status.ok()) << called.status;
  }
  void Create(const std::string& id) {
    order_v1::CreateOrderRequest request;
    request.set_order_id(id);
    request.set_member_id("m1");
    auto& item = *request.add_items();
    item.set_product_id("lamp");
    item.set_quantity(1);
    Do(&Orders::Stub::CreateOrder, request, "create_order");
  }
  void Confirm(const std::string& id) {
    order_v1::ConfirmOrderRequest request;
    request.set_order_id(id);
    *request.mutable_total() = CollectOf(id).amount();
    request.set_payment_id(id);
    Do(&Orders::Stub::ConfirmOrder, request, "confirm_order");
  }
  void Reject(const std::string& id) {
    order_v1::RejectOrderRequest request;
    request.set_order_id(id);
    Do(&Orders::Stub::RejectOrder, request, "create_order", "compensation");
  }
  void Cancel(const std::string& id) {
    order_v1::StartCancelRequest start;
    start.set_order_id(id);
    start.set_member_id("m1");
    Do(&Orders::Stub::StartCancel, start, "start_cancel");
    order_v1::FinishCancelRequest finish;
    finish.set_order_id(id);
    Do(&Orders::Stub::FinishCancel, finish, "finish_cancel");
  }
  void PayFor(const std::string& id) {
    Collect(id);
    EXPECT_TRUE(Pay(id, "try-" + id).status.ok());
  }

  ServiceProcess<Orders> orders_{kOrderMigrations, &order::NewOrderDomain, order::OrderTable()};
};

TEST_F(PaymentReconcileTest, AnOrderAndItsPaymentAgree) {
  Create("paid");
  PayFor("paid");
  EXPECT_THAT(Reconcile(), HasSubstr("1 orders: 0 differences")) << "it is not confirmed yet";
  Confirm("paid");
  Create("unpaid");
  Collect("unpaid");
  Reject("unpaid");
  EXPECT_THAT(Reconcile(), HasSubstr("2 orders: 0 differences"));
}

TEST_F(PaymentReconcileTest, AnOrderThatIsPaidByNothing) {
  Create("o1");
  Confirm("o1");
  EXPECT_THAT(Reconcile(), HasSubstr("order o1 is PAID, and its payment o1 is not there\n"));
}

TEST_F(PaymentReconcileTest, MoneyOfAnOrderThatFailed) {
  Create("o1");
  PayFor("o1");
  Reject("o1");
  EXPECT_THAT(Reconcile(), HasSubstr("order o1 is FAILED, and its payment o1 is SUCCESS\n"));
}

TEST_F(PaymentReconcileTest, MoneyOfAnOrderThatWasCancelled) {
  Create("o1");
  PayFor("o1");
  Confirm("o1");
  Cancel("o1");
  EXPECT_THAT(Reconcile(), HasSubstr("order o1 is CANCELLED, and its payment o1 is SUCCESS\n"));
  ::shop::payment::v1::RefundRequest refund;
  refund.set_refund_id("r1");
  refund.set_payment_id("o1");
  ::shop::payment::v1::RefundResponse refunded;
  ASSERT_TRUE(Invoke(payment_.stub(), &Stub::Refund, refund, &refunded, Key("r1")).status.ok());
  EXPECT_THAT(Reconcile(), HasSubstr(" 0 differences"));
}

TEST_F(PaymentReconcileTest, OrdersThatCannotBeReadAreNotCompared) {
  orders_.Stop();
  const std::unique_ptr<Connection> connection = payment_.Open();
  const absl::StatusOr<int> differences =
      payment::Reconcile(*connection, {.gateway = pg_.stub(), .orders = &orders_.stub(), .timeout = absl::Seconds(5)},
                         SystemClock(), absl::ZeroDuration(), stdout);
  EXPECT_EQ(differences.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(differences.status().message()), HasSubstr("the orders cannot be read"));
}

}  // namespace
}  // namespace unwind
