#include "mock_pg/webhook_sender.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/hmac.h"
#include "common/base/log.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/client_context.h"
#include "mock_pg/gateway_service.h"
#include "pg/v1/event.pb.h"

namespace unwind::pg {

// One event on its way to one receiver.
struct WebhookSender::Sending {
  std::string event_id;
  std::string body;
  bool forged = false;
  int tries = 0;
  std::function<void()> tried;

  ~Sending() { Tried(); }
  void Tried() {
    if (tried != nullptr) std::exchange(tried, nullptr)();
  }
};

struct WebhookSender::OneTry {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  google::api::HttpBody request;
  ::shop::payment::v1::ReceiveResponse response;
};

std::string SignWebhook(absl::string_view secret, absl::Time now, absl::string_view body) {
  const std::int64_t seconds = absl::ToUnixSeconds(now);
  return absl::StrCat("t=", seconds, ",v1=", HexHmacSha256(secret, absl::StrCat(seconds, ".", body)));
}

std::string EventOf(const Entry& end) {
  ::pg::v1::Event event;
  event.set_event_id(absl::StrCat("evt-", end.transaction_id));
  Write(end, *event.mutable_transaction());
  *event.mutable_create_time() = event.transaction().create_time();
  std::string body;
  CHECK(google::protobuf::util::MessageToJsonString(event, &body).ok());
  return body;
}

WebhookSender::WebhookSender(std::shared_ptr<grpc::Channel> channel, std::string secret, const Clock& clock,
                             absl::Duration timeout)
    : channel_(std::move(channel)),
      stub_(::shop::payment::v1::PaymentWebhookService::NewStub(channel_)),
      secret_(std::move(secret)),
      clock_(clock),
      timeout_(timeout) {}

WebhookSender::~WebhookSender() { Stop(); }

void WebhookSender::Send(const Entry& end, const Webhook& webhook, std::function<void()> tried) {
  for (int copy = 0; copy < (webhook.twice ? 2 : 1); ++copy) {
    auto sending = std::make_shared<Sending>();
    sending->event_id = absl::StrCat("evt-", end.transaction_id);
    sending->body = EventOf(end);
    sending->forged = webhook.forged;
    sending->tried = std::exchange(tried, nullptr);  // of the first copy
    TryIn(webhook.delay, std::move(sending));
  }
}

void WebhookSender::TryIn(absl::Duration delay, std::shared_ptr<Sending> sending) {
  const bool waits = delays_.Push(absl::ToChronoMilliseconds(delay), [this, sending] { Start(sending); });
  if (!waits) GiveUp(*sending, "too many wait, or this process stops");
}

void WebhookSender::Start(const std::shared_ptr<Sending>& sending) {
  {
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (under_way_ >= kUnderWayMax) {
      if (ready_.Push(sending, /*is_first=*/sending->tries == 0)) return;
      lock.unlock();
      return GiveUp(*sending, "too many wait");
    }
    ++under_way_;
  }
  Try(sending);
}

void WebhookSender::Try(const std::shared_ptr<Sending>& sending) {
  auto attempt = std::make_shared<OneTry>();
  attempt->context->set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  const std::string secret = sending->forged ? absl::StrCat("not ", secret_) : secret_;
  attempt->context->AddMetadata(kSignatureHeader, SignWebhook(secret, clock_.Now(), sending->body));
  attempt->request.set_content_type("application/json");
  attempt->request.set_data(sending->body);
  ++sending->tries;
  stub_->async()->Receive(attempt->context.get(), &attempt->request, &attempt->response,
                          [this, sending, attempt](const grpc::Status& status) {
                            sending->Tried();
                            if (!status.ok() && sending->tries < kTriesMax) {
                              TryIn(std::min(kFirstPause * (1 << (sending->tries - 1)), kPauseMax), sending);
                            } else if (!status.ok()) {
                              GiveUp(*sending, status.error_message());
                            }
                            // Before End, after which the channel may go: gRPC does not survive that its last holder
                            // lets go on gRPC's own thread.
                            attempt->context.reset();
                            End();
                          });
}

// Notifies under the lock: Stop may return, and this be destroyed, as soon as it is released.
void WebhookSender::End() {
  std::optional<std::shared_ptr<Sending>> next;
  {
    std::lock_guard lock(mutex_);
    next = ready_.Pop();
    if (!next) {
      if (--under_way_ == 0) idle_.notify_all();
      return;
    }
  }
  Try(*next);
}

void WebhookSender::GiveUp(const Sending& sending, absl::string_view why) {
  Log(Severity::kWarning, "a webhook was not taken and is given up", {{"event_id", sending.event_id}, {"error", why}});
}

void WebhookSender::Stop() {
  {
    // Ends without the lock: who waits for a first try is told that none will be made.
    TryQueue<std::shared_ptr<Sending>> given_up(kWaitingMax);
    std::lock_guard lock(mutex_);
    stopping_ = true;
    std::swap(given_up, ready_);
  }
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return under_way_ == 0; });
  }
  delays_.Stop();
}

}  // namespace unwind::pg
