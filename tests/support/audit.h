// The books of the whole shop, read from the participants' own databases and the payment gateway's ledger: never from
// what the orchestrator believes. Every rule is one SELECT over the attached databases that finds violations, each as a
// sentence.
#ifndef UNWIND_TESTS_SUPPORT_AUDIT_H_
#define UNWIND_TESTS_SUPPORT_AUDIT_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/books.h"
#include "tests/support/cluster.h"

namespace unwind {

struct AuditRule {
  std::string name;
  std::vector<std::string> violations;  // empty: it holds
};

struct AuditReport {
  std::vector<AuditRule> rules;
  std::int64_t sagas = 0;  // that somebody called for; so the next two
  std::int64_t sagas_completed = 0;
  std::int64_t sagas_aborted = 0;
  std::int64_t followers = 0;
  std::int64_t orders_paid = 0;
  std::int64_t orders_failed = 0;
  std::int64_t orders_cancelled = 0;
  std::int64_t captured_minor = 0;
  std::int64_t refunded_minor = 0;

  bool holds() const;
};

// Where the databases are, each as --db takes it.
struct AuditBooks {
  std::string orders, stock, payments, ledger, sagas, coupons, wallets;
};

// Read-only, by the names of the fields of AuditBooks; `left_out` as by Books::Open.
absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const AuditBooks& books, const std::set<std::string>& left_out = {});
absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const Cluster& cluster, const std::set<std::string>& left_out = {});

// For a shop at rest: whatever is still under way is reported as a violation. `books` come from OpenBooks.
absl::StatusOr<AuditReport> Audit(Books& books);
absl::StatusOr<AuditReport> Audit(const AuditBooks& books);
// After AwaitSettled, whose failure the report has as a violation.
absl::StatusOr<AuditReport> Audit(const Cluster& cluster);

// OK once the gateway has said its last word of every payment and what it took late went back, which goes on for
// seconds after all sagas are over. It waits for nothing else: no saga leaves a payment or an attempt open.
absl::Status AwaitSettled(const Cluster& cluster, absl::Duration patience);

// One line a rule, and one a violation.
std::string ToText(const AuditReport& report);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_AUDIT_H_
