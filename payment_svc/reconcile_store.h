// What a comparison with the gateway's ledger reads and leaves. Every function runs inside the caller's transaction and
// lets soci_error pass.
#ifndef UNWIND_PAYMENT_SVC_RECONCILE_STORE_H_
#define UNWIND_PAYMENT_SVC_RECONCILE_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "payment_svc/reconcile.h"
#include "soci/session.h"

namespace unwind::payment {

struct Reconciliation {
  absl::Time end = absl::UnixEpoch();  // of the last one; 1970: there was none
  std::int64_t differences = 0;
};

Reconciliation LastReconciliation(soci::session& session);
void PutReconciliation(soci::session& session, const Reconciliation& reconciliation);

// All of the payments' books.
OwnBooks LoadOwnBooks(soci::session& session);

// Of all payments.
std::map<std::string, State> LoadPaymentStates(soci::session& session);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_RECONCILE_STORE_H_
