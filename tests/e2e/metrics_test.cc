// What the real processes export is what docs/METRICS.md says, both ways, and promtool has nothing to say against
// it; and whatever a rule or a dashboard names is exported.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/metered_shop.h"
#include "tests/support/poll.h"
#include "tests/support/temp_dir.h"
#include "yaml-cpp/yaml.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

struct Metric {
  std::string kind;
  std::set<std::string> labels;

  bool operator==(const Metric&) const = default;
};
using Metrics = std::map<std::string, Metric>;  // by name

std::string ToText(const Metric& metric) {
  return absl::StrCat(metric.kind, " {", absl::StrJoin(metric.labels, ", "), "}");
}

// The tables of docs/METRICS.md, by their headings.
std::map<std::string, Metrics> Documented() {
  static const std::regex row(R"(\| `([a-z_]+)` \| ([a-z]+) \| ([a-z_, ]*)\|.*)");
  std::map<std::string, Metrics> tables;
  std::string heading;
  const std::string text = ContentsOf("docs/METRICS.md");
  for (const absl::string_view part : absl::StrSplit(text, '\n')) {
    const std::string line(part);
    std::smatch match;
    if (absl::StartsWith(line, "## ")) heading = line.substr(3);
    if (!std::regex_match(line, match, row)) continue;
    Metric metric{.kind = match[2], .labels = {}};
    for (const absl::string_view label : absl::StrSplit(match[3].str(), ',', absl::SkipWhitespace())) {
      metric.labels.emplace(absl::StripAsciiWhitespace(label));
    }
    tables[heading][match[1]] = metric;
  }
  return tables;
}

// What a process exports only where something is turned on, which the shop has not.
Metrics DocumentedAsOptional() { return Documented()["Where it is turned on"]; }

// What `node` must export, by the tables.
Metrics DocumentedOf(Node node) {
  const std::map<std::string, Metrics> tables = Documented();
  std::vector<std::string> headings = {"Every program", "With --tls_cert", "With --otlp_endpoint"};
  if (node == Node::kOrchestrator) headings.push_back("The orchestrator");
  if (node != Node::kGateway && node != Node::kOrchestrator) headings.push_back("A participant");
  if (node == Node::kPayment) headings.push_back("payment_svc");
  Metrics metrics;
  for (const std::string& heading : headings) {
    EXPECT_TRUE(tables.contains(heading)) << heading;
    if (tables.contains(heading)) metrics.insert(tables.at(heading).begin(), tables.at(heading).end());
  }
  return metrics;
}

// The families of a page in Prometheus' text format. Those without a series have no labels.
Metrics Exported(const std::string& page) {
  static const std::regex type("# TYPE ([a-z_]+) ([a-z]+)"), name_of_label("([a-z_]+)=\"");
  Metrics metrics;
  std::string family;
  for (const absl::string_view part : absl::StrSplit(page, '\n')) {
    const std::string line(part);
    std::smatch match;
    if (std::regex_match(line, match, type)) {
      family = match[1];
      metrics[family].kind = match[2];
    }
    if (line.empty() || line[0] == '#') continue;
    for (std::sregex_iterator label(line.begin(), line.end(), name_of_label), end; label != end; ++label) {
      if ((*label)[1] != "le") metrics[family].labels.insert((*label)[1]);
    }
  }
  return metrics;
}

class MetricsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto shop = MeteredShop::Start(UNWIND_BIN_DIR);
    ASSERT_TRUE(shop.ok()) << shop.status();
    shop_ = shop->release();
    const absl::Status played = shop_->PlayAll();
    ASSERT_TRUE(played.ok()) << played;
    // The last to come is counted in the database, every 5 s.
    ASSERT_TRUE(Eventually(kPatience, [] {
      return absl::StrContains(Page(Node::kOrchestrator), "saga_live{saga=\"park\",state=\"parked\"} 1");
    }));
  }
  static void TearDownTestSuite() {
    delete shop_;
    shop_ = nullptr;
  }
  void SetUp() override { ASSERT_NE(shop_, nullptr) << "the shop did not start"; }

  static std::string Page(Node node) {
    const auto page = HttpGet(shop_->cluster().MetricsAddress(node), "/metrics");
    EXPECT_TRUE(page.ok()) << page.status();
    return page.value_or("");
  }

  // Of all programs.
  static Metrics ExportedByAll() {
    Metrics all;
    for (const Node node : kNodes) all.merge(Exported(Page(node)));
    return all;
  }

  inline static MeteredShop* shop_ = nullptr;
};

