#include "payment_svc/inbox_store.h"

#include "common/db/row_list.h"
#include "common/db/statement.h"
#include "soci/soci.h"

namespace unwind::payment {
namespace {

constexpr char kKnown[] =
    "SELECT event_id FROM webhook_events WHERE event_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

constexpr char kInsert[] =
    "INSERT INTO webhook_events (event_id, gateway_key, body, receive_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, CAST(r.value ->> 3 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING receive_time_us";

constexpr char kKeptKnown[] =
    "SELECT event_id, gateway_key, body FROM webhook_events e WHERE body <> ''"
    " AND (EXISTS (SELECT 1 FROM attempts a WHERE a.gateway_key = e.gateway_key)"
    " OR EXISTS (SELECT 1 FROM payments p WHERE p.wait_until_us = 0 AND e.gateway_key LIKE 'charge-%'"
    " AND p.payment_id = substr(e.gateway_key, 8)))"
    " ORDER BY receive_time_us LIMIT :limit";

constexpr char kLetGo[] =
    "UPDATE webhook_events SET body = '' WHERE event_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r)";

constexpr char kPurge[] =
    "DELETE FROM webhook_events WHERE event_id IN"
    " (SELECT event_id FROM webhook_events WHERE receive_time_us < :before ORDER BY receive_time_us LIMIT :limit)";

}  // namespace

std::set<std::string> KnownEvents(soci::session& session, const std::vector<std::string>& event_ids) {
  std::set<std::string> known;
  if (event_ids.empty()) return known;
  const std::string ids = IdRows(event_ids);
  std::string id;
  Statement select(session, kKnown, soci::use(ids), soci::into(id));
  select.Execute();
  while (select.Fetch()) known.insert(id);
  return known;
}

bool InsertEvents(soci::session& session, const std::vector<InboxEvent>& events, absl::Time now) {
  RowList rows;
  for (const InboxEvent& event : events) rows.Add(event.event_id, event.key, event.body, absl::ToUnixMicros(now));
  return InsertRows(session, kInsert, rows);
}

std::vector<InboxEvent> KeptEventsKnown(soci::session& session, int limit) {
  InboxEvent event;
  Statement select(session, kKeptKnown, soci::use(limit), soci::into(event.event_id), soci::into(event.key),
                   soci::into(event.body));
  select.Execute();
  std::vector<InboxEvent> events;
  while (select.Fetch()) events.push_back(event);
  return events;
}

void LetGoEvents(soci::session& session, const std::vector<std::string>& event_ids) {
  if (event_ids.empty()) return;
  const std::string ids = IdRows(event_ids);
  RunOnce(session, kLetGo, soci::use(ids));
}

void PurgeEvents(soci::session& session, absl::Time before, int limit) {
  const long long before_us = absl::ToUnixMicros(before);
  RunOnce(session, kPurge, soci::use(before_us), soci::use(limit));
}

}  // namespace unwind::payment
