// Two versions of a definition on one PostgreSQL, each served by an instance of its own, as in a rolling upgrade.
// Either instance is killed at random under load, and in the end for good: the other must finish what that had begun.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <regex>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/e2e/changed_definitions.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr Node kOld = Node::kOrchestrator, kNew = Node::kSecondOrchestrator;
constexpr int kBuyers = 8;
constexpr int kKills = 4;
constexpr int kOrdersBetweenKills = 60;  // at most
constexpr absl::Duration kTryOneDoor = absl::Seconds(1);

std::uint32_t Seed() {
  const char* const fixed = std::getenv("UNWIND_TEST_SEED");
  return fixed != nullptr ? static_cast<std::uint32_t>(std::strtoul(fixed, nullptr, 10)) : std::random_device{}();
}

// The version of place-order that `node` serves.
int VersionOf(Node node) {
  static const int shipped = [] {
    std::ostringstream text;
    text << std::ifstream("orchestrator/sagas/place_order.yaml").rdbuf();
    const std::string yaml = text.str();
    std::smatch match;
    EXPECT_TRUE(std::regex_search(yaml, match, std::regex("\nversion: ([0-9]+)\n")));
    return std::stoi(match[1]);
  }();
  return node == kNew ? shipped + 1 : shipped;
}

std::string VersionLine(Node node) { return absl::StrCat("version: ", VersionOf(node), "\n"); }

// The sagas of the shop where place-order is of the next version. A step of another name has other keys, so that an
// instance that drove one version by the other's plan would charge twice or never confirm.
std::string NewDefinitions() {
  return ChangedDefinitions({{VersionLine(kOld), VersionLine(kNew)},
                             {"name: charge\n", "name: take_payment\n"},
                             {"[charge]", "[take_payment]"},
                             {"charge.payment_id", "take_payment.payment_id"}});
}

struct Ended {
  PlaceOrderRequest request;
  grpc::StatusCode code;
  std::string order_id;
};

// Threads that order one lamp after the other, at any instance, and insist on each until there is an answer.
class Buyers {
 public:
  Buyers(Cluster& cluster, std::string product, std::uint32_t seed)
      : doors_({cluster.Channel(kOld), cluster.Channel(kNew)}), product_(std::move(product)) {
    for (int i = 0; i < kBuyers; ++i) {
      threads_.emplace_back(
          [this, i, seed] { Buy(absl::StrCat("buyer-", i), std::mt19937(seed + static_cast<unsigned>(i))); });
    }
  }
  ~Buyers() { Stop(); }

  // Returns when each has the answer to its last order.
  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return ended_.size();
  }
  std::vector<Ended> ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  int unanswered() const { return unanswered_; }

 private:
  void Buy(const std::string& member, std::mt19937 random) {
    while (!stopping_) {
      const PlaceOrderRequest request = Shop::Order(member, product_);
      PlaceOrderResponse response;
      grpc::Status status;
      const bool answered = Eventually(kPatience, [&] {
        Placing placing(doors_[random() % doors_.size()], request, kTryOneDoor);
        status = placing.Wait();
        response = placing.response();
        return !AskAgain(status);
      });
      if (!answered) ++unanswered_;
      const std::lock_guard lock(mutex_);
      ended_.push_back({request, status.error_code(), response.order_id()});
    }
  }

  const std::vector<std::shared_ptr<grpc::Channel>> doors_;
  const std::string product_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> unanswered_ = 0;
  std::mutex mutex_;
  std::vector<Ended> ended_;
  std::vector<std::thread> threads_;  // last: they use all above
};

