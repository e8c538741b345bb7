// The dashboards of k8s/dashboards are what their generator writes, and keep to the rules of Grafana's linter. That
// each query returns data is tests/e2e/dashboards_test.cc, that Grafana's published types have every field is schema/.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kFolder[] = "k8s/dashboards";
constexpr absl::Duration kPatience = absl::Seconds(60);

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  EXPECT_THAT(names,
              testing::ElementsAre("database.json", "overview.json", "participant.json", "saga.json", "shop.json"));
  return names;
}

json Read(const std::string& name) { return json::parse(ContentsOf(absl::StrCat(kFolder, "/", name))); }

TEST(Dashboards, AreWhatTheirGeneratorWrites) {
  const TempDir dir;
  const auto status =
      RunToEnd({"/usr/bin/env", "python3", absl::StrCat(kFolder, "/make.py"), dir.path()}, dir.File("log"), kPatience);
  ASSERT_TRUE(status.ok() && *status == 0) << ContentsOf(dir.File("log"));
  for (const std::string& name : Names()) {
    EXPECT_EQ(ContentsOf(dir.File(name)), ContentsOf(absl::StrCat(kFolder, "/", name)))
        << name << " was changed by hand: change source/ and call python3 k8s/dashboards/make.py";
  }
}

// A dashboard that is read from a file must have a fixed uid and no id, and is not edited in Grafana.
TEST(Dashboards, CanBeProvisioned) {
  std::set<std::string> uids;
  for (const std::string& name : Names()) {
    const json read = Read(name);
    EXPECT_EQ(read["uid"], absl::StrCat("unwind-", name.substr(0, name.find('.'))));
    EXPECT_FALSE(read.contains("id")) << name;
    EXPECT_FALSE(read.contains("__inputs")) << name;
    EXPECT_EQ(read["editable"], false) << name;
    EXPECT_GT(read["description"].get<std::string>().size(), 20u) << name;
    std::set<int> ids;
    for (const json& panel : read["panels"])
      EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << name << panel["id"];
  }
}

TEST(Dashboards, HaveVariablesForTheDataSourceTheJobsAndTheInstances) {
  for (const std::string& name : Names()) {
    const json variables = Read(name)["templating"]["list"];
    ASSERT_GE(variables.size(), 3u) << name;
    EXPECT_EQ(variables[0]["name"], "datasource");
    EXPECT_EQ(variables[0]["type"], "datasource");
    EXPECT_EQ(variables[0]["query"], "prometheus");
    EXPECT_EQ(variables[1]["name"], "job");
    EXPECT_EQ(variables[2]["name"], "instance");
    for (std::size_t i = 1; i < variables.size(); ++i) {
      EXPECT_EQ(variables[i]["type"], "query");
      EXPECT_EQ(variables[i]["datasource"]["uid"], "${datasource}");
      EXPECT_EQ(variables[i]["refresh"], 2) << "as the time range changes";
      EXPECT_EQ(variables[i]["multi"], true);
      EXPECT_EQ(variables[i]["allValue"], ".+");
      EXPECT_TRUE(std::regex_match(variables[i]["query"]["query"].get<std::string>(),
                                   std::regex("label_values\\([a-z_]+(\\{job=~\"\\$job\"\\})?, [a-z]+\\)")));
    }
  }
}