TEST_F(MetricsTest, TheDocumentHasEachOfThemAndNoOther) {
  const Metrics optional = DocumentedAsOptional();
  for (const Node node : kNodes) {
    const Metrics exported = Exported(Page(node)), documented = DocumentedOf(node);
    for (const auto& [name, metric] : exported) {
      EXPECT_TRUE(documented.contains(name) || optional.contains(name))
          << NodeName(node) << " exports " << name << ", a " << ToText(metric);
    }
    for (const auto& [name, metric] : documented) {
      ASSERT_TRUE(exported.contains(name)) << NodeName(node) << " does not export " << name;
      // A saga that nobody drives is not played.
      if (name != "saga_undriven" && name != "saga_orphaned") {
        EXPECT_EQ(ToText(exported.at(name)), ToText(metric)) << name << " of " << NodeName(node);
      }
    }
  }
}

TEST_F(MetricsTest, PromtoolFindsNothing) {
  const TempDir dir;
  for (const Node node : kNodes) {
    std::ofstream(dir.File("page")) << Page(node);
    const auto status = RunToEnd({"/bin/sh", "-c", absl::StrCat("promtool check metrics < ", dir.File("page"))},
                                 dir.File("log"), kPatience);
    EXPECT_TRUE(status.ok() && *status == 0) << NodeName(node) << ": " << ContentsOf(dir.File("log"));
  }
}

// The names of metrics in a PromQL expression: what is left of its names without functions, matchers and groupings.
std::set<std::string> NamesIn(const std::string& promql) {
  static const std::regex not_names(R"re("[^"]*"|\{[^}]*\}|\b(by|without|on|ignoring) \([^)]*\)|[a-z_]+\()re"),
      name("[a-z]+(_[a-z]+)+|\\bup\\b"), suffix("_(bucket|sum|count)$");
  const std::string rest = std::regex_replace(promql, not_names, " ");
  std::set<std::string> names;
  for (std::sregex_iterator match(rest.begin(), rest.end(), name), end; match != end; ++match) {
    names.insert(std::regex_replace(match->str(), suffix, ""));
  }
  return names;
}

TEST_F(MetricsTest, EveryMetricThatARuleNamesIsExported) {
  const Metrics exported = ExportedByAll(), optional = DocumentedAsOptional();
  int rules = 0;
  for (const auto& entry : std::filesystem::directory_iterator("k8s/alerts")) {
    for (const YAML::Node& rule : YAML::LoadFile(entry.path())["groups"][0]["rules"]) {
      const std::set<std::string> names = NamesIn(rule["expr"].as<std::string>());
      EXPECT_FALSE(names.empty()) << rule["expr"];
      for (const std::string& name : names) {
        const bool is_prometheus_own = name == "up";
        EXPECT_TRUE(exported.contains(name) || optional.contains(name) || is_prometheus_own)
            << name << " of " << rule["alert"];
      }
      ++rules;
    }
  }
  EXPECT_GE(rules, 20);
}

// Both have the same flags; the webhooks and nudges that wait are payment_svc's own.
TEST_F(MetricsTest, TheSumOfTheLimitsHasTheWebhooksAndNudgesThatWait) {
  const auto limits = [](Node node) {
    static const std::regex line("memory_limits_bytes ([0-9.e+]+)");
    std::smatch match;
    const std::string page = Page(node);
    double value = 0;
    EXPECT_TRUE(std::regex_search(page, match, line) && absl::SimpleAtod(match[1].str(), &value)) << page;
    return value;
  };
  constexpr double kWebhooks = 4096, kBytesOfWebhook = 4096;  // each as it came and as it was read
  constexpr double kNudges = 256 * 24576 + 20'000 * 256;      // under way, and before it
  EXPECT_EQ(limits(Node::kPayment) - limits(Node::kStock), 1.25 * (2 * kWebhooks * kBytesOfWebhook + kNudges));
}

// Whatever a series is named by must be of few values.
TEST_F(MetricsTest, NoLabelIsAnId) {
  const std::regex id("[0-9a-f]{8}-[0-9a-f]{4}-");
  for (const Node node : kNodes) {
    const std::string page = Page(node);
    EXPECT_FALSE(std::regex_search(page, id)) << NodeName(node);
    for (const char* word : {"mina", "lamp", "no-such-order"}) EXPECT_FALSE(absl::StrContains(page, word)) << word;
  }
}

}  // namespace
}  // namespace unwind
