#include "tests/tidy/rules.h"

#include <algorithm>
#include <optional>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace unwind {
namespace {

// What the files of a layer may include of what stands in quotes. A header in angle brackets is the standard library's
// or a Debian package's and only restricted by `pure`.
struct Layer {
  const char* files;  // regex of the path
  std::vector<std::string> may;
  bool pure;  // in angle brackets only the C++ standard library
  const char* rule;
};

const std::vector<std::string> kServices = {"order_svc/",  "stock_svc/",  "payment_svc/",
                                            "coupon_svc/", "wallet_svc/", "mock_pg/"};

// The first that matches a path decides.
const std::vector<Layer>& Layers() {
  static const auto* const layers = new std::vector<Layer>{
      {"orchestrator/core/.*",
       {"orchestrator/core/", "absl/status/", "absl/strings/", "absl/time/time.h", "common/base/trace_context.h"},
       true,
       "core includes only the standard library, absl status, strings and time, and what a trace is"},
      {"orchestrator/definition/.*",
       {"orchestrator/core/", "orchestrator/definition/", "common/base/", "common/rpc/deterministic.h",
        "common/rpc/error.h", "common/rpc/validate.h", "absl/", "google/", "saga/v1/"},
       false,
       "definition includes core, protobuf and what common says of messages, nothing that runs"},
      {"orchestrator/engine/.*",
       {"orchestrator/core/", "orchestrator/definition/", "orchestrator/engine/", "common/base/", "common/rpc/error.h",
        "absl/"},
       true,
       "engine includes core, definition and its own ports; no store, no gRPC, no protobuf"},
      {"orchestrator/store/.*",
       {"orchestrator/core/", "orchestrator/definition/", "orchestrator/engine/", "orchestrator/store/", "saga/stored/",
        "common/base/", "common/db/", "common/rpc/error.h", "absl/", "google/", "nlohmann/", "soci/"},
       false,
       "store includes the engine's ports and the database, no gRPC and no other room"},
      {"orchestrator/participants/.*",
       {"orchestrator/core/", "orchestrator/definition/", "orchestrator/engine/", "orchestrator/participants/",
        "common/base/", "common/metrics/", "common/observe/", "common/rpc/", "absl/", "google/", "grpc/", "grpcpp/",
        "prometheus/"},
       false,
       "participants includes the engine's ports and gRPC, no database and no other room"},
      {"orchestrator/api/.*",
       {"orchestrator/core/", "orchestrator/definition/", "orchestrator/engine/", "orchestrator/api/", "common/base/",
        "common/metrics/", "common/observe/", "common/rpc/", "absl/", "google/", "grpc/", "grpcpp/", "prometheus/",
        "saga/participant/v1/", "saga/v1/"},
       false,
       "api includes the engine's ports and gRPC, no database and no other room"},
      {"orchestrator/host/.*",
       {"orchestrator/", "common/base/", "common/db/", "common/metrics/", "common/observe/", "common/rpc/", "absl/",
        "google/", "grpcpp/", "prometheus/", "saga/participant/v1/", "saga/v1/"},
       false,
       "host puts the orchestrator's rooms together; no service, no SOCI"},
      {"common/base/.*",
       {"common/base/", "absl/", "nlohmann/", "grpc/support/"},
       false,
       "common/base includes nothing of the project but itself"},
      {"common/db/.*", {"common/base/", "common/db/", "absl/", "soci/"}, false, "common/db knows base and SOCI only"},
      {"sagactl/.*",
       {"sagactl/", "common/base/", "common/rpc/", "common/tls/openssl.h", "CLI/", "absl/", "google/", "grpcpp/",
        "nlohmann/", "saga/participant/v1/", "saga/v1/"},
       false,
       "sagactl is a client of the API alone: nothing of the orchestrator, no service, no database"},
      {"common/.*",
       {"common/", "absl/", "google/", "grpc/", "grpcpp/", "nlohmann/", "opentelemetry/", "prometheus/",
        "saga/v1/rules.pb.h", "soci/"},
       false,
       "common includes no service"},
      {"(order_svc/(order|cart|notification)|stock_svc/stock|"
       "payment_svc/(payment|decision|finding|collect|reconcile|webhook_signature)|coupon_svc/coupon|wallet_svc/wallet|"
       "mock_pg/ledger|mock_pg/scenario)\\.(h|cc)",
       {"@self", "order_svc/order.h", "mock_pg/scenario.h", "payment_svc/payment.h", "payment_svc/decision.h",
        "payment_svc/finding.h", "common/base/", "common/rpc/error.h", "absl/"},
       true,
       "a domain is pure: no store, no service, no SOCI, no gRPC, no protobuf"},
      {"(order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg)/[a-z_]*_store\\.(h|cc)",
       {"@own_domain", "common/base/", "common/db/", "common/participant/read.h", "common/rpc/error.h",
        "common/rpc/page_token.h", "absl/", "nlohmann/", "soci/"},
       false,
       "a store includes its domain and the database, no service"},
      {"(order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg)/.*",
       {"@own", "common/", "absl/", "google/", "grpc/", "grpcpp/", "nlohmann/", "prometheus/", "soci/",
        "saga/participant/v1/", "saga/v1/", "shop/", "pg/v1/"},
       false,
       "a service includes itself and common, no other service"},
  };
  return *layers;
}

// "stock_svc/stock_store.cc" -> "stock_svc/stock_store".
std::string Stem(const std::string& path) { return path.substr(0, path.rfind('.')); }
std::string Folder(const std::string& path) { return path.substr(0, path.find('/') + 1); }

bool MayInclude(const Layer& layer, const std::string& path, const std::string& header) {
  for (const std::string& allowed : layer.may) {
    if (allowed == "@self") {
      if (header == Stem(path) + ".h") return true;
    } else if (allowed == "@own") {
      if (absl::StartsWith(header, Folder(path))) return true;
    } else if (allowed == "@own_domain") {
      const bool service = absl::StrContains(header, "_service") || absl::StrContains(header, "_domain");
      if (absl::StartsWith(header, Folder(path)) && !service) return true;
    } else if (absl::StartsWith(header, allowed)) {
      return true;
    }
  }
  return false;
}

bool IsProduct(const std::string& path) { return !absl::StartsWith(path, "tests/"); }

struct Word {
  const char* files;   // regex of the path
  const char* except;  // regex of paths that may; "" for none
  const char* word;    // regex of the line, comments taken off
  const char* rule;
};

constexpr Word kWords[] = {
    {"tests/.*", "tests/support/poll\\.h|tests/e2e/gateway/poll\\.py|tests/bench/.*|tests/tidy/.*",
     "\\b(sleep_for|sleep_until|SleepFor|usleep|nanosleep|sleep)\\s*\\(",
     "a test waits with Eventually (tests/support/poll.h), with a deadline, and never sleeps"},
    {"tests/.*", "tests/tidy/.*", "listen[a-z_]*=[^ \"]*:([1-9][0-9]{0,3}|[1-5][0-9]{4})\\b",
     "a test listens at port 0 only"},
    {"tests/.*", "tests/tidy/.*", "(AddListeningPort|add_insecure_port)\\(\"[^\"]*:[1-9]",
     "a test listens at port 0 only"},
    // The server only switches Abseil's own search for deadlocks off.
    {".*", "tests/tidy/.*|common/rpc/server\\.cc",
     "absl::(Mutex|MutexLock|CondVar|Notification)\\b|absl/synchronization/",
     "std::mutex: ThreadSanitizer does not see Debian's absl::Mutex"},
    {".*", "tests/tidy/.*", "std::(basic_)?string_view\\b|#include <string_view>",
     "absl::string_view: in Debian's Abseil it is another type than std::string_view"},
    {".*", "tests/tidy/.*", "\\.detach\\(\\)", "no detached threads: every thread has a Stop that waits"},
    {"orchestrator/core/.*", "",
     "absl::Now|std::(mutex|thread|atomic|random_device|mt19937|chrono|cout|cerr)|\\b(printf|fprintf|rand|time)\\s*\\(",
     "core is pure: no clock, lock, randomness or I/O"},
    {"orchestrator/(engine|definition)/.*", "", "absl::Now|system_clock|steady_clock::now",
     "time comes through the clock, so that the simulated one is the only one"},
    // Those that say or read a date: of a line of the log, of a row, of a gRPC deadline.
    {"(orchestrator|order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg|common)/.*",
     "orchestrator/(core|engine|definition)/.*|common/base/(clock\\.h|log\\.cc)|common/rpc/"
     "(port|unary)\\.cc|common/observe/(tracer|otlp_exporter)\\.cc|payment_svc/"
     "(gateway_client|nudger|reconcile_task)\\.cc|"
     "mock_pg/webhook_sender\\.cc|"
     "orchestrator/(participants/grpc_participants|host/(maintenance|nudge_forwarder))\\.cc",
     "absl::Now|system_clock::now",
     "the wall clock jumps: SteadyNow for how long something takes, the Clock for dates"},
    // A page token is made of the filters; a contradicting entry of the gateway's ledger has no secret; an event is
    // JSON.
    {"(orchestrator|order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg|common)/.*",
     "orchestrator/api/saga_service\\.cc|payment_svc/(gateway_client|webhook_event)\\.cc|mock_pg/webhook_sender\\.cc",
     "DebugString|MessageToJsonString|TextFormat",
     "a request's fields are printed nowhere: a log, an error or a history names what it needs, by itself"},
    {"(orchestrator|order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg|sagactl|console|common)/.*", "",
     "\\b(TODO|FIXME|XXX)\\b", "no unfinished work in comments"},
    {"(orchestrator|order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg|common)/.*",
     "common/rpc/credentials\\.cc", "\\b(Insecure|Ssl|Tls|Local|Alts|Xds|GoogleDefault)(Server|Channel)?Credentials\\b",
     "plaintext or TLS is decided in common/rpc/credentials.cc alone"},
    {"console/.*", "", "\\b(innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|document\\.write|eval)\\b",
     "what the console shows becomes text nodes, never markup or code"},
    {"console/.*", "", "\\b(localStorage|sessionStorage|indexedDB|document\\.cookie)\\b",
     "the console keeps nothing in the browser"},
    {"(orchestrator|order_svc|stock_svc|payment_svc|coupon_svc|wallet_svc|mock_pg)/.*", "",
     "catch \\((const )?(soci::)?soci_error", "soci_error is caught at the edge, in common/db"},
};

struct RetiredWord {
  const char* word;  // regex, whole words, in any case
  const char* say;
};

constexpr RetiredWord kRetiredWords[] = {
    {"the house", "the orchestrator, or what is in flight"},
    {"(at )?the door", "admission, the server or validation"},
    {"in vain", "until the deadline, without an answer"},
    {"(taken|takes?|took) up", "recovered"},
    {"whoever", "the client, process or owner that"},
    {"alike", "the same way, equally"},
    {"bids?", "tells, asks"},
    {"(is|are) to be", "must be, is"},
    {"thereof", "of it"},
    {"who must go", "whose deadline has passed"},
    {"doubt(s|ed)?", "stale, unknown"},
};

std::string WithoutComment(const std::string& line) {
  const std::size_t at = line.find("//");
  return at == std::string::npos ? line : line.substr(0, at);
}

std::string Finding(const std::string& path, std::size_t line, const std::string& what, const std::string& rule) {
  return absl::StrCat(path, ":", line + 1, ": ", what, ": ", rule);
}

}  // namespace

