// What a webhook says.
#ifndef UNWIND_PAYMENT_SVC_WEBHOOK_EVENT_H_
#define UNWIND_PAYMENT_SVC_WEBHOOK_EVENT_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "payment_svc/decision.h"

namespace unwind::payment {

inline constexpr std::size_t kEventBytesMax = 4096;

struct WebhookEvent {
  std::string event_id;
  std::string key;  // the gateway's
  GatewayAnswer word;
  std::string body;  // to be read again: without what is not known
};

// A pg.v1.Event as JSON; fields that are not known are left out. INVALID_ARGUMENT, EVENT_INVALID.
absl::StatusOr<WebhookEvent> ReadWebhookEvent(absl::string_view body);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_WEBHOOK_EVENT_H_
