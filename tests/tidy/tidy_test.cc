// Holds the project's own files to tests/tidy/rules.h, and holds those rules to examples.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tidy/rules.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kFolders[] = {"common",     "orchestrator", "order_svc", "stock_svc", "payment_svc", "coupon_svc",
                                    "wallet_svc", "mock_pg",      "sagactl",   "console",   "examples",    "tests"};

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Calls visit(path, text) for every source file; returns how many there were.
template <typename Visit>
int ForEachSource(const std::vector<std::string>& endings, Visit visit) {
  int files = 0;
  for (const char* folder : kFolders) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string path = entry.path().string();
      const bool ours = std::any_of(endings.begin(), endings.end(),
                                    [&](const std::string& ending) { return absl::EndsWith(path, ending); });
      if (!ours) continue;
      ++files;
      visit(path, Read(entry.path()));
    }
  }
  return files;
}

constexpr const char* kDocuments[] = {
    "README.md",        "CHANGELOG.md",        "CONTRIBUTING.md",      "docs/ARCHITECTURE.md",
    "docs/CLIENTS.md",  "docs/DEFINITIONS.md", "docs/DEPLOY.md",       "docs/FLAGS.md",
    "docs/METRICS.md",  "docs/OPERATING.md",   "docs/PARTICIPANTS.md", "docs/PERFORMANCE.md",
    "docs/RUNBOOKS.md", "docs/SECURITY.md",    "docs/STORES.md",       "docs/TESTING.md",
    "docs/TUTORIAL.md"};
constexpr int kLinesMax = 400;  // of a product file
constexpr int kFilesMin = 100;  // fewer: the test looked in the wrong place

