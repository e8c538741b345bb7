// The payment gateway as a port, and its gRPC implementation.
#ifndef UNWIND_PAYMENT_SVC_GATEWAY_CLIENT_H_
#define UNWIND_PAYMENT_SVC_GATEWAY_CLIENT_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/seldom.h"
#include "common/base/trace_context.h"
#include "common/metrics/client_metrics.h"
#include "common/rpc/renewed_channel.h"
#include "payment_svc/payment.h"
#include "pg/v1/payment_gateway.grpc.pb.h"

namespace unwind::payment {

// What a call to the gateway goes by.
struct GatewayCall {
  std::string key;  // idempotency key at the gateway
  TraceContext trace;
};

// Thread-safe. `done` is called exactly once, on any thread, also before the method returns.
class Gateway {
 public:
  using Done = std::function<void(GatewayAnswer)>;

  virtual ~Gateway() = default;
  virtual void Confirm(const GatewayCall& call, const Money& amount, Done done) = 0;
  // Pays back `amount_minor` of a capture; 0: all of it.
  virtual void Cancel(const GatewayCall& call, const std::string& transaction_id, std::int64_t amount_minor,
                      Done done) = 0;
  // Refuses the key for ever or says what it did. `captured`: of a refund, what it pays back, for if someone else did
  // that its key alone does not tell; of a charge, empty.
  virtual void Fence(const GatewayCall& call, const std::string& captured, Done done) = 0;
};

// What the gateway knows of a key, asked without changing anything. Thread-safe, and `done` as above.
class GatewayBooks {
 public:
  virtual ~GatewayBooks() = default;
  // Of a charge's key.
  virtual void Inquire(const GatewayCall& call, Gateway::Done done) = 0;
};

// The one way in which a key can have moved money: a charge's by KIND_CAPTURE, a refund's by KIND_REFUND.
struct AskedOf {
  std::string key;
  ::pg::v1::Transaction::Kind moves;
};

// What the gateway's answer to a Confirm, a Cancel, a Fence or a Get says of the key; `status` is the call's. The error
// of a decline is final, that of a fence does not say so.
GatewayAnswer ReadAnswer(const AskedOf& asked, const absl::Status& status, const ::pg::v1::Transaction& transaction);

class GrpcGateway final : public Gateway, public GatewayBooks {
 public:
  // The gateway at `target`. Every call ends within `timeout` and is counted by `metrics`, which must outlive it. A
  // warning, at most one in ten seconds, says what calls end with that the gateway gave no answer to.
  GrpcGateway(const std::string& target, absl::Duration timeout, ClientMetrics& metrics);
  ~GrpcGateway() override;  // as Stop

  void Confirm(const GatewayCall& call, const Money& amount, Done done) override;
  void Cancel(const GatewayCall& call, const std::string& transaction_id, std::int64_t amount_minor,
              Done done) override;
  void Fence(const GatewayCall& call, const std::string& captured, Done done) override;
  void Inquire(const GatewayCall& call, Done done) override;

  // Waits for the calls under way; later ones are answered UNKNOWN at once.
  void Stop();

 private:
  template <class Request, class Response>
  struct Sent;
  template <class Request, class Response, class Start>
  void Send(const char* method, const GatewayCall& call, ::pg::v1::Transaction::Kind moves, Request request, Done done,
            Start start);
  void Warn(const char* method, const absl::Status& status, const GatewayAnswer& answer);
  bool Begin();
  void End();

  RenewedChannel channel_;
  const absl::Duration timeout_;
  ClientMetrics& metrics_;
  Seldom warnings_{absl::Seconds(10)};
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t calls_ = 0;
  bool stopping_ = false;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_GATEWAY_CLIENT_H_
