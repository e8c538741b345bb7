// Orders that wait for their customer, and processes that die while they do: around the write of a pending answer,
// around the end of the wait, around a webhook and what follows from it, and around the start of the saga that follows
// a paid order. Whatever dies where, the order ends as its tale says, the gateway keeps the money of paid orders alone,
// and a paid order is followed once. The tales run side by side, each on a cluster of its own: most of their time is
// spent waiting.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/crash_point.h"
#include "gtest/gtest.h"
#include "payment_svc/collect.h"
#include "tests/crash/armed_plan.h"
#include "tests/crash/second_piece.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

namespace unwind {
namespace {

namespace v1 = shop::payment::v1;
using SagaProto = saga::v1::Saga;
using Transaction = pg::v1::Transaction;

constexpr char kProduct[] = "lamp";
constexpr std::int64_t kPieces = 1'000'000;
constexpr absl::Duration kPatience = absl::Seconds(90);
constexpr absl::Duration kDyingPatience = absl::Seconds(3);  // between what all see and the death behind it
constexpr int kTriesMax = 3;  // of a place that may be passed by: two answers in one turn are one commit

// place-order, but the customer pays himself, within FOR.
constexpr char kOrder[] = R"(saga: place-order
version: 1000
serves: shop.checkout.v1.CheckoutService/PlaceOrder
key: input.request_id
deadline: 10m
answer: { after: collect, response: { order_id: saga.id, state: "PENDING" } }
steps:
  - name: create_order
    action: shop.order.v1.OrderService/CreateOrder
    request: { order_id: saga.id, member_id: input.member_id, items: input.items }
    compensation: shop.order.v1.OrderService/RejectOrder
    compensation_request: { order_id: saga.id, reason: saga.failure.reason }
    retry: { attempts: 50 }
  - name: reserve_stock
    action: shop.stock.v1.StockService/Reserve
    request: { reservation_id: saga.id, items: input.items }
    compensation: shop.stock.v1.StockService/Release
    compensation_request: { reservation_id: saga.id }
    retry: { attempts: 50 }
  - name: collect
    kind: pivot
    action: shop.payment.v1.PaymentService/Collect
    request:
      payment_id: saga.id
      member_id: input.member_id
      amount: reserve_stock.total
      wait_until: saga.collect.wait_until
    resolve: shop.payment.v1.PaymentService/ResolveCollect
    pending: { poll: 200ms, cap: 1s, for: FOR }
  - name: confirm_stock
    kind: retriable
    action: shop.stock.v1.StockService/Confirm
    request: { reservation_id: saga.id }
  - name: confirm_order
    kind: retriable
    action: shop.order.v1.OrderService/ConfirmOrder
    request: { order_id: saga.id, total: reserve_stock.total, payment_id: collect.payment_id }
response: { order_id: saga.id, state: "PAID", total: reserve_stock.total }
)";

// A process that dies there has stored nothing of the first call of the pivot. If it is not back in time for the
// second, its resolve finds that nothing has happened.
bool IsLostBeforeItIsStored(const std::string& place) {
  return place == "participant.before_begin@collect/action" || place == "participant.after_change@collect/action" ||
         place == "participant.after_row@collect/action";
}

enum class Tale {
  kPaid,    // the customer pays, the gateway finishes it later and says so by a webhook
  kUnpaid,  // he never pays, and the wait is decided
  kLate,    // he pays, the order is cancelled meanwhile, and the gateway takes the money though it was fenced then
};

struct Told {
  const char* name;
  Tale tale;
  const char* wait;  // FOR
  std::vector<std::string> places;
};

std::vector<Told> Tales() {
  return {{"Paid",
           Tale::kPaid,
           "10m",
           {"participant.before_begin@collect/action", "participant.after_change@collect/action",
            "participant.after_row@collect/action", "participant.after_commit@collect/action",
            "orchestrator.before_commit@collect/action", "orchestrator.in_commit@place-order/2/action",
            "orchestrator.after_commit@collect/action", "participant.after_commit@/action",
            "participant.after_row@/action/continued", "gateway.after_ledger@confirm", "settler.in_commit@webhook",
            "settler.after_commit@webhook", "orchestrator.before_commit@confirm_order/action",
            "orchestrator.after_commit@confirm_order/action", "orchestrator.before_answer@completed",
            "orchestrator.after_due@second-piece", "orchestrator.before_send@hold/action"}},
          {"Unpaid",
           Tale::kUnpaid,
           "1s",
           {"orchestrator.before_send@collect/resolve", "orchestrator.after_send@collect/resolve",
            "orchestrator.before_commit@collect/resolve", "orchestrator.in_commit@place-order/2/resolve",
            "orchestrator.after_commit@collect/resolve", "participant.before_begin@collect/resolve",
            "participant.after_change@collect/resolve", "participant.after_row@collect/resolve",
            "participant.after_commit@collect/resolve"}},
          {"Late",
           Tale::kLate,
           "10m",
           {"participant.after_commit@collect/resolve", "participant.after_row@collect/resolve/continued",
            "participant.after_commit@collect/resolve/continued", "gateway.before_ledger@fence",
            "gateway.after_ledger@fence", "settler.in_commit@webhook", "settler.after_commit@webhook",
            "settler.after_sweep@return", "gateway.after_ledger@cancel", "settler.in_commit@return",
            "settler.after_commit@return"}}};
}

// One tale on its cluster. All of it is used by the thread that made it.
class Played {
 public:
  explicit Played(Told told) : told_(std::move(told)) {}

