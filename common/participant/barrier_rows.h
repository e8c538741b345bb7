// The table of the barrier: set-based, one statement a batch. Every function runs inside the caller's transaction and
// lets soci_error pass.
#ifndef UNWIND_COMMON_PARTICIPANT_BARRIER_ROWS_H_
#define UNWIND_COMMON_PARTICIPANT_BARRIER_ROWS_H_

#include <compare>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "absl/time/time.h"
#include "common/participant/barrier.h"
#include "soci/session.h"

namespace unwind::barrier {

struct RowKey {
  std::string key_scope;
  std::string saga_id;
  std::string step;
  Phase phase = Phase::kAction;

  auto operator<=>(const RowKey&) const = default;
};

// Sorted, so that two writers take their locks in one order.
using Rows = std::map<RowKey, Row>;
using Steps = std::set<std::tuple<std::string, std::string, std::string>>;  // (scope, saga, step)

// The rows of all phases of `steps`.
Rows LoadRows(soci::session& session, const Steps& steps);

// Inserts those that are not there yet and says how many that were.
std::size_t InsertRows(soci::session& session, const Rows& rows, absl::Time now);

// What a row becomes, and what it was when it was read: pending or settling.
struct SettledRow {
  Outcome from = Outcome::kPending;
  Row row;
};
using SettledRows = std::map<RowKey, SettledRow>;

// Overwrites those that still are what they were and says how many that were.
std::size_t SettleRows(soci::session& session, const SettledRows& rows, absl::Time now);

// Deletes at most `limit` settled rows that need not be kept at `now`, the oldest first, and says how many that were.
std::size_t PurgeRows(soci::session& session, absl::Time now, std::size_t limit);

}  // namespace unwind::barrier

#endif  // UNWIND_COMMON_PARTICIPANT_BARRIER_ROWS_H_
