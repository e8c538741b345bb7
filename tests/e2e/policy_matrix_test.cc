// Every method for every role, over the policy that ships.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "tests/e2e/policy_shop.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using testing::IsEmpty;

// Who calls in the matrix. The two members have the same rights, on different orders.
const std::vector<Role>& Roles() {
  static const auto* const roles =
      new std::vector<Role>{{"gateway", "mina"},   {"gateway", "juno"},  {"gateway"},  {"orchestrator"},
                            {"payment_svc"},       {"order_svc"},        {"operator"}, {"operators_gateway", "jane"},
                            {"operators_gateway"}, {"operator", "jane"}, {"stranger"}, {""}};
  return *roles;
}

// Who may call each method that is in unwind.protoset or on every port. Not derived from the policy: it is what the
// policy is held to.
const std::map<std::string, std::set<std::string>>& MayCall() {
  static const std::set<std::string> kMembers = {"mina via gateway", "juno via gateway"};
  static const std::set<std::string> kOwner = {"mina via gateway", "juno via gateway", "operator"};
  static const std::set<std::string> kReader = {"mina via gateway", "juno via gateway", "gateway", "operator"};
  static const std::set<std::string> kSagas = {"orchestrator"};
  static const std::set<std::string> kPayments = {"payment_svc"};
  static const std::set<std::string> kOperator = {"operator"};
  static const std::set<std::string> kOperators = {"operator", "jane via operators_gateway"};
  static const std::set<std::string> kKnown = {"gateway",  "orchestrator",      "payment_svc", "order_svc",
                                               "operator", "operators_gateway", "stranger"};
  static const auto* const may = new std::map<std::string, std::set<std::string>>{
      {"grpc.health.v1.Health/Check", kKnown},
      {"grpc.reflection.v1.ServerReflection/ServerReflectionInfo", kOperator},
      {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kOperator},
      {"pg.v1.MockControl/GetScenario", kOperator},
      {"pg.v1.MockControl/Reset", kOperator},
      {"pg.v1.MockControl/SetScenario", kOperator},
      {"pg.v1.PaymentGateway/Cancel", kPayments},
      {"pg.v1.PaymentGateway/Confirm", kPayments},
      {"pg.v1.PaymentGateway/Fence", kPayments},
      {"pg.v1.PaymentGateway/Get", kPayments},
      {"pg.v1.PaymentGateway/ListTransactions", kPayments},
      {"pg.v1.PaymentGateway/Process", kOperator},
      {"saga.participant.v1.NudgeService/Nudge", {"payment_svc", "orchestrator", "operator"}},
      {"saga.v1.SagaService/CancelSaga", kOperators},
      {"saga.v1.SagaService/GetHistory", kOperators},
      {"saga.v1.SagaService/GetSaga", kOperators},
      {"saga.v1.SagaService/ListDefinitions", kOperators},
      {"saga.v1.SagaService/ListSagas", kOperators},
      {"saga.v1.SagaService/PauseDefinition", kOperators},
      {"saga.v1.SagaService/ResolveStep", kOperators},
      {"saga.v1.SagaService/ResumeDefinition", kOperators},
      {"saga.v1.SagaService/RetryStep", kOperators},
      {"saga.v1.SagaService/SkipStep", kOperators},
      {"saga.v1.SagaService/WatchSaga", kOperators},
      {"saga.v1.SagaService/WatchSagas", kOperators},
      {"shop.checkout.v1.CheckoutService/CancelOrder", kMembers},
      {"shop.checkout.v1.CheckoutService/ChargeWallet", kMembers},
      {"shop.checkout.v1.CheckoutService/Checkout", kMembers},
      {"shop.checkout.v1.CheckoutService/PlaceOrder", kMembers},
      {"shop.checkout.v1.TestService/Reset", kOperator},
      {"shop.coupon.v1.CouponService/CreateCampaign", kOperator},
      {"shop.coupon.v1.CouponService/GetCampaign", kOwner},
      {"shop.coupon.v1.CouponService/GetCoupon", kOwner},
      {"shop.coupon.v1.CouponService/Hold", kSagas},
      {"shop.coupon.v1.CouponService/Issue", kOwner},
      {"shop.coupon.v1.CouponService/IssueApology", kSagas},
      {"shop.coupon.v1.CouponService/ListCoupons", kOwner},
      {"shop.coupon.v1.CouponService/Release", kSagas},
      {"shop.coupon.v1.CouponService/ResetCoupons", kSagas},
      {"shop.coupon.v1.CouponService/ReturnUsed", kSagas},
      {"shop.coupon.v1.CouponService/Use", kSagas},
      {"shop.order.v1.CartService/AddItem", kMembers},
      {"shop.order.v1.CartService/ChangeItem", kMembers},
      {"shop.order.v1.CartService/ClearOrdered", kSagas},
      {"shop.order.v1.CartService/ListCart", kOwner},
      {"shop.order.v1.CartService/RemoveItem", kMembers},
      {"shop.order.v1.NotificationService/ListNotifications", kOwner},
      {"shop.order.v1.NotificationService/Notify", kSagas},
      {"shop.order.v1.OrderService/ConfirmOrder", kSagas},
      {"shop.order.v1.OrderService/CreateOrder", kSagas},
      {"shop.order.v1.OrderService/FinishCancel", kSagas},
      {"shop.order.v1.OrderService/GetOrder", kOwner},
      {"shop.order.v1.OrderService/ListOrders", {"mina via gateway", "juno via gateway", "operator", "payment_svc"}},
      {"shop.order.v1.OrderService/RejectOrder", kSagas},
      {"shop.order.v1.OrderService/ResetOrders", kSagas},
      {"shop.order.v1.OrderService/SetPurchaseLimit", kOperator},
      {"shop.order.v1.OrderService/StartCancel", kSagas},
      {"shop.order.v1.OrderService/UndoCancel", kSagas},
      {"shop.payment.v1.PaymentService/CancelPayment", kMembers},
      {"shop.payment.v1.PaymentService/Charge", kSagas},
      {"shop.payment.v1.PaymentService/Collect", kSagas},
      {"shop.payment.v1.PaymentService/GetPayment", kOwner},
      {"shop.payment.v1.PaymentService/Pay", kMembers},
      {"shop.payment.v1.PaymentService/Refund", kSagas},
      {"shop.payment.v1.PaymentService/ResetPayments", kSagas},
      {"shop.payment.v1.PaymentService/ResolveCharge", kSagas},
      {"shop.payment.v1.PaymentService/ResolveCollect", kSagas},
      {"shop.payment.v1.PaymentService/ResolveRefund", kSagas},
      {"shop.payment.v1.PaymentWebhookService/Receive", {"gateway"}},
      {"shop.stock.v1.StockService/Confirm", kSagas},
      {"shop.stock.v1.StockService/GetProduct", kReader},
      {"shop.stock.v1.StockService/ListProducts", kReader},
      {"shop.stock.v1.StockService/Release", kSagas},
      {"shop.stock.v1.StockService/Reserve", kSagas},
      {"shop.stock.v1.StockService/ResetStock", kSagas},
      {"shop.stock.v1.StockService/Restock", kOperator},
      {"shop.stock.v1.StockService/ReturnSold", kSagas},
      {"shop.wallet.v1.WalletService/Charge", kSagas},
      {"shop.wallet.v1.WalletService/Earn", kSagas},
      {"shop.wallet.v1.WalletService/GetWallet", kOwner},
      {"shop.wallet.v1.WalletService/Hold", kSagas},
      {"shop.wallet.v1.WalletService/ListEntries", kOwner},
      {"shop.wallet.v1.WalletService/Release", kSagas},
      {"shop.wallet.v1.WalletService/ResetWallets", kSagas},
      {"shop.wallet.v1.WalletService/ReturnSettled", kSagas},
      {"shop.wallet.v1.WalletService/Settle", kSagas},
      {"shop.wallet.v1.WalletService/TakeBack", kSagas},
      {"shop.wallet.v1.WalletService/UndoTakeBack", kSagas},
  };
  return *may;
}