TEST(Tidy, EveryIncludeIsAllowedInItsLayer) {
  std::vector<std::string> findings;
  const int files = ForEachSource({".h", ".cc"}, [&](const std::string& path, const std::string& text) {
    for (std::string& finding : CheckIncludes(path, text)) findings.push_back(std::move(finding));
  });
  EXPECT_GE(files, kFilesMin);
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

TEST(Tidy, NoBannedWords) {
  std::vector<std::string> findings;
  ForEachSource({".h", ".cc", ".py", ".sh", ".js", ".mjs"}, [&](const std::string& path, const std::string& text) {
    for (std::string& finding : CheckWords(path, text)) findings.push_back(std::move(finding));
  });
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

TEST(Tidy, EveryNumberAndDurationThatIsAFlagHasARange) {
  std::vector<std::string> findings;
  ForEachSource({".cc"}, [&](const std::string& path, const std::string& text) {
    for (std::string& finding : CheckFlags(path, text)) findings.push_back(std::move(finding));
  });
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

TEST(Tidy, AFlagWithoutARangeIsFound) {
  for (const char* type : {"int", "std::int64_t", "uint32_t", "double", "absl::Duration"}) {
    const std::string text = absl::StrCat("x;\nABSL_FLAG(\n    ", type, ", size_max, 7,\n    \"How many.\");");
    EXPECT_THAT(CheckFlags("common/a.cc", text),
                ElementsAre("common/a.cc:2: --size_max has no range: a number or a duration is a RANGED_FLAG"));
    EXPECT_THAT(CheckFlags("tests/a.cc", text), IsEmpty());
  }
  EXPECT_THAT(CheckFlags("common/a.cc", "ABSL_FLAG(std::string, name, \"\", \"Of whom.\");"), IsEmpty());
  EXPECT_THAT(CheckFlags("common/a.cc", "RANGED_FLAG(int, size_max, 7, 1, 9, \"How many.\");"), IsEmpty());
}

TEST(Tidy, NoRetiredWords) {
  std::vector<std::string> findings;
  const auto check = [&](const std::string& path, const std::string& text) {
    if (absl::StartsWith(path, "tests/tidy/")) return;
    for (std::string& finding : CheckRetiredWords(path, text)) findings.push_back(std::move(finding));
  };
  ForEachSource({".h", ".cc", ".py", ".sh", ".js", ".mjs", ".css", ".html", ".yaml", ".md", ".sql"}, check);
  for (const char* document : kDocuments) check(document, Read(document));
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

TEST(Tidy, NoProductFileIsLong) {
  std::vector<std::string> findings;
  ForEachSource({".h", ".cc", ".js", ".css"}, [&](const std::string& path, const std::string& text) {
    const auto lines = std::count(text.begin(), text.end(), '\n');
    // The one file that everything passes through, and to which everything would be added.
    const int lines_max = path == "orchestrator/engine/shard.cc" ? 299 : kLinesMax;
    if (!absl::StartsWith(path, "tests/") && lines > lines_max) {
      findings.push_back(absl::StrCat(path, " has ", lines, " lines, more than ", lines_max));
    }
  });
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

TEST(Tidy, EveryHeaderHasTheGuardOfItsPath) {
  std::vector<std::string> findings;
  ForEachSource({".h"}, [&](const std::string& path, const std::string& text) {
    std::string guard = "UNWIND_" + path + "_";
    for (char& c : guard)
      c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? static_cast<char>(std::toupper(c)) : '_';
    if (!absl::StrContains(text, "#ifndef " + guard + "\n#define " + guard + "\n")) {
      findings.push_back(path + ": its include guard is not " + guard);
    }
  });
  EXPECT_THAT(findings, IsEmpty()) << absl::StrJoin(findings, "\n");
}

// So that protoc alone makes stubs of Go, Java and C#. Generators of other languages need nothing.
TEST(Tidy, EveryProtoSaysWhereItsLanguagesPutIt) {
  int files = 0;
  for (const char* folder : {"protos/saga", "protos/shop", "protos/pg"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".proto") continue;
      ++files;
      const std::string text = Read(entry.path());
      const std::string path = entry.path().parent_path().string();  // protos/shop/stock/v1
      const std::string package = absl::StrReplaceAll(path.substr(path.find('/') + 1), {{"/", "."}});
      EXPECT_THAT(text, HasSubstr("\npackage " + package + ";\n")) << entry.path();
      EXPECT_THAT(text, HasSubstr("\noption go_package = \"unwind/" + path + ";")) << entry.path();
      EXPECT_THAT(text, HasSubstr("\noption java_package = \"unwind." + package + "\";\n")) << entry.path();
      EXPECT_THAT(text, HasSubstr("\noption java_multiple_files = true;\n")) << entry.path();
      EXPECT_THAT(text, HasSubstr("\noption csharp_namespace = \"Unwind.")) << entry.path();
    }
  }
  EXPECT_GE(files, 10);
}

struct Example {
  const char* path;
  const char* line;
  const char* finding;  // "" for none
};

class Includes : public testing::TestWithParam<Example> {};

TEST_P(Includes, AreJudged) {
  const auto findings = CheckIncludes(GetParam().path, GetParam().line);
  if (*GetParam().finding == '\0') {
    EXPECT_THAT(findings, IsEmpty());
  } else {
    EXPECT_THAT(findings, ElementsAre(HasSubstr(GetParam().finding)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tidy, Includes,
    testing::Values(
        Example{"orchestrator/core/a.cc", "#include <vector>", ""},
        Example{"orchestrator/core/a.cc", "#include \"absl/time/clock.h\"",
                "core/a.cc:1: includes absl/time/clock.h: core includes only"},
        Example{"orchestrator/core/a.cc", "#include \"orchestrator/engine/driver.h\"", "core includes only"},
        Example{"orchestrator/core/a.cc", "#include <unistd.h>", "core includes only"},
        Example{"orchestrator/definition/a.h", "#include \"orchestrator/engine/driver.h\"", "definition includes core"},
        Example{"orchestrator/engine/a.h", "#include \"orchestrator/participants/routes.h\"", "engine includes core"},
        Example{"orchestrator/engine/a.h", "#include \"grpcpp/grpcpp.h\"", "engine includes core"},
        Example{"orchestrator/engine/a.h", "#include \"orchestrator/store/saga_codec.h\"", "engine includes core"},
        Example{"orchestrator/store/a.h", "#include \"orchestrator/participants/routes.h\"", "no other room"},
        Example{"orchestrator/store/a.h", "#include \"orchestrator/api/served_call.h\"", "no other room"},
        Example{"orchestrator/store/a.h", "#include \"orchestrator/host/maintenance.h\"", "no other room"},
        Example{"orchestrator/store/a.h", "#include \"grpcpp/grpcpp.h\"", "no gRPC"},
        Example{"orchestrator/participants/a.h", "#include \"orchestrator/store/saga_codec.h\"", "no other room"},
        Example{"orchestrator/participants/a.h", "#include \"orchestrator/api/served_call.h\"", "no other room"},
        Example{"orchestrator/participants/a.h", "#include \"orchestrator/host/maintenance.h\"", "no other room"},
        Example{"orchestrator/participants/a.h", "#include \"soci/soci.h\"", "no database"},
        Example{"orchestrator/api/a.h", "#include \"orchestrator/store/saga_codec.h\"", "no other room"},
        Example{"orchestrator/api/a.h", "#include \"orchestrator/participants/routes.h\"", "no other room"},
        Example{"orchestrator/api/a.h", "#include \"orchestrator/host/maintenance.h\"", "no other room"},
        Example{"orchestrator/api/a.h", "#include \"common/db/connection.h\"", "no database"},
        Example{"orchestrator/host/a.h", "#include \"stock_svc/stock.h\"", "no service"},
        Example{"orchestrator/host/a.h", "#include \"orchestrator/store/soci_saga_store.h\"", ""},
        Example{"orchestrator/main.cc", "#include \"orchestrator/participants/routes.h\"", ""},
        Example{"sagactl/list.cc", "#include \"common/rpc/error.h\"", ""},
        Example{"sagactl/list.cc", "#include \"orchestrator/host/check.h\"", "a client of the API alone"},
        Example{"orchestrator/main.cc", "#include \"tests/support/poll.h\"", "the product includes no test"},
        Example{"common/rpc/a.cc", "#include \"shop/stock/v1/stock_service.pb.h\"", "common includes no service"},
        Example{"common/db/a.cc", "#include \"common/rpc/error.h\"", "common/db knows"},
        Example{"stock_svc/stock.cc", "#include \"stock_svc/stock.h\"", ""},
        Example{"stock_svc/stock.cc", "#include \"stock_svc/stock_store.h\"", "a domain is pure"},
        Example{"stock_svc/stock.cc", "#include \"soci/soci.h\"", "a domain is pure"},
        Example{"stock_svc/stock_store.cc", "#include \"stock_svc/stock_service.h\"", "a store includes"},
        Example{"stock_svc/stock_service.cc", "#include \"order_svc/order.h\"", "no other service"}));

TEST(Tidy, ARetiredWordIsFoundInAnyCaseAndSaysWhatToSay) {
  EXPECT_THAT(CheckRetiredWords("a.cc", "x;\n// Whoever asks."),
              ElementsAre(HasSubstr("a.cc:2: `Whoever`: say: the client")));
  EXPECT_THAT(CheckRetiredWords("a.cc", "// The doorbell, and what was bidden."), IsEmpty());
}

class Words : public testing::TestWithParam<Example> {};

TEST_P(Words, AreJudged) {
  const auto findings = CheckWords(GetParam().path, GetParam().line);
  if (*GetParam().finding == '\0') {
    EXPECT_THAT(findings, IsEmpty());
  } else {
    EXPECT_THAT(findings, ElementsAre(HasSubstr(GetParam().finding)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tidy, Words,
    testing::Values(
        Example{"tests/unit/a.cc", "std::this_thread::sleep_for(1s);", "a.cc:1: `sleep_for(`: a test waits with"},
        Example{"tests/support/poll.h", "absl::SleepFor(pause);", ""},
        Example{"tests/e2e/a.py", "time.sleep(1)", "never sleeps"},
        Example{"orchestrator/api/a.cc", "Log(kInfo, request.ShortDebugString());", "printed nowhere"},
        Example{"tests/unit/a.cc", "builder.AddListeningPort(\"127.0.0.1:50051\", c);", "port 0 only"},
        Example{"tests/unit/a.cc", "builder.AddListeningPort(\"127.0.0.1:0\", c);", ""},
        Example{"tests/e2e/a.cc", "{\"--listen=127.0.0.1:7000\"}", "port 0 only"},
        Example{"tests/e2e/a.cc", "{\"--metrics_listen=127.0.0.1:7000\"}", "port 0 only"},
        Example{"tests/e2e/a.cc", "{\"--listen=127.0.0.1:0\"}", ""},
        Example{"tests/unit/a.cc", "Routes(\"a.B=127.0.0.1:9000\");", ""},
        Example{"common/a.h", "absl::Mutex mutex_;", "std::mutex"},
        Example{"common/a.h", "void F(std::string_view text);", "absl::string_view"},
        Example{"common/a.h", "// not std::string_view", ""},
        Example{"payment_svc/a.cc", "grpc::InsecureChannelCredentials()", "decided in common/rpc/credentials"},
        Example{"common/rpc/a.cc", "grpc::experimental::TlsCredentials(options)", "decided in common"},
        Example{"common/a.cc", "std::thread(f).detach();", "no detached threads"},
        Example{"orchestrator/core/a.cc", "const auto now = absl::Now();", "core is pure"},
        Example{"orchestrator/engine/shard.cc", "const auto now = absl::Now();", "through the clock"},
        Example{"common/rpc/server.cc", "while (absl::Now() < until) {", "SteadyNow"},
        Example{"common/base/log.cc", "Write(absl::Now(), severity);", ""},
        Example{"stock_svc/a.cc", "} catch (const soci::soci_error& e) {", "at the edge"},
        Example{"console/a.js", "element.innerHTML = saga.key;", "never markup"},
        Example{"console/a.js", "sessionStorage.actor = actor;", "keeps nothing"},
        Example{"common/a.cc", "// TODO: later", "no unfinished work"}));

}  // namespace
}  // namespace unwind
