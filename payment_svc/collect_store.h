// The rows of attempts and of money that goes back. Every function runs inside the caller's transaction, after the
// payments were loaded (the order in which rows are locked), and lets soci_error pass.
#ifndef UNWIND_PAYMENT_SVC_COLLECT_STORE_H_
#define UNWIND_PAYMENT_SVC_COLLECT_STORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/db/statement.h"
#include "payment_svc/collect.h"
#include "soci/session.h"

namespace unwind::payment {

// Of these payments, each payment's by number.
std::vector<Attempt> LoadAttempts(soci::session& session, const std::vector<std::string>& payment_ids, Purpose purpose);
std::vector<Return> LoadReturns(soci::session& session, const std::vector<std::string>& payment_ids);

// False: another process has inserted one of them meanwhile; roll back. Of a payment update first: only one attempt is
// open.
bool InsertAttempts(soci::session& session, const std::vector<Attempt>& attempts);
void UpdateAttempts(soci::session& session, const std::vector<Attempt>& attempts);
bool InsertReturns(soci::session& session, const std::vector<Return>& returns);
void UpdateReturns(soci::session& session, const std::vector<Return>& returns);

// The gateway's keys by which these transactions were taken, by transaction.
std::map<std::string, std::string> KeysOf(soci::session& session, const std::vector<std::string>& transactions);

// Up to `limit` keys of Charges and attempts to ask the gateway about at `now`. Until then + a pause that
// grows with the age of what is asked about, nobody else is told so.
std::vector<std::string> TakeInquiries(soci::session& session, absl::Time now, int limit);
// The same of returns.
std::vector<Return> TakeReturns(soci::session& session, absl::Time now, int limit);

// Payments that are neither made nor over.
std::int64_t CountOpenPayments(soci::session& session);

std::int64_t CountReturnsDue(soci::session& session);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_COLLECT_STORE_H_