std::vector<std::string> CheckRetiredWords(const std::string& path, const std::string& text) {
  std::vector<std::string> findings;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const RetiredWord& retired : kRetiredWords) {
    const std::regex word(absl::StrCat("\\b(", retired.word, ")\\b"), std::regex::icase);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(lines[i], match, word)) continue;
      findings.push_back(Finding(path, i, absl::StrCat("`", match.str(), "`"), absl::StrCat("say: ", retired.say)));
    }
  }
  return findings;
}

std::vector<std::string> CheckFlags(const std::string& path, const std::string& text) {
  static const std::regex unranged(
      "\\bABSL_FLAG\\(\\s*((std::)?u?int[a-z0-9_]*|float|double|absl::Duration)\\s*,\\s*([a-z0-9_]+)");
  std::vector<std::string> findings;
  if (!IsProduct(path)) return findings;
  for (std::sregex_iterator match(text.begin(), text.end(), unranged), end; match != end; ++match) {
    const auto line = std::count(text.begin(), text.begin() + match->position(), '\n');
    findings.push_back(Finding(path, static_cast<std::size_t>(line),
                               absl::StrCat("--", (*match)[3].str(), " has no range"),
                               "a number or a duration is a RANGED_FLAG"));
  }
  return findings;
}

std::vector<std::string> CheckIncludes(const std::string& path, const std::string& text) {
  static const std::regex include(R"re(^\s*#include (["<])([^">]+)[">].*)re");
  const Layer* layer = nullptr;
  for (const Layer& each : Layers()) {
    const bool main = absl::EndsWith(path, "/main.cc");
    if (!main && std::regex_match(path, std::regex(each.files))) {
      layer = &each;
      break;
    }
  }
  std::vector<std::string> findings;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_match(lines[i], match, include)) continue;
    const std::string header = match[2];
    const std::string what = absl::StrCat("includes ", header);
    const bool quoted = match[1] == "\"";
    if (IsProduct(path) && (absl::StartsWith(header, "tests/") || absl::StartsWith(header, "gtest/") ||
                            absl::StartsWith(header, "gmock/"))) {
      findings.push_back(Finding(path, i, what, "the product includes no test"));
    }
    if (layer == nullptr) continue;
    if (quoted && !MayInclude(*layer, path, header)) findings.push_back(Finding(path, i, what, layer->rule));
    const bool standard = !absl::StrContains(header, '.') && !absl::StrContains(header, '/');
    if (!quoted && layer->pure && !standard) findings.push_back(Finding(path, i, what, layer->rule));
  }
  return findings;
}

std::vector<std::string> CheckWords(const std::string& path, const std::string& text) {
  std::vector<std::string> findings;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const Word& word : kWords) {
    if (!std::regex_match(path, std::regex(word.files))) continue;
    if (*word.except != '\0' && std::regex_match(path, std::regex(word.except))) continue;
    const std::regex banned(word.word);
    const bool in_comments = absl::StrContains(word.word, "TODO");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string line = in_comments ? lines[i] : WithoutComment(lines[i]);
      std::smatch match;
      if (std::regex_search(line, match, banned)) {
        findings.push_back(Finding(path, i, absl::StrCat("`", match.str(), "`"), word.rule));
      }
    }
  }
  return findings;
}

}  // namespace unwind
