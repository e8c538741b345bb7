#include "payment_svc/webhook_event.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "payment_svc/gateway_client.h"
#include "pg/v1/event.pb.h"

namespace unwind::payment {
namespace {

constexpr std::size_t kIdBytesMax = 200;  // of an event and of a key

absl::Status Invalid(absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, absl::StrCat("the body is no event of the gateway: ", what),
               "EVENT_INVALID", {});
}

bool IsId(const std::string& id) {
  return !id.empty() && id.size() <= kIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

absl::StatusOr<WebhookEvent> ReadWebhookEvent(absl::string_view body) {
  if (body.size() > kEventBytesMax) return Invalid(absl::StrCat("it has more than ", kEventBytesMax, " bytes"));
  ::pg::v1::Event read;
  google::protobuf::util::JsonParseOptions leniently;
  leniently.ignore_unknown_fields = true;
  const std::string text(body);
  if (!google::protobuf::util::JsonStringToMessage(text, &read, leniently).ok()) return Invalid("it is not its JSON");
  WebhookEvent event{.event_id = read.event_id(), .key = read.transaction().idempotency_key(), .word = {}, .body = ""};
  if (!IsId(event.event_id))
    return Invalid(absl::StrCat("eventId must be 1 to ", kIdBytesMax, " printable characters"));
  if (!IsId(event.key)) {
    return Invalid(absl::StrCat("transaction.idempotencyKey must be 1 to ", kIdBytesMax, " printable characters"));
  }
  event.word = ReadAnswer({event.key, ::pg::v1::Transaction::KIND_CAPTURE}, absl::OkStatus(), read.transaction());
  if (!google::protobuf::util::MessageToJsonString(read, &event.body).ok()) return Invalid("it is not its JSON");
  return event;
}

}  // namespace unwind::payment
