// Every alert of k8s/alerts says how bad it is, what it saw and what to do, has a section in docs/RUNBOOKS.md, and a
// test of promtool's that sees it fire; and these tests pass.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "yaml-cpp/yaml.h"

namespace unwind {
namespace {

using testing::AnyOf;

constexpr char kRules[] = "k8s/alerts", kTests[] = "tests/alerts", kRunbooks[] = "docs/RUNBOOKS.md";
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr std::size_t kAlertsMin = 20;  // fewer: the test looked in the wrong place

std::vector<std::string> YamlFiles(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::map<std::string, YAML::Node> Alerts() {
  std::map<std::string, YAML::Node> alerts;
  for (const std::string& file : YamlFiles(kRules)) {
    for (const YAML::Node& group : YAML::LoadFile(file)["groups"]) {
      for (const YAML::Node& rule : group["rules"]) {
        const auto name = rule["alert"].as<std::string>();
        EXPECT_FALSE(alerts.contains(name)) << "two alerts are named " << name;
        alerts[name] = rule;
      }
    }
  }
  EXPECT_GE(alerts.size(), kAlertsMin);
  return alerts;
}

// As a browser finds the headings of a document: in small letters, words joined by dashes.
std::set<std::string> Anchors(const std::string& document) {
  std::set<std::string> anchors;
  const std::string text = ContentsOf(document);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "#")) continue;
    std::string anchor;
    for (const char c : absl::AsciiStrToLower(absl::StripAsciiWhitespace(line.substr(line.find(' '))))) {
      if (absl::ascii_isalnum(static_cast<unsigned char>(c))) anchor.push_back(c);
      if (c == ' ' || c == '-') anchor.push_back('-');
    }
    anchors.insert(anchor);
  }
  return anchors;
}

// What promtool says if it fails.
std::string Promtool(const std::vector<std::string>& arguments) {
  const TempDir dir;
  std::vector<std::string> command = {"/usr/bin/promtool"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto status = RunToEnd(command, dir.File("log"), kPatience);
  return status.ok() && *status == 0 ? "" : absl::StrCat("promtool failed: ", ContentsOf(dir.File("log")));
}

TEST(AlertRules, SayHowBadItIsAndWhatToDo) {
  for (const auto& [name, rule] : Alerts()) {
    EXPECT_THAT(rule["labels"]["severity"].as<std::string>(""), AnyOf("critical", "warning")) << name;
    EXPECT_GT(rule["annotations"]["summary"].as<std::string>("").size(), 20u) << name;
    EXPECT_GT(rule["annotations"]["description"].as<std::string>("").size(), 20u) << name;
    EXPECT_TRUE(absl::StartsWith(name, "Unwind")) << name;
  }
}

TEST(AlertRules, HaveARunbook) {
  const std::set<std::string> anchors = Anchors(kRunbooks);
  for (const auto& [name, rule] : Alerts()) {
    const std::pair<std::string, std::string> url =
        absl::StrSplit(rule["annotations"]["runbook_url"].as<std::string>(""), '#');
    EXPECT_EQ(url.first, kRunbooks) << name;
    EXPECT_EQ(url.second, absl::AsciiStrToLower(name));
    EXPECT_TRUE(anchors.contains(url.second)) << kRunbooks << " has no section " << name;
  }
}

TEST(AlertRules, NoRunbookIsOfAnAlertThatIsGone) {
  std::set<std::string> names;
  for (const auto& [name, rule] : Alerts()) names.insert(absl::AsciiStrToLower(name));
  for (const std::string& anchor : Anchors(kRunbooks)) {
    EXPECT_TRUE(!absl::StartsWith(anchor, "unwind") || names.contains(anchor)) << anchor;
  }
}

TEST(AlertRules, HaveATestThatSeesThemFire) {
  std::set<std::string> seen;
  for (const std::string& file : YamlFiles(kTests)) {
    for (const YAML::Node& test : YAML::LoadFile(file)["tests"]) {
      const auto name = test["name"].as<std::string>();
      for (const YAML::Node& query : test["promql_expr_test"]) {
        for (const YAML::Node& sample : query["exp_samples"]) {
          const auto labels = sample["labels"].as<std::string>();
          if (absl::StrContains(labels, absl::StrCat("alertname=\"", name, "\""))) seen.insert(name);
        }
      }
    }
  }
  for (const auto& [name, rule] : Alerts()) EXPECT_TRUE(seen.contains(name)) << name;
}

TEST(AlertRules, PassPromtoolsCheckAndTheirTests) {
  std::vector<std::string> check = {"check", "rules"}, test = {"test", "rules"};
  for (const std::string& file : YamlFiles(kRules)) check.push_back(file);
  for (const std::string& file : YamlFiles(kTests)) test.push_back(file);
  EXPECT_EQ(Promtool(check), "");
  EXPECT_EQ(Promtool(test), "");
}

}  // namespace
}  // namespace unwind