// What Grafana's linter says of a query; empty: nothing.
std::vector<std::string> Lint(const std::string& query) {
  static const std::regex selector("([a-z_]+)\\{([^}]*)\\}"),
      range("\\b(rate|increase)\\([a-z_]+\\{[^}]*\\}\\[([^\\]]*)\\]\\)");
  std::vector<std::string> findings;
  std::string rest = query;
  for (std::sregex_iterator match(query.begin(), query.end(), range), end; match != end; ++match) {
    const std::string wanted = (*match)[1] == "rate" ? "$__rate_interval" : "$__range";
    if ((*match)[2] != wanted) findings.push_back(absl::StrCat((*match)[1].str(), " is not over ", wanted));
  }
  rest = std::regex_replace(rest, range, " ");  // from here on what is not counted by its growth
  for (std::sregex_iterator match(query.begin(), query.end(), selector), end; match != end; ++match) {
    for (const char* matcher : {"job=~\"$job\"", "instance=~\"$instance\""}) {
      if (!absl::StrContains((*match)[2].str(), matcher))
        findings.push_back(absl::StrCat((*match)[1].str(), " lacks ", matcher));
    }
  }
  for (std::sregex_iterator match(rest.begin(), rest.end(), selector), end; match != end; ++match) {
    const std::string name = (*match)[1];
    for (const char* ending : {"_total", "_bucket", "_sum", "_count"}) {
      if (absl::EndsWith(name, ending))
        findings.push_back(absl::StrCat("the counter ", name, " is not in rate or increase"));
    }
  }
  static const std::regex bare("[a-z]+(_[a-z]+)+(?![a-z_({])");
  const std::string outside = std::regex_replace(std::regex_replace(query, selector, " "),
                                                 std::regex("\\b(by|on) \\([^)]*\\)|\\$__[a-z_]+|[a-z_]+\\("), " ");
  if (std::regex_search(outside, bare)) findings.push_back("a metric has no braces");
  if (absl::StrContains(query, "histogram_quantile") && !std::regex_search(query, std::regex("by \\([^)]*\\ble\\)"))) {
    findings.push_back("a quantile is not by le");
  }
  return findings;
}

TEST(Dashboards, TheRulesFindWhatBreaksThem) {
  const std::string chosen = "{job=~\"$job\", instance=~\"$instance\"}";
  EXPECT_THAT(Lint("sum by (job) (rate(a_total" + chosen + "[$__rate_interval]))"), IsEmpty());
  EXPECT_THAT(Lint("rate(a_total" + chosen + "[5m])"), testing::ElementsAre("rate is not over $__rate_interval"));
  EXPECT_THAT(Lint("sum(a_total" + chosen + ")"), testing::ElementsAre(HasSubstr("is not in rate or increase")));
  EXPECT_THAT(Lint("sum(a_gauge{job=~\"$job\"})"), testing::ElementsAre(HasSubstr("lacks instance")));
  EXPECT_THAT(Lint("sum(a_gauge{instance=~\"$instance\"})"), testing::ElementsAre(HasSubstr("lacks job")));
  EXPECT_THAT(Lint("sum(a_gauge)"), testing::ElementsAre("a metric has no braces"));
  EXPECT_THAT(Lint("histogram_quantile(0.5, sum by (job) (rate(a_bucket" + chosen + "[$__rate_interval])))"),
              testing::ElementsAre("a quantile is not by le"));
}

TEST(Dashboards, EveryPanelSaysWhatItShowsInWhichUnitAndAsksByTheVariables) {
  int queries = 0;
  for (const std::string& name : Names()) {
    const json read = Read(name);
    for (const json& panel : read["panels"]) {
      const std::string where = absl::StrCat(name, ", ", panel["title"].get<std::string>());
      if (panel["type"] == "row") continue;
      EXPECT_THAT(panel["type"], AnyOf("timeseries", "stat")) << where;
      EXPECT_GT(panel["title"].get<std::string>().size(), 2u) << where;
      EXPECT_GT(panel["description"].get<std::string>().size(), 6u) << where;
      EXPECT_THAT(panel["fieldConfig"]["defaults"]["unit"].get<std::string>(),
                  AnyOf("ops", "reqps", "short", "s", "bytes", "percentunit"))
          << where;
      EXPECT_EQ(panel["datasource"]["uid"], "${datasource}") << where;
      EXPECT_FALSE(panel["targets"].empty()) << where;
      std::set<std::string> refs;
      for (const json& target : panel["targets"]) {
        EXPECT_TRUE(refs.insert(target["refId"].get<std::string>()).second) << where;
        EXPECT_EQ(target["datasource"]["uid"], "${datasource}") << where;
        EXPECT_TRUE(panel["type"] == "stat" || !target["legendFormat"].get<std::string>().empty()) << where;
        EXPECT_THAT(Lint(target["expr"].get<std::string>()), IsEmpty()) << where;
        ++queries;
      }
    }
  }
  EXPECT_GE(queries, 60);
}

}  // namespace
}  // namespace unwind
