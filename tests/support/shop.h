// The shop as a buyer and an administrator see it: typed calls to a running cluster, over public gRPC only.
#ifndef UNWIND_TESTS_SUPPORT_SHOP_H_
#define UNWIND_TESTS_SUPPORT_SHOP_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "pg/v1/mock_control.grpc.pb.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "saga/v1/saga_service.grpc.pb.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "shop/order/v1/order_service.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"
#include "tests/support/cluster.h"

namespace unwind {

// A call of PlaceOrder that has been sent. Tells its saga as soon as the orchestrator has accepted it.
class Placing final : public grpc::ClientUnaryReactor {
 public:
  // `done`, if any, is called when the call ends, on a gRPC thread; it must not destroy the call.
  Placing(const std::shared_ptr<grpc::Channel>& channel, const shop::checkout::v1::PlaceOrderRequest& request,
          absl::Duration deadline, std::function<void()> done = nullptr);
  // Cancels the call if it goes on, and waits for its end.
  ~Placing() override;

  // The saga's id; empty if the call was not accepted, or if neither happened in time.
  std::string SagaId(absl::Duration patience);
  bool IsOver();
  // Waits for the end, which the deadline bounds.
  const grpc::Status& Wait();
  // Valid after Wait.
  const shop::checkout::v1::PlaceOrderResponse& response() const { return response_; }

 private:
  void OnReadInitialMetadataDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const std::function<void()> done_callback_;
  const shop::checkout::v1::PlaceOrderRequest request_;
  shop::checkout::v1::PlaceOrderResponse response_;
  grpc::ClientContext context_;
  std::unique_ptr<shop::checkout::v1::CheckoutService::Stub> stub_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string saga_id_;
  bool accepted_ = false;
  bool done_ = false;
  grpc::Status status_;
};

// True if `status` says nothing about the order: call again with the same request_id.
bool AskAgain(const grpc::Status& status);

// The ErrorInfo reason of `status`; empty without one.
std::string Reason(const grpc::Status& status);

// A key nobody else has.
std::string NewKey();

class Shop {
 public:
  // `door`: the orchestrator that is called.
  explicit Shop(Cluster& cluster, Node door = Node::kOrchestrator) : cluster_(cluster), door_(door) {}

  static shop::checkout::v1::PlaceOrderRequest Order(const std::string& member, const std::string& product,
                                                     int quantity = 1);

  // Calls PlaceOrder, again with the same request_id while AskAgain, until `patience` is over.
  grpc::Status Place(const shop::checkout::v1::PlaceOrderRequest& request,
                     shop::checkout::v1::PlaceOrderResponse* response, absl::Duration patience = absl::Seconds(60));
  std::unique_ptr<Placing> Begin(const shop::checkout::v1::PlaceOrderRequest& request,
                                 absl::Duration deadline = absl::Seconds(30));
  grpc::Status Cancel(const shop::checkout::v1::CancelOrderRequest& request,
                      shop::checkout::v1::CancelOrderResponse* response);

  // As an operator: the saga as it stands then.
  absl::StatusOr<saga::v1::Saga> CancelSaga(const std::string& saga_id);
  absl::StatusOr<saga::v1::Saga> RetryStep(const std::string& saga_id, const std::string& step);

  absl::Status Restock(const std::string& product, std::int64_t quantity, std::int64_t price_minor);
  absl::Status SetScenario(const pg::v1::Scenario& scenario);

  absl::StatusOr<shop::stock::v1::Product> Product(const std::string& product_id);
  absl::StatusOr<shop::order::v1::Order> GetOrder(const std::string& order_id);
  absl::StatusOr<saga::v1::Saga> Saga(const std::string& saga_id);
  // The newest saga of `definition` whose key is `key`; NOT_FOUND if there is none.
  absl::StatusOr<saga::v1::Saga> SagaOfKey(const std::string& definition, const std::string& key);
  absl::StatusOr<std::vector<saga::v1::HistoryEntry>> History(const std::string& saga_id);
  absl::StatusOr<std::vector<pg::v1::Transaction>> Ledger();

  // True once `step` of the saga has been sent at least once; waits for it.
  bool AwaitStepSent(const std::string& saga_id, const std::string& step, absl::Duration patience);
  // The saga once it is COMPLETED or ABORTED.
  absl::StatusOr<saga::v1::Saga> AwaitEnd(const std::string& saga_id, absl::Duration patience);
  // How many sagas are neither COMPLETED nor ABORTED.
  absl::StatusOr<int> Unfinished();

  Cluster& cluster() { return cluster_; }

 private:
  Cluster& cluster_;
  const Node door_;
};

// OK once no saga is under way.
absl::Status AwaitRest(Shop& shop, absl::Duration patience);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_SHOP_H_
