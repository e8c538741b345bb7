// One order is one trace, read by a collector: the saga, every attempt of every step, each participant's handling and
// its share of a batch, and the payment gateway; also over a crash.
#include <signal.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"
#include "tests/support/span_collector.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotSampled[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

// A trace as it is told: each span under its parent, by name, those of one parent in the order of their names.
class Tree {
 public:
  explicit Tree(std::vector<CollectedSpan> spans) : spans_(std::move(spans)) {
    for (const CollectedSpan& span : spans_) ids_.insert(span.span_id);
  }

  // Spans whose parent is not there.
  std::vector<const CollectedSpan*> Roots() const {
    return Where([this](const CollectedSpan& span) { return !ids_.contains(span.parent_id); });
  }
  std::vector<const CollectedSpan*> ChildrenOf(const CollectedSpan& parent) const {
    return Where([&](const CollectedSpan& span) { return span.parent_id == parent.span_id; });
  }
  std::vector<const CollectedSpan*> AttemptsOf(const std::string& step) const {
    return Where([&](const CollectedSpan& span) {
      const auto it = span.attributes.find("saga.step");
      return it != span.attributes.end() && it->second == step;
    });
  }

  std::size_t Size() const { return spans_.size(); }

  // For failures.
  std::string Text() const {
    return absl::StrJoin(spans_, "\n", [](std::string* out, const CollectedSpan& span) {
      absl::StrAppend(out, span.service, " ", span.name, " ", span.span_id, " under ", span.parent_id, " ", span.error);
    });
  }

 private:
  template <class Predicate>
  std::vector<const CollectedSpan*> Where(Predicate holds) const {
    std::vector<const CollectedSpan*> found;
    for (const CollectedSpan& span : spans_) {
      if (holds(span)) found.push_back(&span);
    }
    return found;
  }

  const std::vector<CollectedSpan> spans_;
  std::set<std::string> ids_;
};

std::vector<std::string> Names(const std::vector<const CollectedSpan*>& spans) {
  std::vector<std::string> names;
  for (const CollectedSpan* span : spans) names.push_back(absl::StrCat(span->service, " ", span->name));
  return names;
}

class TracingTest : public testing::Test {
 protected:
  void Start(const std::string& endpoint, const std::string& ratio = "1") {
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    for (Node node : kNodes) options.extra_flags[node] = {absl::StrCat("--otlp_endpoint=", endpoint)};
    options.extra_flags[Node::kOrchestrator].push_back(absl::StrCat("--trace_ratio=", ratio));
    auto cluster = Cluster::Start(std::move(options));
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    ASSERT_TRUE(Shop(*cluster_).Restock("lamp", 10, 1000).ok());
  }

  // The id of a paid order whose caller has this trace.
  std::string Paid(const std::string& traceparent) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    if (!traceparent.empty()) context.AddMetadata("traceparent", traceparent);
    shop::checkout::v1::PlaceOrderResponse response;
    const grpc::Status status =
        shop::checkout::v1::CheckoutService::NewStub(cluster_->Channel(Node::kOrchestrator))
            ->PlaceOrder(&context, Shop::Order(absl::StrCat("member-", ++members_), "lamp"), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.order_id();
  }

  // The trace once `complete` holds of it.
  template <class Predicate>
  Tree Await(const std::string& trace_id, Predicate complete) {
    Eventually(kPatience, [&] { return complete(Tree(collector_.OfTrace(trace_id))); });
    return Tree(collector_.OfTrace(trace_id));
  }

  SpanCollector collector_;
  std::unique_ptr<Cluster> cluster_;
  int members_ = 0;
};

std::string TraceOf(const std::string& order_id) { return absl::StrReplaceAll(order_id, {{"-", ""}}); }

// A paid order without repeats: the saga, and of each of its five steps the attempt, its handling and that one's batch;
// of the charge also a second batch, the call of the gateway and the gateway's handling.
constexpr std::size_t kSpansOfAPaidOrder = 1 + 5 * 3 + 3;

// The saga's span and nothing else hangs on nothing.
bool HangsTogether(const Tree& tree, std::size_t roots = 1) { return tree.Roots().size() == roots; }

TEST_F(TracingTest, AnOrderIsOneTraceOfEveryAttemptBatchAndGatewayCall) {
  Start(collector_.endpoint());
  const std::string id = Paid("");
  const Tree tree =
      Await(TraceOf(id), [](const Tree& now) { return now.Size() >= kSpansOfAPaidOrder && HangsTogether(now); });
  ASSERT_THAT(Names(tree.Roots()), ElementsAre("orchestrator place-order")) << tree.Text();
  EXPECT_EQ(tree.Roots()[0]->attributes.at("saga.id"), id);
  EXPECT_EQ(tree.Roots()[0]->attributes.at("saga.state"), "completed");
  EXPECT_THAT(Names(tree.ChildrenOf(*tree.Roots()[0])),
              UnorderedElementsAre("orchestrator shop.order.v1.OrderService/CreateOrder",
                                   "orchestrator shop.stock.v1.StockService/Reserve",
                                   "orchestrator shop.payment.v1.PaymentService/Charge",
                                   "orchestrator shop.stock.v1.StockService/Confirm",
                                   "orchestrator shop.order.v1.OrderService/ConfirmOrder"))
      << tree.Text();

  const CollectedSpan& charge = *tree.AttemptsOf("charge").at(0);
  EXPECT_EQ(charge.kind, SpanKind::kClient);
  EXPECT_EQ(charge.attributes.at("saga.phase"), "action");
  EXPECT_EQ(charge.attributes.at("saga.attempt"), "1");
  EXPECT_EQ(charge.attributes.at("rpc.grpc.status_code"), "0");
  ASSERT_THAT(Names(tree.ChildrenOf(charge)), ElementsAre("payment_svc shop.payment.v1.PaymentService/Charge"));
  const CollectedSpan& served = *tree.ChildrenOf(charge)[0];
  EXPECT_EQ(served.kind, SpanKind::kServer);
  // The intent, the gateway, the result.
  EXPECT_THAT(Names(tree.ChildrenOf(served)), UnorderedElementsAre("payment_svc batch", "payment_svc batch",
                                                                   "payment_svc pg.v1.PaymentGateway/Confirm"));
  for (const CollectedSpan* child : tree.ChildrenOf(served)) {
    if (child->name == "batch") continue;
    EXPECT_THAT(Names(tree.ChildrenOf(*child)), ElementsAre("mock_pg pg.v1.PaymentGateway/Confirm"));
  }
}