// "package.Service/Method" of everything that unwind.protoset describes of ours.
std::vector<std::string> MethodsOfTheSet() {
  std::ifstream stream(absl::StrCat(UNWIND_BIN_DIR, "/../unwind.protoset"), std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  EXPECT_TRUE(set.ParseFromIstream(&stream));
  std::vector<std::string> methods;
  for (const auto& file : set.file()) {
    const bool is_library = absl::StartsWith(file.package(), "grpc.") || absl::StartsWith(file.package(), "google.");
    if (is_library) continue;
    for (const auto& service : file.service()) {
      for (const auto& method : service.method()) {
        methods.push_back(absl::StrCat(file.package(), ".", service.name(), "/", method.name()));
      }
    }
  }
  return methods;
}

// Whether the policy let the call pass, whatever its handler then made of an empty message. Who has no certificate does
// not come so far.
bool WasLetIn(const grpc::Status& status) {
  const ErrorInfo info = GetErrorInfo(FromGrpc(status));
  if (!info.reason.empty()) return info.domain != "rpc.unwind";
  return status.error_code() != StatusCode::UNAUTHENTICATED && status.error_code() != StatusCode::UNAVAILABLE &&
         status.error_code() != StatusCode::PERMISSION_DENIED;
}

using PolicyMatrixTest = PolicyTest;

TEST_F(PolicyMatrixTest, EveryMethodForEveryRole) {
  StartCluster(/*with_policy=*/true);
  std::vector<std::string> unknown, wrong;
  for (const std::string& method : MethodsOfTheSet()) {
    if (!MayCall().contains(method)) unknown.push_back(method);
  }
  EXPECT_THAT(unknown, IsEmpty()) << "say in MayCall who may call them";
  int calls = 0, let_in = 0, refused = 0;
  for (const auto& [method, allowed] : MayCall()) {
    for (const std::string& address : PortsOf(method)) {
      for (const Role& role : Roles()) {
        const grpc::Status status = Call(role, address, method);
        ++calls;
        ++(WasLetIn(status) ? let_in : refused);
        if (WasLetIn(status) == allowed.contains(role.name())) continue;
        wrong.push_back(absl::StrCat(method, " at ", address, " by '", role.name(),
                                     "': ", static_cast<int>(status.error_code()), " ", status.error_message()));
      }
    }
  }
  EXPECT_THAT(wrong, IsEmpty());
  std::printf("%zu methods, %zu roles: %d calls, %d let in, %d refused\n", MayCall().size(), Roles().size(), calls,
              let_in, refused);
}

TEST_F(PolicyMatrixTest, NobodyButTheOrchestratorSendsSagaMetadata) {
  StartCluster(/*with_policy=*/true);
  const std::map<std::string, std::string> step = {
      {"saga-id", "s"}, {"saga-step", "t"}, {"saga-phase", "action"}, {"saga-kind", "compensatable"}};
  for (const auto& [method, allowed] : MayCall()) {
    if (absl::StartsWith(method, "grpc.")) continue;
    for (const Role& role : Roles()) {
      if (!allowed.contains(role.name())) continue;
      const grpc::Status status = Call(role, PortsOf(method).front(), method, step);
      EXPECT_EQ(WasLetIn(status), role.identity == "orchestrator") << method << " by " << role.name();
    }
  }
}

}  // namespace
}  // namespace unwind
