// The webhooks that were taken, by event id. Every function runs inside the caller's transaction and lets soci_error
// pass.
#ifndef UNWIND_PAYMENT_SVC_INBOX_STORE_H_
#define UNWIND_PAYMENT_SVC_INBOX_STORE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "soci/session.h"

namespace unwind::payment {

struct InboxEvent {
  std::string event_id;
  std::string key;   // the gateway's
  std::string body;  // of one that is kept, for its key is not known yet; else empty
};

std::set<std::string> KnownEvents(soci::session& session, const std::vector<std::string>& event_ids);

// False: another process has taken one of them meanwhile; roll back.
bool InsertEvents(soci::session& session, const std::vector<InboxEvent>& events, absl::Time now);

// Up to `limit` kept ones whose key is known by now.
std::vector<InboxEvent> KeptEventsKnown(soci::session& session, int limit);

// They are kept no more.
void LetGoEvents(soci::session& session, const std::vector<std::string>& event_ids);

// Removes up to `limit` that came before `before`.
void PurgeEvents(soci::session& session, absl::Time before, int limit);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_INBOX_STORE_H_