  void StartCluster() {
    std::filesystem::copy("orchestrator/sagas", folder_.File("sagas"));
    for (const char* const other : {"checkout.yaml", "after_order.yaml", "after_sold_out.yaml", "cancel_order.yaml"}) {
      std::filesystem::remove(folder_.File(absl::StrCat("sagas/", other)));
    }
    std::ofstream(folder_.File("sagas/place_order.yaml")) << absl::StrReplaceAll(kOrder, {{"FOR", told_.wait}});
    std::ofstream(folder_.File("sagas/after_order.yaml")) << kSecondPiece;
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.postgres = TestsOnPostgres();
    options.definitions = folder_.File("sagas");
    options.webhooks = true;
    options.environment = plan_.environment();
    auto started = Cluster::Start(std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    cluster_ = *std::move(started);
    shop_ = std::make_unique<Shop>(*cluster_);
    ASSERT_EQ(shop_->Restock(kProduct, kPieces, 1000), absl::OkStatus());
    SetScenario();
  }

  // An order for each place, at which a process dies.
  void PlayEachPlace();

 private:
  void SetScenario() {
    pg::v1::Scenario scenario;
    scenario.set_async_percent(100);
    scenario.set_async_delay_ms(told_.tale == Tale::kLate ? 2000 : 200);
    scenario.set_after_fence_percent(told_.tale == Tale::kLate ? 100 : 0);
    ASSERT_EQ(shop_->SetScenario(scenario), absl::OkStatus());
  }

  // Starts again who has died, after it is no longer armed. The gateway has forgotten its scenario.
  void Bury() {
    for (const Node node : kNodes) {
      if (cluster_->Running(node)) continue;
      EXPECT_EQ(cluster_->ExitStatus(node), kCrashExit) << NodeName(node);
      ++deaths_;
      plan_.Arm("");
      EXPECT_EQ(cluster_->Restart(node), absl::OkStatus());
      if (node == Node::kGateway) SetScenario();
    }
  }

  // Buries the dead until `done`.
  template <class Done>
  bool Until(Done done) {
    return Eventually(kPatience, [&] {
      Bury();
      return done();
    });
  }

  // Until the caller is told, for now or in the end, what becomes of the order. Its id.
  std::string PlaceOrder() {
    const auto request = Shop::Order("mina", kProduct);
    std::unique_ptr<Placing> call;
    std::string order_id;
    EXPECT_TRUE(Until([&] {
      if (call == nullptr) call = shop_->Begin(request, kPatience);
      if (!call->IsOver()) return false;
      const bool is_told = !AskAgain(call->Wait());
      order_id = call->SagaId(absl::ZeroDuration());
      call.reset();
      return is_told;
    })) << "the order is not answered";
    return order_id;
  }

  bool IsOver(const std::string& order_id, SagaProto& saga) {
    if (const auto found = shop_->Saga(order_id); found.ok()) saga = *found;
    return saga.state() == SagaProto::STATE_COMPLETED || saga.state() == SagaProto::STATE_ABORTED;
  }

  // Under one key, until the gateway has the payment or finishes it later, or the order is over.
  void Pay(const std::string& order_id) {
    EXPECT_TRUE(Until([&] {
      if (SagaProto saga; IsOver(order_id, saga)) return true;
      v1::PayRequest request;
      request.set_payment_id(order_id);
      request.set_member_id("mina");
      request.set_method(shop::type::v1::PAYMENT_METHOD_CARD);
      v1::PayResponse response;
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
      context.AddMetadata("idempotency-key", absl::StrCat("pay-", order_id));
      return v1::PaymentService::NewStub(cluster_->Channel(Node::kPayment))->Pay(&context, request, &response).ok();
    })) << "it cannot be paid";
  }

  void Cancel(const std::string& order_id) {
    EXPECT_TRUE(Until([&] { return shop_->CancelSaga(order_id).ok(); })) << "it cannot be cancelled";
  }

  // What the gateway has taken for the order, and given back.
  std::pair<int, int> Moved(const std::string& order_id) {
    std::pair<int, int> moved;
    std::map<std::string, std::string> captures;  // payment by transaction
    const auto ledger = shop_->Ledger();
    if (!ledger.ok()) return {-1, -1};
    for (const Transaction& entry : *ledger) {
      if (entry.kind() == Transaction::KIND_CAPTURE) {
        captures[entry.transaction_id()] = payment::PaymentIdOf(entry.idempotency_key());
      }
    }
    for (const Transaction& entry : *ledger) {
      if (entry.kind() == Transaction::KIND_CAPTURE) moved.first += captures[entry.transaction_id()] == order_id;
      if (entry.kind() == Transaction::KIND_REFUND)
        moved.second += captures[entry.captured_transaction_id()] == order_id;
    }
    return moved;
  }

  // `may_be_undone`: what its participant was asked was lost, and it was asked then whether it had happened.
  void ExpectEnd(const std::string& order_id, bool may_be_undone) {
    SagaProto saga;
    EXPECT_TRUE(Until([&] { return IsOver(order_id, saga); })) << "the order does not end: " << saga.ShortDebugString();
    const bool is_undone = saga.state() == SagaProto::STATE_ABORTED;
    // Money that comes before it is fenced pays the order.
    const bool is_late = told_.tale == Tale::kLate && is_undone;
    const bool is_unpaid = told_.tale == Tale::kUnpaid || (may_be_undone && is_undone);
    const bool is_paid = !is_unpaid && !is_late;
    EXPECT_EQ(saga.state(), is_paid ? SagaProto::STATE_COMPLETED : SagaProto::STATE_ABORTED) << saga.ShortDebugString();
    const std::pair<int, int> expected = {is_paid || is_late, is_late};
    EXPECT_TRUE(Until([&] { return Moved(order_id) == expected; }))
        << Moved(order_id).first << " taken, " << Moved(order_id).second << " given back";
    ASSERT_EQ(saga.children_size(), is_paid ? 1 : 0) << saga.ShortDebugString();
    if (!is_paid) return;
    ++paid_;
    EXPECT_TRUE(Until([&] {
      const auto child = shop_->Saga(saga.children(0).saga_id());
      return child.ok() && child->state() == SagaProto::STATE_COMPLETED;
    })) << "what follows the order does not end";
  }

  const Told told_;
  TempDir folder_;
  ArmedPlan plan_{folder_.path()};
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Shop> shop_;
  int deaths_ = 0, paid_ = 0;
};

void Played::PlayEachPlace() {
  for (const std::string& place : told_.places) {
    if (TestsOnPostgres() && place.rfind("orchestrator.in_commit", 0) == 0) continue;  // there a turn is one statement
    SCOPED_TRACE(place);
    const int before = deaths_;
    // A webhook of the order before may be sent again, and must not let this one's first call die.
    const bool is_after_pay = told_.tale == Tale::kLate;
    for (int i = 0; i < kTriesMax && deaths_ == before && !testing::Test::HasFailure(); ++i) {
      plan_.Arm(is_after_pay ? "" : place);
      const std::string order_id = PlaceOrder();
      if (told_.tale != Tale::kUnpaid) Pay(order_id);
      if (is_after_pay) {
        plan_.Arm(place);
        Cancel(order_id);
      }
      ExpectEnd(order_id, IsLostBeforeItIsStored(place));
      Eventually(kDyingPatience, [&] {
        Bury();
        return deaths_ > before;
      });
    }
    plan_.Arm("");
    EXPECT_GT(deaths_, before) << "NOT REACHED";
    if (testing::Test::HasFailure()) return;
  }
  const auto left = shop_->Product(kProduct);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->available(), kPieces - 2 * paid_);
  std::printf("%s: %d deaths\n", told_.name, deaths_);
}

TEST(WaitCrashTest, EndsAsItsTaleSaysWhereverAProcessDies) {
  std::vector<std::thread> threads;
  for (const Told& told : Tales()) {
    threads.emplace_back([told] {
      SCOPED_TRACE(told.name);
      Played played(told);
      played.StartCluster();
      if (!testing::Test::HasFailure()) played.PlayEachPlace();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace unwind
