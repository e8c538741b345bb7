// The alerts of k8s/alerts in a real Prometheus that scrapes the real shop: quiet while orders are paid, firing while a
// fault is there, quiet again after it; and one is delivered by a real Alertmanager. A minute of the rules' own
// durations is four seconds.
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/e2e/metered_shop.h"
#include "tests/support/poll.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using nlohmann::json;
using testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Minutes(4);
constexpr absl::Duration kScrapeEvery = absl::Seconds(1);
// The programs' own pauses are as they are: a commit to a locked file fails once in four seconds, and the shortest
// range must see several of them.
constexpr int kMillisecondsForAMinute = 4000;
constexpr std::size_t kOrdersMax = 30;  // under way
constexpr absl::Duration kOrderEvery = absl::Milliseconds(25);
constexpr absl::Duration kOrderDeadline = absl::Seconds(8);  // a busy machine keeps it, and a dead participant does not
constexpr char kPaid[] = "sum(saga_finished_total{saga=\"place-order\", outcome=\"completed\"})";
constexpr double kHealthyOrders = 1000;
constexpr absl::Duration kHealthyFor = absl::Minutes(5);  // longer than the longest range and its `for`
constexpr int kHealthyTries = 3;

// The durations of `for:` and of ranges, which are in minutes and hours.
std::string Scaled(const std::string& rules) {
  static const std::regex minutes("(for: |\\[)([0-9]+)([mh])");
  std::string scaled;
  auto from = rules.cbegin();
  for (std::sregex_iterator match(rules.begin(), rules.end(), minutes), end; match != end; ++match) {
    int count = 0;
    EXPECT_TRUE(absl::SimpleAtoi((*match)[2].str(), &count));
    if ((*match)[3] == "h") count *= 60;
    absl::StrAppend(&scaled, std::string(from, (*match)[0].first), (*match)[1].str(), count * kMillisecondsForAMinute,
                    "ms");
    from = (*match)[0].second;
  }
  return scaled + std::string(from, rules.cend());
}

// Orders at an even pace, whatever becomes of them.
class Buyers {
 public:
  explicit Buyers(Shop& shop) : shop_(shop), thread_([this] { Run(); }) {}
  ~Buyers() {
    stopping_ = true;
    thread_.join();
  }

 private:
  void Run() {
    std::vector<std::unique_ptr<Placing>> under_way;
    absl::Time next = SteadyNow();
    Eventually(absl::InfiniteDuration(), [&] {
      std::erase_if(under_way, [](const auto& placing) { return placing->IsOver(); });
      if (under_way.size() < kOrdersMax && SteadyNow() >= next) {
        next = SteadyNow() + kOrderEvery;
        under_way.push_back(shop_.Begin(Shop::Order("mina", "lamp"), kOrderDeadline));
      }
      return stopping_.load();
    });
  }

  Shop& shop_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

class AlertsTest : public testing::Test {
 protected:
  void StartShop(const std::vector<std::string>& flags = {}) {
    auto shop = MeteredShop::Start(UNWIND_BIN_DIR, flags);
    ASSERT_TRUE(shop.ok()) << shop.status();
    shop_ = *std::move(shop);
  }

  void StartPrometheus() {
    auto alertmanager = Alertmanager::Start(dir_.path(), receiver_.address());
    ASSERT_TRUE(alertmanager.ok()) << alertmanager.status();
    alertmanager_ = *std::move(alertmanager);
    PrometheusOptions options;
    options.folder = dir_.path();
    options.jobs = shop_->Jobs();
    options.every = kScrapeEvery;
    options.alertmanager = alertmanager_.address;
    for (const auto& entry : std::filesystem::directory_iterator("k8s/alerts")) {
      options.rule_files.push_back(dir_.File(entry.path().filename()));
      std::ofstream(options.rule_files.back()) << Scaled(ContentsOf(entry.path()));
    }
    ASSERT_FALSE(options.rule_files.empty());
    auto prometheus = Prometheus::Start(options);
    ASSERT_TRUE(prometheus.ok()) << prometheus.status();
    prometheus_ = *std::move(prometheus);
    ASSERT_TRUE(
        Eventually(kPatience, [&] { return Value("count(up == 0) or vector(0)") == 0 && Value("sum(up)") > 0; }));
  }

