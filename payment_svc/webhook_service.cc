#include "payment_svc/webhook_service.h"

#include <string>
#include <utility>
#include <vector>

#include "payment_svc/payment_series.h"
#include "payment_svc/webhook_event.h"
#include "payment_svc/webhook_signature.h"

namespace unwind::payment {
namespace {

// The one value of the header; empty: there is none, or more.
std::string SignatureOf(const grpc::CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range(kSignatureHeader);
  if (first == last || std::next(first) != last) return "";
  return {first->second.data(), first->second.size()};
}

// The same for whatever is wrong, so that nothing can be learnt by trying.
absl::Status Forged() {
  return Error(absl::StatusCode::kUnauthenticated,
               "the metadata pg-signature does not prove that the event is the gateway's", "SIGNATURE_INVALID", {});
}

absl::Status Disabled() {
  return Error(absl::StatusCode::kFailedPrecondition, "no webhooks are taken here; give --webhook_secret_files",
               "WEBHOOKS_DISABLED", {});
}

}  // namespace

grpc::ServerUnaryReactor* WebhookService::Receive(grpc::CallbackServerContext* context,
                                                  const google::api::HttpBody* request,
                                                  ::shop::payment::v1::ReceiveResponse* response) {
  return Serve(context, request, response, kErrorDomain, [&](unwind::Done done) {
    const std::vector<std::string> secrets = secrets_.Get();
    if (secrets.empty()) return std::move(done)(Disabled());
    // Of what is too long to be an event the signature is not computed: anybody may send it.
    const bool fits = request->data().size() <= kEventBytesMax;
    if (fits && !IsSigned(SignatureOf(*context), request->data(), secrets, clock_.Now())) {
      PaymentSeries::Get().webhooks.at(WebhookResult::kForged)->Increment();
      return std::move(done)(Forged());
    }
    absl::StatusOr<WebhookEvent> event = ReadWebhookEvent(request->data());
    if (!event.ok()) {
      PaymentSeries::Get().webhooks.at(WebhookResult::kInvalid)->Increment();
      return std::move(done)(event.status());
    }
    settler_.Receive(*std::move(event), std::move(done));
  });
}

}  // namespace unwind::payment
