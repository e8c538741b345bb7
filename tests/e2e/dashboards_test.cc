// Every query of every panel of k8s/dashboards returns data from a real Prometheus that scrapes the real shop, with the
// variables filled as Grafana fills them.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/e2e/metered_shop.h"
#include "tests/support/poll.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using nlohmann::json;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr absl::Duration kShown = absl::Minutes(1);  // of a graph
// As Grafana computes it for a data source that is said to scrape every 15 s.
constexpr char kRateInterval[] = "1m", kRange[] = "3600s";

// What stands for each variable but the data source: a regular expression.
using Variables = std::map<std::string, std::string>;

// Several values that are chosen.
std::string AnyOfThem(const std::vector<std::string>& values) {
  return absl::StrReplaceAll(absl::StrCat("(", absl::StrJoin(values, "|"), ")"), {{".", "\\\\."}});
}

std::string Filled(std::string text, const Variables& variables) {
  text = absl::StrReplaceAll(text, {{"$__rate_interval", kRateInterval}, {"$__range", kRange}});
  for (const auto& [name, value] : variables) text = absl::StrReplaceAll(text, {{"$" + name, value}});
  return text;
}

bool IsNumber(const json& text) {
  double value = 0;
  return absl::SimpleAtod(text.get<std::string>(), &value) && !std::isnan(value);
}

class DashboardsTest : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    auto shop = MeteredShop::Start(UNWIND_BIN_DIR);
    ASSERT_TRUE(shop.ok()) << shop.status();
    shop_ = shop->release();
    folder_ = new TempDir;
    PrometheusOptions options;
    options.folder = folder_->path();
    options.jobs = shop_->Jobs();
    auto prometheus = Prometheus::Start(options);
    ASSERT_TRUE(prometheus.ok()) << prometheus.status();
    prometheus_ = prometheus->release();
    const absl::Status played = shop_->PlayAll();
    ASSERT_TRUE(played.ok()) << played;
  }
  static void TearDownTestSuite() {
    delete prometheus_;
    delete folder_;
    delete shop_;
  }
  void SetUp() override { ASSERT_NE(prometheus_, nullptr) << "Prometheus did not start"; }

  // label_values(METRIC, LABEL), asked for as Grafana asks.
  static std::vector<std::string> LabelValues(const std::string& query, const Variables& variables) {
    static const std::regex label_values("label_values\\((.*), ([a-z]+)\\)");
    std::smatch match;
    EXPECT_TRUE(std::regex_match(query, match, label_values)) << query;
    const auto values = prometheus_->LabelValues(match[2], Filled(match[1], variables));
    EXPECT_TRUE(values.ok()) << values.status();
    return values.value_or(std::vector<std::string>());
  }

  // Whether the query of a panel gives at least one number.
  static bool GivesData(const std::string& type, const std::string& query) {
    const auto series = type == "stat" ? prometheus_->Query(query) : prometheus_->QueryRange(query, kShown);
    EXPECT_TRUE(series.ok()) << series.status();
    return series.ok() && std::any_of(series->begin(), series->end(), [&](const json& each) {
             if (type == "stat") return IsNumber(each["value"][1]);
             const json& values = each["values"];
             return std::any_of(values.begin(), values.end(), [](const json& value) { return IsNumber(value[1]); });
           });
  }

  static void ExpectData(const json& dashboard, const Variables& variables) {
    for (const json& panel : dashboard["panels"]) {
      if (panel["type"] == "row") continue;
      for (const json& target : panel["targets"]) {
        const std::string query = Filled(target["expr"], variables);
        EXPECT_TRUE(Eventually(
            kPatience, [&] { return shop_->Buy().ok() && shop_->Look().ok() && GivesData(panel["type"], query); }))
            << panel["title"] << ": " << query;
      }
    }
  }

  inline static MeteredShop* shop_ = nullptr;
  inline static TempDir* folder_ = nullptr;
  inline static Prometheus* prometheus_ = nullptr;
};

TEST_P(DashboardsTest, EveryQueryReturnsData) {
  const json dashboard = json::parse(ContentsOf(absl::StrCat("k8s/dashboards/", GetParam(), ".json")));
  Variables chosen, all;
  const json variables = dashboard["templating"]["list"];
  for (const json& variable : variables) {
    if (variable["type"] == "datasource") continue;
    std::vector<std::string> values;
    EXPECT_TRUE(Eventually(kPatience, [&] {
      values = LabelValues(variable["query"]["query"], chosen);
      return !values.empty();
    })) << variable["name"];
    chosen[variable["name"]] = AnyOfThem(values);
    all[variable["name"]] = variable["allValue"];
  }
  ExpectData(dashboard, chosen);
  ExpectData(dashboard, all);
}

INSTANTIATE_TEST_SUITE_P(K8s, DashboardsTest, testing::Values("overview", "saga", "shop", "participant", "database"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace unwind
