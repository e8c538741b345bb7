#include "orchestrator/store/instance_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "soci/soci.h"

namespace unwind {
namespace {

using soci::into;
using soci::use;

#define SQLITE_NOW "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000000"
#define POSTGRES_NOW "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint) * 1000"

#define ACQUIRE(now)                                                                       \
  "INSERT INTO instance (id, address, epoch, lease_until) VALUES (:id, :address, 1, " now  \
  " + CAST(:length AS bigint)) ON CONFLICT (id) DO UPDATE SET address = excluded.address," \
  " epoch = instance.epoch + 1, lease_until = excluded.lease_until RETURNING epoch"
#define RENEW(now)                         \
  "UPDATE instance SET lease_until = " now \
  " + CAST(:length AS bigint)"             \
  " WHERE id = :id AND epoch = :epoch"

constexpr char kAcquire[] = ACQUIRE(SQLITE_NOW);
constexpr char kAcquireOnPostgres[] = ACQUIRE(POSTGRES_NOW);
constexpr char kRenew[] = RENEW(SQLITE_NOW);
constexpr char kRenewOnPostgres[] = RENEW(POSTGRES_NOW);
constexpr char kRelease[] = "UPDATE instance SET lease_until = 0 WHERE id = :id AND epoch = :epoch";
// What writes sagas holds FOR KEY SHARE on this row: against a new epoch, not against a renewal.
constexpr char kHold[] = "SELECT epoch FROM instance WHERE id = :id AND epoch = :epoch FOR KEY SHARE";
constexpr char kAwaitWriters[] = "SELECT epoch FROM instance WHERE id = :id FOR UPDATE";

constexpr absl::Duration kLeaseMax = absl::Hours(24 * 365);

long long LeaseNanos(absl::Duration length) { return absl::ToInt64Nanoseconds(std::min(length, kLeaseMax)); }

}  // namespace

const char* NowIn(Dialect dialect) { return dialect == Dialect::kPostgres ? POSTGRES_NOW : SQLITE_NOW; }

absl::Status LeaseIsOver(const Lease& lease) {
  return absl::AbortedError(absl::StrCat("epoch ", lease.epoch, " of instance ", lease.instance, " is over"));
}

absl::Status HoldLease(soci::session& sql, const Lease& lease) {
  const long long epoch = lease.epoch;
  long long held = 0;
  return RunOnce(sql, kHold, use(lease.instance), use(epoch), into(held)) ? absl::OkStatus() : LeaseIsOver(lease);
}

absl::StatusOr<Lease> AcquireLease(Connection& connection, const std::string& instance, const std::string& address,
                                   absl::Duration length) {
  const long long nanos = LeaseNanos(length);
  long long epoch = 0;
  RETURN_IF_ERROR(RetryOnConflict([&] {
    return connection.Write([&](soci::session& sql) {
      const bool postgres = DialectOf(sql) == Dialect::kPostgres;
      if (postgres) RunOnce(sql, kAwaitWriters, use(instance), into(epoch));
      RunOnce(sql, postgres ? kAcquireOnPostgres : kAcquire, use(instance), use(address), use(nanos), into(epoch));
      return absl::OkStatus();
    });
  }));
  return Lease{.instance = instance, .epoch = epoch};
}

absl::StatusOr<std::optional<LeaseHolder>> FindHolder(Connection& connection, const std::string& instance) {
  std::optional<LeaseHolder> found;
  RETURN_IF_ERROR(connection.ReadOnce([&](soci::session& sql) {
    const std::string query = absl::StrCat("SELECT address, CASE WHEN lease_until > ", NowIn(DialectOf(sql)),
                                           " THEN 1 ELSE 0 END FROM instance WHERE id = :id");
    LeaseHolder holder;
    int is_current = 0;
    if (RunOnce(sql, query, use(instance), into(holder.address), into(is_current))) {
      holder.is_current = is_current != 0;
      found = std::move(holder);
    }
    return absl::OkStatus();
  }));
  return found;
}

absl::Status RenewLease(Connection& connection, const Lease& lease, absl::Duration length) {
  const long long epoch = lease.epoch;
  const long long nanos = LeaseNanos(length);
  return connection.WriteOnce([&](soci::session& sql) {
    const char* const renew = DialectOf(sql) == Dialect::kPostgres ? kRenewOnPostgres : kRenew;
    return Statement(sql, renew, use(nanos), use(lease.instance), use(epoch)).CountChanges() == 1 ? absl::OkStatus()
                                                                                                  : LeaseIsOver(lease);
  });
}

absl::Status ReleaseLease(Connection& connection, const Lease& lease) {
  const long long epoch = lease.epoch;
  return connection.WriteOnce([&](soci::session& sql) {
    Statement(sql, kRelease, use(lease.instance), use(epoch)).CountChanges();
    return absl::OkStatus();
  });
}

}  // namespace unwind