  // Of a query that gives one series; -1 without it.
  double Value(const std::string& promql) {
    const auto result = prometheus_->Query(promql);
    EXPECT_TRUE(result.ok()) << result.status();
    double value = -1;
    if (result.ok() && !result->empty()) {
      EXPECT_TRUE(absl::SimpleAtod((*result)[0]["value"][1].get<std::string>(), &value));
    }
    return value;
  }

  std::vector<std::string> Firing() {
    const auto names = prometheus_->Firing();
    EXPECT_TRUE(names.ok()) << names.status();
    return names.value_or(std::vector<std::string>());
  }

  // All of them at some time, not at once.
  void ExpectToFire(std::vector<std::string> alerts) {
    EXPECT_TRUE(Eventually(kPatience,
                           [&] {
                             const std::vector<std::string> firing = Firing();
                             std::erase_if(alerts, [&](const std::string& name) {
                               return std::find(firing.begin(), firing.end(), name) != firing.end();
                             });
                             return alerts.empty();
                           }))
        << absl::StrJoin(alerts, ", ") << " did not fire, but " << absl::StrJoin(Firing(), ", ");
  }

  // For kHealthyFor; begun anew if the machine was too busy for a scrape.
  void ExpectQuietWhileOrdersArePaid() {
    std::string window;
    bool was_scraped = false;
    for (int i = 0; i < kHealthyTries && !was_scraped; ++i) {
      ExpectQuietAgain();
      const double paid = Value(kPaid);
      const absl::Time begun = absl::Now();
      EXPECT_TRUE(Eventually(kHealthyFor + kPatience, [&] {
        return absl::Now() - begun > kHealthyFor && Value(kPaid) > paid + kHealthyOrders;
      }));
      window = absl::StrCat("[", absl::ToInt64Milliseconds(absl::Now() - begun), "ms]");
      was_scraped = Value("min(min_over_time(up" + window + "))") == 1;
    }
    ASSERT_TRUE(was_scraped) << "not every scrape succeeded";
    const auto fired = prometheus_->Query("count_over_time(ALERTS{alertstate=\"firing\"}" + window + ")");
    ASSERT_TRUE(fired.ok()) << fired.status();
    EXPECT_THAT(*fired, IsEmpty()) << fired->dump();
  }

  void ExpectQuietAgain() {
    EXPECT_TRUE(Eventually(kPatience, [&] { return Firing().empty(); })) << absl::StrJoin(Firing(), ", ");
  }