TEST_F(TracingTest, ACallersTraceGoesOnIfItIsSampledAndElseIsPassedOn) {
  Start(collector_.endpoint(), "0");
  Paid("");
  Paid(kNotSampled);
  const std::string id = Paid(kSampled);
  // Each process sends on its own time, so the caller's own call may be the last span to come.
  const Tree tree =
      Await(kTraceId, [](const Tree& now) { return now.Size() >= kSpansOfAPaidOrder + 1 && HangsTogether(now); });
  ASSERT_THAT(Names(tree.Roots()), ElementsAre("orchestrator shop.checkout.v1.CheckoutService/PlaceOrder"))
      << tree.Text();
  EXPECT_EQ(tree.Roots()[0]->parent_id, "b7ad6b7169203331");
  const auto sagas = tree.ChildrenOf(*tree.Roots()[0]);
  ASSERT_THAT(Names(sagas), ElementsAre("orchestrator place-order"));
  EXPECT_EQ(sagas[0]->attributes.at("saga.id"), id);
  for (const CollectedSpan& span : collector_.All()) EXPECT_EQ(span.trace_id, kTraceId) << span.name;
}

TEST_F(TracingTest, ARefusalIsToldOnItsSpansAndOnThoseOfTheCompensations) {
  Start(collector_.endpoint());
  pg::v1::Scenario scenario;
  scenario.set_fail_percent(100);
  ASSERT_TRUE(Shop(*cluster_).SetScenario(scenario).ok());
  const auto order = Shop(*cluster_).Begin(Shop::Order("mina", "lamp"));
  EXPECT_EQ(Reason(order->Wait()), "PAYMENT_FAILED");
  const std::string id = order->SagaId(kPatience);
  const Tree tree =
      Await(TraceOf(id), [](const Tree& now) { return HangsTogether(now) && now.Roots()[0]->name == "place-order"; });
  ASSERT_EQ(tree.Roots().size(), 1u) << tree.Text();
  EXPECT_EQ(tree.Roots()[0]->error, "PAYMENT_FAILED");
  EXPECT_EQ(tree.AttemptsOf("charge").at(0)->error, "PAYMENT_FAILED");
  std::vector<std::string> phases;
  for (const CollectedSpan* attempt : tree.AttemptsOf("reserve_stock")) {
    phases.push_back(attempt->attributes.at("saga.phase"));
  }
  EXPECT_THAT(phases, UnorderedElementsAre("action", "compensation"));
}

TEST_F(TracingTest, AfterACrashTheTraceGoesOnAndEveryAttemptIsThere) {
  Start(collector_.endpoint());
  cluster_->Signal(Node::kPayment, SIGSTOP);
  const auto order = Shop(*cluster_).Begin(Shop::Order("mina", "lamp"));
  const std::string id = order->SagaId(kPatience);
  ASSERT_TRUE(Shop(*cluster_).AwaitStepSent(id, "charge", kPatience));
  // A span that the collector has not taken yet is lost with the process.
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const std::vector<CollectedSpan> spans = collector_.OfTrace(TraceOf(id));
    return std::any_of(spans.begin(), spans.end(), [](const CollectedSpan& span) {
      return span.service == "orchestrator" && span.name == "shop.stock.v1.StockService/Reserve";
    });
  }));
  cluster_->Kill(Node::kOrchestrator);
  cluster_->Signal(Node::kPayment, SIGCONT);
  ASSERT_TRUE(cluster_->Restart(Node::kOrchestrator).ok());
  ASSERT_TRUE(Shop(*cluster_).AwaitEnd(id, kPatience).ok());
  const Tree tree = Await(TraceOf(id), [](const Tree& now) {
    return HangsTogether(now) && now.Roots()[0]->name == "place-order" && now.AttemptsOf("confirm_order").size() == 1;
  });
  ASSERT_THAT(Names(tree.Roots()), ElementsAre("orchestrator place-order")) << tree.Text();
  const auto charges = tree.AttemptsOf("charge");
  ASSERT_GE(charges.size(), 2u) << tree.Text();
  const auto lost = std::find_if(charges.begin(), charges.end(),
                                 [](const CollectedSpan* span) { return span->attributes.at("saga.attempt") == "1"; });
  ASSERT_NE(lost, charges.end());
  EXPECT_EQ((*lost)->error, "PROCESS_LOST");
}

TEST_F(TracingTest, ACollectorThatIsAwayHoldsUpNothing) {
  std::string nobody;
  {
    const SpanCollector gone;
    nobody = gone.endpoint();
  }
  Start(nobody);
  EXPECT_FALSE(Paid("").empty());
  EXPECT_THAT(collector_.All(), IsEmpty());
  const auto status = cluster_->Terminate(Node::kOrchestrator);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
}

}  // namespace
}  // namespace unwind
