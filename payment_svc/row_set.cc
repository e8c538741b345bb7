#include "payment_svc/row_set.h"

#include <algorithm>
#include <utility>

#include "common/db/statement.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/payment_store.h"

namespace unwind::payment {
namespace {

// What is new in `rows`, and what has changed, since they were `loaded`.
template <class Row>
void Compare(const std::vector<Row>& rows, const std::vector<Row>& loaded, std::vector<Row>& created,
             std::vector<Row>& changed) {
  for (const Row& row : rows) {
    const auto is_same = [&](const Row& other) { return other.key == row.key; };
    const auto before = std::find_if(loaded.begin(), loaded.end(), is_same);
    if (before == loaded.end()) {
      created.push_back(row);
    } else if (row != *before) {
      changed.push_back(row);
    }
  }
}

}  // namespace

void RowSet::Want(const std::string& payment_id, Depth depth) {
  Depth& wanted = wanted_.try_emplace(payment_id, depth).first->second;
  wanted = std::max(wanted, depth);
}

void RowSet::Load() {
  std::vector<std::string> ids, whole;
  for (const auto& [id, depth] : wanted_) {
    ids.push_back(id);
    if (depth == Depth::kAll) whole.push_back(id);
    rows_.try_emplace(id);
  }
  for (auto& [id, payment] : LoadPayments(session_, ids, Purpose::kWrite)) rows_[id].payment = payment;
  for (Attempt& attempt : LoadAttempts(session_, whole, Purpose::kWrite)) {
    rows_[attempt.payment_id].attempts.push_back(std::move(attempt));
  }
  for (Return& due : LoadReturns(session_, whole)) rows_[due.payment_id].returns.push_back(std::move(due));
  loaded_ = rows_;
}

bool RowSet::Save() {
  std::vector<Payment> new_payments, payments;
  std::vector<Attempt> new_attempts, attempts;
  std::vector<Return> new_returns, returns;
  for (const auto& [id, rows] : rows_) {
    const PaymentRows& loaded = loaded_.at(id);
    if (rows.payment && rows.payment != loaded.payment) {
      (loaded.payment ? payments : new_payments).push_back(*rows.payment);
    }
    Compare(rows.attempts, loaded.attempts, new_attempts, attempts);
    Compare(rows.returns, loaded.returns, new_returns, returns);
  }
  UpdatePayments(session_, payments);
  UpdateAttempts(session_, attempts);
  UpdateReturns(session_, returns);
  loaded_ = rows_;
  return InsertPayments(session_, new_payments) && InsertAttempts(session_, new_attempts) &&
         InsertReturns(session_, new_returns);
}

void RowSet::Forget() {
  for (auto& [id, rows] : rows_) rows = {};
  loaded_ = rows_;
}

}  // namespace unwind::payment
