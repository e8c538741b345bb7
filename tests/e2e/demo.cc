// unwind_demo: the real processes on loopback, played in front of an audience. Exit 0 only if every scene ended as
// it must and the audit of the participants' own books finds nothing.
#include <cstdio>
#include <iostream>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/flags.h"
#include "tests/e2e/checkout_scenes.h"
#include "tests/e2e/scenes.h"
#include "tests/e2e/tender_scenes.h"
#include "tests/support/audit.h"
#include "tests/support/temp_dir.h"

ABSL_FLAG(bool, json, false, "Print everything once more as one JSON object, on the last line.");
ABSL_FLAG(std::string, bin_dir, "", "Folder of the programs; empty: the folder of this one.");
ABSL_FLAG(bool, keep, false, "Keep the scratch folder with the databases and logs.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of this demo's own.");
ABSL_FLAG(bool, secure, false, "Mutual TLS everywhere, with certificates of a throw-away authority.");
ABSL_FLAG(int, flash_sales, 0, "Play nothing but the flash sale, so many times; 0: play everything once.");

namespace unwind {
namespace {

// A sanitizer's build is slow and large: it is not held to figures.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr double kOrchestratorMibMax = 128;
constexpr double kServiceMibMax = 64;
constexpr absl::Duration kRestPatience = absl::Seconds(60);

// False if a process needed more than it may, with 1,000 callers waiting.
bool PrintMemory(Cluster& cluster, nlohmann::json& json) {
  std::printf("\n== Peak memory of each process ==\n");
  bool holds = true;
  for (Node node : kNodes) {
    const double mib = static_cast<double>(cluster.PeakKib(node)) / 1024;
    const double most = node == Node::kOrchestrator ? kOrchestratorMibMax : kServiceMibMax;
    const bool within = kSanitized || mib < most;
    std::printf("  %-13s %6.1f MiB%s\n", NodeName(node).c_str(), mib, within ? "" : "  MORE than it may");
    json["peak_mib"][NodeName(node)] = mib;
    holds = holds && within;
  }
  return holds;
}

// The audit of a shop that has come to rest.
absl::StatusOr<bool> PrintAudit(Shop& shop, nlohmann::json& json) {
  std::printf("\n== Audit: read from the services' own databases and the gateway's ledger ==\n");
  RETURN_IF_ERROR(AwaitRest(shop, kRestPatience));
  ASSIGN_OR_RETURN(const AuditReport report, Audit(shop.cluster()));
  std::printf("%s", ToText(report).c_str());
  nlohmann::json violations = nlohmann::json::array();
  for (const AuditRule& rule : report.rules) {
    for (const std::string& violation : rule.violations) violations.push_back(absl::StrCat(rule.name, ": ", violation));
  }
  json["audit"] = {{"holds", report.holds()},
                   {"violations", violations},
                   {"sagas", report.sagas},
                   {"orders_paid", report.orders_paid},
                   {"orders_failed", report.orders_failed},
                   {"orders_cancelled", report.orders_cancelled},
                   {"captured_minor", report.captured_minor},
                   {"refunded_minor", report.refunded_minor}};
  return report.holds();
}

absl::StatusOr<bool> Play(Cluster& cluster, nlohmann::json& json) {
  Shop shop(cluster);
  Stage stage(shop);
  if (const int sales = absl::GetFlag(FLAGS_flash_sales); sales > 0) {
    for (int i = 1; i <= sales && stage.ok(); ++i) stage.FlashSale(absl::StrCat(i, " of ", sales));
  } else {
    stage.PlayAll();
    PlayTenders(stage, shop);
    PlayCheckouts(stage, shop);
  }
  json["scenes"] = stage.json();
  const bool small = PrintMemory(cluster, json);
  ASSIGN_OR_RETURN(const bool holds, PrintAudit(shop, json));
  return holds && small && stage.ok();
}

int Main(const std::string& program) {
  const std::string here = program.substr(0, program.rfind('/'));
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? here : absl::GetFlag(FLAGS_bin_dir);
  options.keep_scratch = absl::GetFlag(FLAGS_keep);
  const std::string store = absl::GetFlag(FLAGS_store);
  if (store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  options.postgres = store == "postgres";
  options.secure = absl::GetFlag(FLAGS_secure);
  options.webhooks = true;
  const TempDir folder;
  options.definitions = folder.File("sagas");
  if (const absl::Status status = WriteWithWaits("orchestrator/sagas", options.definitions, kDemoWaits); !status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  std::printf(
      "Starting seven processes on loopback: mock_pg, order_svc, stock_svc, payment_svc, coupon_svc, wallet_svc and "
      "the "
      "orchestrator.\n");
  const auto cluster = Cluster::Start(options);
  if (!cluster.ok()) {
    std::cerr << cluster.status().message() << "\n";
    return 1;
  }
  std::printf("Their databases and logs are in %s%s.\n", (*cluster)->scratch().c_str(),
              options.keep_scratch ? "" : " until this ends (--keep keeps them)");
  nlohmann::json json;
  const absl::StatusOr<bool> played = Play(**cluster, json);
  const bool ok = played.ok() && *played;
  if (!played.ok()) std::cerr << played.status() << "\n";
  std::printf("\n%s\n", ok ? "All of it held." : "NOT all of it held: see above.");
  json["ok"] = ok;
  json["store"] = store;
  if (absl::GetFlag(FLAGS_json)) std::printf("%s\n", json.dump().c_str());
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  unwind::ParseFlagsOnly(
      argc, argv,
      "Plays the whole product on loopback: orders that succeed, fail and are undone, processes that are "
      "killed, flash sales; then audits the books.");
  return unwind::Main(argv[0]);
}
