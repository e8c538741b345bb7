// The orchestrator dies again and again around the end of orders that another saga follows, and around that saga's own
// start: alone, and beside a second orchestrator, where the one that ends the orders does not know the follower.
// Whatever instant it dies at, each paid order is followed exactly once. UNWIND_FOLLOW_KILLS: how often it dies, alone
// as beside another.
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/crash_point.h"
#include "gtest/gtest.h"
#include "tests/crash/armed_plan.h"
#include "tests/crash/second_piece.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

namespace unwind {
namespace {

using SagaProto = saga::v1::Saga;

constexpr char kProduct[] = "lamp";
constexpr std::int64_t kPieces = 1'000'000;
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr std::size_t kBuyers = 4;  // at once

int Kills() {
  const char* const given = std::getenv("UNWIND_FOLLOW_KILLS");
  int kills = 50;
  if (given != nullptr && !absl::SimpleAtoi(given, &kills))
    ADD_FAILURE() << "UNWIND_FOLLOW_KILLS is no number: " << given;
  return kills;
}

// Who knows the follower: the one orchestrator that there is, or only the second, which takes no orders.
enum class Knows { kTheOne, kTheSecond };

class FollowCrashTest : public testing::TestWithParam<Knows> {
 protected:
  void SetUp() override {
    const bool has_second = GetParam() == Knows::kTheSecond;
    std::filesystem::copy("orchestrator/sagas", folder_.File("sagas"));
    std::filesystem::copy("orchestrator/sagas", folder_.File("more"));
    std::ofstream(folder_.File("more/after_order.yaml")) << kSecondPiece;
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.postgres = TestsOnPostgres();
    options.environment = plan_.environment();
    options.definitions = folder_.File(has_second ? "sagas" : "more");
    options.extra_flags = {{Node::kSecondOrchestrator, {absl::StrCat("--definitions=", folder_.File("more"))}}};
    auto started = Cluster::Start(std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    cluster_ = *std::move(started);
    orchestrators_ = {Node::kOrchestrator};
    if (has_second) {
      ASSERT_EQ(cluster_->Launch(Node::kSecondOrchestrator), absl::OkStatus());
      orchestrators_.push_back(Node::kSecondOrchestrator);
    }
    shop_ = std::make_unique<Shop>(*cluster_);
    ASSERT_EQ(shop_->Restock(kProduct, kPieces, 1000), absl::OkStatus());
  }

  struct Buyer {
    shop::checkout::v1::PlaceOrderRequest request = Shop::Order("mina", kProduct);
    std::unique_ptr<Placing> call;
    std::string order_id;
  };

  // Lets the buyers call again until each has an order.
  bool AllHaveOrders(std::vector<Buyer>& buyers) {
    bool all = true;
    for (Buyer& buyer : buyers) {
      if (!buyer.order_id.empty()) continue;
      if (buyer.call == nullptr) buyer.call = shop_->Begin(buyer.request, kPatience);
      if (buyer.call->IsOver()) {
        const grpc::Status answer = buyer.call->Wait();
        if (answer.ok()) buyer.order_id = buyer.call->response().order_id();
        EXPECT_TRUE(answer.ok() || AskAgain(answer)) << answer.error_message();
        buyer.call.reset();
      }
      all = all && !buyer.order_id.empty();
    }
    return all;
  }

  // Starts again who has died. Whether somebody had.
  bool Bury() {
    bool died = false;
    for (const Node node : orchestrators_) {
      if (cluster_->Running(node)) continue;
      EXPECT_EQ(cluster_->ExitStatus(node), kCrashExit);
      died = true;
      plan_.Arm("");
      EXPECT_EQ(cluster_->Restart(node), absl::OkStatus());
    }
    return died;
  }

  // Orders while an orchestrator dies at `place`, if they come by it. Whether one did.
  bool Round(const std::string& place) {
    plan_.Arm(place);
    std::vector<Buyer> buyers(kBuyers);
    bool died = false;
    absl::Time told = absl::InfiniteFuture();
    EXPECT_TRUE(Eventually(kPatience, [&] {
      died = Bury() || died;
      if (AllHaveOrders(buyers)) told = std::min(told, absl::Now());
      return told != absl::InfiniteFuture() && (died || absl::Now() > told + absl::Seconds(2));
    })) << place;
    for (const Buyer& buyer : buyers) orders_.insert(buyer.order_id);
    return died;
  }

  // The sagas of `definition`, by the order that each is for.
  std::map<std::string, std::vector<SagaProto>> Followers() {
    std::map<std::string, std::vector<SagaProto>> followers;
    const auto stub = saga::v1::SagaService::NewStub(cluster_->AdminChannel(Node::kOrchestrator));
    saga::v1::ListSagasRequest request;
    request.set_definition("second-piece");
    request.set_page_size(500);
    do {
      grpc::ClientContext context;
      saga::v1::ListSagasResponse page;
      const grpc::Status status = stub->ListSagas(&context, request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const SagaProto& saga : page.sagas()) followers[saga.parent_id()].push_back(saga);
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return followers;
  }

  TempDir folder_;
  ArmedPlan plan_{folder_.path()};
  std::unique_ptr<Cluster> cluster_;
  std::vector<Node> orchestrators_;
  std::unique_ptr<Shop> shop_;
  std::set<std::string> orders_;
};

TEST_P(FollowCrashTest, EveryPaidOrderIsFollowedOnce) {
  std::vector<std::string> places = {"orchestrator.before_commit@confirm_order/action",
                                     "orchestrator.before_commit@confirm_stock/action",
                                     "orchestrator.after_commit@confirm_order/action",
                                     "orchestrator.after_commit@confirm_stock/action",
                                     "orchestrator.before_answer@completed",
                                     "orchestrator.before_send@hold/action",
                                     "orchestrator.after_send@hold/action",
                                     "orchestrator.after_commit@keep/action"};
  if (!TestsOnPostgres()) {  // there a turn is one statement, which a process cannot die within
    places.insert(places.end(),
                  {"orchestrator.in_commit@place-order/5/action", "orchestrator.in_commit@place-order/8/action"});
  }
  const auto seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  int deaths = 0;
  for (int round = 0; deaths < Kills() && round < 3 * Kills(); ++round) {
    const std::string& place = places[static_cast<std::size_t>(round) % places.size()];
    deaths += Round(absl::StrCat(place, "#", std::uniform_int_distribution<std::size_t>(1, kBuyers)(random))) ? 1 : 0;
    if (HasFailure()) FAIL() << "after " << deaths << " deaths";
  }
  plan_.Arm("");
  EXPECT_GE(deaths, Kills()) << "the places were not come by";

  const bool over = Eventually(kPatience, [&] { return shop_->Unfinished().value_or(1) == 0; });
  EXPECT_TRUE(over) << "sagas are left unfinished";
  const auto followers = Followers();
  EXPECT_EQ(followers.size(), orders_.size());
  for (const std::string& order : orders_) {
    const auto found = followers.find(order);
    ASSERT_NE(found, followers.end()) << order << " is not followed";
    ASSERT_EQ(found->second.size(), 1u) << order;
    EXPECT_EQ(found->second[0].state(), SagaProto::STATE_COMPLETED) << found->second[0].ShortDebugString();
    EXPECT_EQ(found->second[0].key(), order);
  }
  const auto left = shop_->Product(kProduct);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_EQ(left->available(), kPieces - 2 * static_cast<std::int64_t>(orders_.size()));
  std::printf("%d deaths, %zu orders, each followed once\n", deaths, orders_.size());
  RecordProperty("deaths", deaths);
  RecordProperty("orders", static_cast<int>(orders_.size()));
}

INSTANTIATE_TEST_SUITE_P(Known, FollowCrashTest, testing::Values(Knows::kTheOne, Knows::kTheSecond),
                         [](const auto& knows) {
                           return knows.param == Knows::kTheOne ? "ToTheOneThatDies" : "ToTheOtherOnly";
                         });

}  // namespace
}  // namespace unwind
