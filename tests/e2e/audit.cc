// unwind_audit: whether the books of a shop at rest agree. `unwind_up` prints the folder of its SQLite files, or the
// socket's folder and the port of its PostgreSQL.
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/flags.h"
#include "tests/support/audit.h"

ABSL_FLAG(std::string, folder, "", "Folder of the SQLite files, or with --postgres_port of PostgreSQL's socket.");
ABSL_FLAG(int, postgres_port, 0, "Port of the PostgreSQL that has the databases; 0: they are SQLite files.");

int main(int argc, char** argv) {
  unwind::ParseFlagsOnly(argc, argv, "Audits the databases of a shop at rest; 0: every rule holds.");
  const auto file = [](unwind::Node node) {
    const std::string folder = absl::GetFlag(FLAGS_folder), name = unwind::NodeName(node);
    const int port = absl::GetFlag(FLAGS_postgres_port);
    if (port == 0) return absl::StrCat(folder, "/", name, ".db");
    return absl::StrCat("postgres:host=", folder, " port=", port, " dbname=", name, " user=", name);
  };
  const auto report = unwind::Audit(unwind::AuditBooks{.orders = file(unwind::Node::kOrder),
                                                       .stock = file(unwind::Node::kStock),
                                                       .payments = file(unwind::Node::kPayment),
                                                       .ledger = file(unwind::Node::kGateway),
                                                       .sagas = file(unwind::Node::kOrchestrator),
                                                       .coupons = file(unwind::Node::kCoupon),
                                                       .wallets = file(unwind::Node::kWallet)});
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  std::printf("%s", unwind::ToText(*report).c_str());
  return report->holds() ? 0 : 1;
}
