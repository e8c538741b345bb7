// Sends the ends of what was pending to the shop, signed: see pg/v1/event.proto. What waits here is in memory alone: a
// webhook that the process's end takes is one that is lost.
#ifndef UNWIND_MOCK_PG_WEBHOOK_SENDER_H_
#define UNWIND_MOCK_PG_WEBHOOK_SENDER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "grpcpp/channel.h"
#include "mock_pg/delay_queue.h"
#include "mock_pg/ledger.h"
#include "mock_pg/try_queue.h"
#include "shop/payment/v1/payment_webhook_service.grpc.pb.h"

namespace unwind::pg {

inline constexpr char kSignatureHeader[] = "pg-signature";

// The value of the header.
std::string SignWebhook(absl::string_view secret, absl::Time now, absl::string_view body);

// The body.
std::string EventOf(const Entry& end);

// Thread-safe.
class WebhookSender {
 public:
  static constexpr int kTriesMax = 10;
  static constexpr absl::Duration kFirstPause = absl::Milliseconds(100);  // doubles
  static constexpr absl::Duration kPauseMax = absl::Seconds(5);
  static constexpr absl::Duration kTimeout = absl::Seconds(1);
  static constexpr std::size_t kWaitingMax = 20000;  // for their time, and so many for their turn; more are given up
  static constexpr std::size_t kUnderWayMax = 256;   // tries; more wait, so that their time does not pass in a queue

  // `clock` must outlive this. `timeout`: of one try.
  WebhookSender(std::shared_ptr<grpc::Channel> channel, std::string secret, const Clock& clock,
                absl::Duration timeout = kTimeout);
  ~WebhookSender();

  // Sends it until it is taken or kTriesMax are over. `tried` is called once: when the first try has ended, or none
  // will be made.
  void Send(const Entry& end, const Webhook& webhook, std::function<void()> tried);

  // Gives up what waits; returns when no try is under way. Idempotent.
  void Stop();

 private:
  struct Sending;
  struct OneTry;

  void TryIn(absl::Duration delay, std::shared_ptr<Sending> sending);
  void Start(const std::shared_ptr<Sending>& sending);
  void Try(const std::shared_ptr<Sending>& sending);
  void End();
  static void GiveUp(const Sending& sending, absl::string_view why);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<::shop::payment::v1::PaymentWebhookService::Stub> stub_;
  const std::string secret_;
  const Clock& clock_;
  const absl::Duration timeout_;
  std::mutex mutex_;
  std::condition_variable idle_;
  // Guarded by mutex_, as the next two; none unless kUnderWayMax are.
  TryQueue<std::shared_ptr<Sending>> ready_{kWaitingMax};
  std::size_t under_way_ = 0;
  bool stopping_ = false;
  DelayQueue delays_{kWaitingMax};  // last: its closures use what is above
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_WEBHOOK_SENDER_H_