class RollingUpgrade : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    definitions_ = NewDefinitions();
    const std::vector<std::string> flags = {"--lease=2s", "--drain=100ms"};
    std::vector<std::string> flags_of_new = flags;
    flags_of_new.push_back(absl::StrCat("--definitions=", definitions_));
    ClusterOptions options;
    options.extra_flags = {{kOld, flags}, {kNew, flags_of_new}};
    StartCluster(std::move(options));
    ASSERT_NE(cluster_, nullptr);
    ASSERT_TRUE(IsOk(cluster_->Launch(kNew)));
  }

  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    std::filesystem::remove_all(definitions_);
  }

  void AwaitMoreOrders(Buyers& buyers, int more) {
    const std::size_t until = buyers.count() + static_cast<std::size_t>(more);
    ASSERT_TRUE(Eventually(kPatience, [&] { return buyers.count() >= until; })) << "the buyers get no answers";
  }

  // Kills `node` under load, and wants the other to finish everything alone.
  void FinishWithout(Node node, Node other, const std::string& product, std::uint32_t seed) {
    {
      Buyers buyers(*cluster_, product, seed);
      ASSERT_NO_FATAL_FAILURE(AwaitMoreOrders(buyers, 2 * kBuyers));
      // A channel to an instance that was away before takes a while to connect again.
      ASSERT_TRUE(Eventually(kPatience, [&] { return Sagas(Unfinished(node)) >= 2; })) << "nobody orders at it";
      cluster_->Kill(node);
      buyers.Stop();
      EXPECT_EQ(buyers.unanswered(), 0);
    }
    Shop shop(*cluster_, other);
    EXPECT_TRUE(IsOk(AwaitRest(shop, kPatience)));
    ASSERT_TRUE(IsOk(cluster_->Restart(node)));
  }

  // How many sagas of place-order are as `condition` says.
  int Sagas(const std::string& condition) {
    const auto sagas = cluster_->postgres()->Execute(
        NodeName(Node::kOrchestrator),
        absl::StrCat("SELECT count(*) FROM saga WHERE definition = 'place-order' AND ", condition));
    EXPECT_TRUE(sagas.ok()) << sagas.status();
    return sagas.ok() ? std::stoi((*sagas)[0][0]) : 0;
  }

  // Those of the version that `node` serves which it drives itself.
  static std::string Unfinished(Node node) {
    return absl::StrCat("state NOT IN (3, 4) AND definition_version = ", VersionOf(node), " AND (owner = '",
                        NodeName(kNew), "') = ", node == kNew ? "true" : "false");
  }

  // Those of the version that `node` serves which the other one ended.
  int EndedByOther(Node node) {
    return Sagas(absl::StrCat("state IN (3, 4) AND definition_version = ", VersionOf(node), " AND (owner = '",
                              NodeName(kNew), "') = ", node == kOld ? "true" : "false"));
  }

  inline static std::string definitions_;
};

TEST_F(RollingUpgrade, EitherVersionsInstanceFinishesTheOthersSagas) {
  const std::uint32_t seed = Seed();
  SCOPED_TRACE(absl::StrCat("UNWIND_TEST_SEED=", seed));
  std::printf("UNWIND_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  pg::v1::Scenario slow;
  slow.set_delay_ms(200);  // so that a kill finds sagas under way
  ASSERT_TRUE(IsOk(shop_.SetScenario(slow)));
  const std::string product = NewProduct(1'000'000);

  std::vector<Ended> ended;
  {
    Buyers buyers(*cluster_, product, seed);
    for (int i = 0; i < kKills; ++i) {
      ASSERT_NO_FATAL_FAILURE(AwaitMoreOrders(buyers, static_cast<int>(random() % kOrdersBetweenKills)));
      const Node killed = random() % 2 == 0 ? kOld : kNew;
      cluster_->Kill(killed);
      ASSERT_NO_FATAL_FAILURE(AwaitMoreOrders(buyers, static_cast<int>(random() % kOrdersBetweenKills)));
      ASSERT_TRUE(IsOk(cluster_->Restart(killed)));
    }
    buyers.Stop();
    EXPECT_EQ(buyers.unanswered(), 0);
    ended = buyers.ended();
  }
  ASSERT_NO_FATAL_FAILURE(FinishWithout(kNew, kOld, product, seed + 100));
  ASSERT_NO_FATAL_FAILURE(FinishWithout(kOld, kNew, product, seed + 200));
  EXPECT_GT(EndedByOther(kOld), 0) << "no saga of the old version was ended by the new version's instance";
  EXPECT_GT(EndedByOther(kNew), 0) << "no saga of the new version was ended by the old version's instance";

  // Either instance answers the same when it is asked again.
  for (const Ended& each : ended) {
    PlaceOrderResponse response;
    Shop shop(*cluster_, random() % 2 == 0 ? kOld : kNew);
    const grpc::Status again = shop.Place(each.request, &response, kPatience);
    EXPECT_EQ(again.error_code(), each.code) << again.error_message();
    EXPECT_EQ(response.order_id(), each.order_id);
  }
}

}  // namespace
}  // namespace unwind
