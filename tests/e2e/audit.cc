// unwind_audit: whether the books of a shop at rest agree. --folder has its five SQLite files, as `unwind_up` prints
// it.
#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/flags.h"
#include "tests/support/audit.h"

ABSL_FLAG(std::string, folder, "", "Folder of the databases.");

int main(int argc, char** argv) {
  unwind::ParseFlagsOnly(argc, argv, "Audits the databases of a shop at rest; 0: every rule holds.");
  const auto file = [](unwind::Node node) {
    return absl::StrCat(absl::GetFlag(FLAGS_folder), "/", unwind::NodeName(node), ".db");
  };
  const auto report = unwind::Audit(unwind::AuditBooks{.orders = file(unwind::Node::kOrder),
                                                       .stock = file(unwind::Node::kStock),
                                                       .payments = file(unwind::Node::kPayment),
                                                       .ledger = file(unwind::Node::kGateway),
                                                       .sagas = file(unwind::Node::kOrchestrator)});
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  std::printf("%s", unwind::ToText(*report).c_str());
  return report->holds() ? 0 : 1;
}