  void Skip(const std::string& saga_id, const std::string& step) {
    grpc::ClientContext context;
    saga::v1::SkipStepRequest request;
    request.set_saga_id(saga_id);
    request.set_step(step);
    request.set_actor("test");
    request.set_reason("there is no such order");
    saga::v1::SkipStepResponse response;
    const grpc::Status status = saga::v1::SagaService::NewStub(shop_->cluster().AdminChannel(Node::kOrchestrator))
                                    ->SkipStep(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  // The alert of that name that was delivered as firing; null: none was.
  json Delivered(const std::string& name) {
    for (const json& body : receiver_.bodies()) {
      for (const json& alert : body["alerts"]) {
        if (alert["labels"]["alertname"] == name && alert["status"] == "firing") return alert;
      }
    }
    return json();
  }

  const TempDir dir_;
  WebhookReceiver receiver_;
  std::unique_ptr<MeteredShop> shop_;
  Alertmanager alertmanager_;
  std::unique_ptr<Prometheus> prometheus_;
};

TEST_F(AlertsTest, FireForTheirFaultsAndAreQuietWhileOrdersArePaid) {
  ASSERT_NO_FATAL_FAILURE(StartShop());
  ASSERT_NO_FATAL_FAILURE(StartPrometheus());
  Cluster& cluster = shop_->cluster();
  const Buyers buyers(shop_->shop());
  ExpectQuietWhileOrdersArePaid();

  const auto parked = shop_->Park();
  ASSERT_TRUE(parked.ok()) << parked.status();
  ExpectToFire({"UnwindSagasParked"});
  ASSERT_TRUE(Eventually(kPatience, [&] { return !Delivered("UnwindSagasParked").is_null(); }));
  const json delivered = Delivered("UnwindSagasParked");
  EXPECT_EQ(delivered["annotations"]["summary"], "1 sagas of park are parked");
  EXPECT_EQ(delivered["annotations"]["runbook_url"], "docs/RUNBOOKS.md#unwindsagasparked");
  EXPECT_EQ(delivered["labels"]["severity"], "critical");
  Skip(*parked, "finish");
  ExpectQuietAgain();

  cluster.Kill(Node::kPayment);
  ExpectToFire({"UnwindInstanceDown", "UnwindParticipantHeldBack", "UnwindOutcomesUnknown", "UnwindNothingSold",
                "UnwindServedCallsFail"});
  EXPECT_TRUE(cluster.Restart(Node::kPayment).ok());
  ExpectQuietAgain();

  cluster.Kill(Node::kGateway);
  ExpectToFire({"UnwindPaymentGatewayGivesNoAnswer"});
  EXPECT_TRUE(cluster.Restart(Node::kGateway).ok());
  ExpectQuietAgain();

  cluster.Kill(Node::kOrchestrator);
  ExpectToFire({"UnwindNoOrchestrator"});
  EXPECT_TRUE(cluster.Restart(Node::kOrchestrator).ok());
  ExpectQuietAgain();
}

// Locked by somebody else, so that the orchestrators write nothing.
class LockedDatabase {
 public:
  explicit LockedDatabase(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    sqlite3_busy_timeout(database_, static_cast<int>(absl::ToInt64Milliseconds(kPatience)));
    EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~LockedDatabase() { sqlite3_close(database_); }

 private:
  sqlite3* database_ = nullptr;
};

// Of the second orchestrator alone: the first one's begin anew with it.
std::string TakenOver(const Cluster& cluster, const std::string& lease) {
  return absl::StrCat("sum(saga_taken_over_total{lease=\"", lease, "\", instance=\"",
                      cluster.MetricsAddress(Node::kSecondOrchestrator), "\"})");
}

TEST_F(AlertsTest, FireForAStoreThatTakesNoWritesAndForAnOwnerThatIsGone) {
  ASSERT_NO_FATAL_FAILURE(StartShop({"--lease=3s"}));
  ASSERT_TRUE(shop_->LaunchSecond().ok());
  ASSERT_NO_FATAL_FAILURE(StartPrometheus());
  Cluster& cluster = shop_->cluster();
  const Buyers buyers(shop_->shop());
  ASSERT_TRUE(Eventually(kPatience, [&] { return Value(kPaid) > kHealthyOrders; }));
  {
    const LockedDatabase locked(cluster.Database(Node::kOrchestrator));
    ExpectToFire({"UnwindLeaseNotRenewed", "UnwindNotServing", "UnwindCommitsFail"});
  }
  ExpectQuietAgain();

  cluster.Kill(Node::kPayment);
  ASSERT_TRUE(Eventually(kPatience, [&] { return Value("sum(saga_in_flight)") > 10; }));
  const std::string of_expired = TakenOver(cluster, "expired"), of_released = TakenOver(cluster, "released");
  const double expired = Value(of_expired), released = Value(of_released);
  const std::string in_flight_at_the_first =
      absl::StrCat("saga_in_flight{instance=\"", cluster.MetricsAddress(Node::kOrchestrator), "\"}");
  ASSERT_TRUE(cluster.Terminate(Node::kOrchestrator).ok());
  ASSERT_TRUE(Eventually(kPatience, [&] { return Value(of_released) > released; }));
  EXPECT_EQ(Value(of_expired), expired) << "an orderly stop fires UnwindSagasTakenOver";
  EXPECT_TRUE(cluster.Restart(Node::kOrchestrator).ok());
  ASSERT_TRUE(Eventually(kPatience, [&] { return Value(in_flight_at_the_first) > 10; }));
  cluster.Kill(Node::kOrchestrator);
  ExpectToFire({"UnwindSagasTakenOver"});
  EXPECT_TRUE(cluster.Restart(Node::kPayment).ok());
  EXPECT_TRUE(cluster.Restart(Node::kOrchestrator).ok());
  ExpectQuietAgain();
}

}  // namespace
}  // namespace unwind
