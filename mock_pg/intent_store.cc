#include "mock_pg/intent_store.h"

#include <utility>

#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind::pg {
namespace {

#define UNWIND_PG_INTENT                                                                                    \
  "idempotency_key, transaction_id, amount_minor, currency_code, request, create_time_us, decline_reason, " \
  "due_us, survives_fence, webhook_delay_us, webhook_lost, webhook_twice, webhook_forged, after_fence_us"

constexpr char kLoadIntents[] =
    "SELECT " UNWIND_PG_INTENT " FROM intents WHERE idempotency_key IN (SELECT r.value ->> 0 FROM ROWS(:keys) AS r)";

constexpr char kInsert[] =
    "INSERT INTO intents (" UNWIND_PG_INTENT
    ") SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), r.value ->> 3, r.value ->> 4,"
    " CAST(r.value ->> 5 AS BIGINT), r.value ->> 6, CAST(r.value ->> 7 AS BIGINT), CAST(r.value ->> 8 AS BIGINT),"
    " CAST(r.value ->> 9 AS BIGINT), CAST(r.value ->> 10 AS BIGINT), CAST(r.value ->> 11 AS BIGINT),"
    " CAST(r.value ->> 12 AS BIGINT), CAST(r.value ->> 13 AS BIGINT) FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO "
    "NOTHING RETURNING due_us";

constexpr char kDrop[] =
    "DELETE FROM intents WHERE idempotency_key IN (SELECT r.value ->> 0 FROM ROWS(:keys) AS r) RETURNING due_us";

constexpr char kSetDue[] =
    "UPDATE intents SET due_us = CAST(r.value ->> 1 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE idempotency_key = r.value ->> 0 RETURNING due_us";

constexpr char kTakeDue[] =
    "DELETE FROM intents WHERE idempotency_key IN"
    " (SELECT idempotency_key FROM intents WHERE due_us <= :now ORDER BY due_us LIMIT :limit)"
    " RETURNING " UNWIND_PG_INTENT;

constexpr char kNextDue[] = "SELECT due_us FROM intents ORDER BY due_us LIMIT 1";

// The rows of a statement whose results are UNWIND_PG_INTENT.
template <class... Uses>
std::vector<Intent> Read(soci::session& session, const char* sql, const Uses&... uses) {
  Intent intent;
  Entry& entry = intent.pending;
  entry.kind = Kind::kPending;
  entry.may_change = true;
  long long amount = 0, created = 0, due = 0, survives = 0, delay = 0, lost = 0, twice = 0, forged = 0, after_fence = 0;
  Statement statement(session, sql, uses..., soci::into(entry.idempotency_key), soci::into(entry.transaction_id),
                      soci::into(amount), soci::into(entry.currency_code), soci::into(entry.request),
                      soci::into(created), soci::into(intent.decline_reason), soci::into(due), soci::into(survives),
                      soci::into(delay), soci::into(lost), soci::into(twice), soci::into(forged),
                      soci::into(after_fence));
  statement.Execute();
  std::vector<Intent> intents;
  while (statement.Fetch()) {
    entry.amount_minor = amount;
    entry.create_time = absl::FromUnixMicros(created);
    intent.due = absl::FromUnixMicros(due);
    intent.survives_fence = survives != 0;
    intent.after_fence = absl::Microseconds(after_fence);
    intent.webhook = {absl::Microseconds(delay), lost != 0, twice != 0, forged != 0};
    intents.push_back(intent);
  }
  return intents;
}

}  // namespace

std::vector<Intent> LoadIntents(soci::session& session, const std::vector<std::string>& keys) {
  const std::string list = IdRows(keys);
  return Read(session, kLoadIntents, soci::use(list));
}

bool InsertIntents(soci::session& session, const std::vector<Intent>& intents) {
  RowList rows;
  for (const Intent& intent : intents) {
    const Entry& entry = intent.pending;
    const Webhook& webhook = intent.webhook;
    rows.Add(entry.idempotency_key, entry.transaction_id, entry.amount_minor, entry.currency_code, entry.request,
             absl::ToUnixMicros(entry.create_time), intent.decline_reason, absl::ToUnixMicros(intent.due),
             intent.survives_fence ? 1 : 0, absl::ToInt64Microseconds(webhook.delay), webhook.lost ? 1 : 0,
             webhook.twice ? 1 : 0, webhook.forged ? 1 : 0, absl::ToInt64Microseconds(intent.after_fence));
  }
  return InsertRows(session, kInsert, rows);
}

bool DropIntents(soci::session& session, const std::vector<std::string>& keys) {
  if (keys.empty()) return true;
  const std::string list = IdRows(keys);
  long long due = 0;
  return Statement(session, kDrop, soci::use(list), soci::into(due)).CountRows() == keys.size();
}

bool SetDue(soci::session& session, const std::map<std::string, absl::Time>& dues) {
  if (dues.empty()) return true;
  RowList rows;
  for (const auto& [key, due] : dues) rows.Add(key, absl::ToUnixMicros(due));
  const std::string param = rows.json();
  long long due = 0;
  return Statement(session, kSetDue, soci::use(param), soci::into(due)).CountRows() == dues.size();
}

std::vector<Intent> TakeDueIntents(soci::session& session, absl::Time now, int limit) {
  const long long now_us = absl::ToUnixMicros(now);
  return Read(session, kTakeDue, soci::use(now_us), soci::use(limit));
}

absl::Time NextDue(soci::session& session) {
  long long due = 0;
  Statement statement(session, kNextDue, soci::into(due));
  statement.Execute();
  return statement.Fetch() ? absl::FromUnixMicros(due) : absl::InfiniteFuture();
}

void ClearIntents(soci::session& session) { session << "DELETE FROM intents"; }

}  // namespace unwind::pg
