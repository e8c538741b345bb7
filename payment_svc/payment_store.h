// The rows of payments and refunds. Every function runs inside the caller's transaction and lets soci_error pass.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_STORE_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/db/statement.h"
#include "payment_svc/payment.h"
#include "soci/session.h"

namespace unwind::payment {

// Of a time in a row: microseconds, and 0 for none.
long long MicrosOf(const std::optional<absl::Time>& time);
std::optional<absl::Time> ReadTime(long long micros);

// By id. An id that was asked for and has no row is there without a value.
using Payments = std::map<std::string, std::optional<Payment>>;
using Refunds = std::map<std::string, std::optional<Refund>>;

Payments LoadPayments(soci::session& session, const std::vector<std::string>& payment_ids, Purpose purpose);
// After LoadPayments: the order in which rows are locked.
Refunds LoadRefunds(soci::session& session, const std::vector<std::string>& refund_ids, Purpose purpose);

// False: another process has inserted one of them meanwhile; roll back.
bool InsertPayments(soci::session& session, const std::vector<Payment>& payments);
bool InsertRefunds(soci::session& session, const std::vector<Refund>& refunds);

void UpdatePayments(soci::session& session, const std::vector<Payment>& payments);
void UpdateRefunds(soci::session& session, const std::vector<Refund>& refunds);

// Payments, refunds and returns that the gateway has not settled.
std::int64_t CountPending(soci::session& session);

// Removes all of them and says how many payments there were.
std::int64_t ClearPayments(soci::session& session);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_STORE_H_
