// Payments as a saga participant: the batch loads rows, payment.h decides, the gateway is asked between two
// transactions.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_

#include <any>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/participant/participant.h"
#include "payment_svc/gateway_client.h"
#include "soci/session.h"

namespace unwind::payment {

// Command::method. ResolveX takes X's request and answers X's response.
enum Method : int { kCharge, kResolveCharge, kRefund, kResolveRefund, kReset };

class PaymentDomain final : public Domain {
 public:
  // Both must outlive this; the gateway must have answered every call when this is destroyed.
  PaymentDomain(Gateway& gateway, const Clock& clock) : gateway_(gateway), clock_(clock) {}

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override;
  void Continue(const Command& command, std::function<void(std::any)> done) override;

 private:
  void RememberNever(const std::string& key);
  void CheckLateAnswer(const std::string& key, const GatewayAnswer& answer);

  Gateway& gateway_;
  const Clock& clock_;
  std::map<std::string, std::string> captures_;  // from Apply to Continue, by refund_id: what its Cancel pays back
  std::mutex mutex_;
  std::set<std::string> nevers_;  // guarded by mutex_: the gateway's keys that were lately resolved as never
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_DOMAIN_H_
