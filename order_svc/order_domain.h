// Orders as a saga participant: a batch loads rows, order.h decides, each table is written once.
#ifndef UNWIND_ORDER_SVC_ORDER_DOMAIN_H_
#define UNWIND_ORDER_SVC_ORDER_DOMAIN_H_

#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/participant/participant.h"
#include "soci/session.h"

namespace unwind::order {

// Command::method.
enum Method : int { kCreate, kReject, kConfirm, kStartCancel, kUndoCancel, kFinishCancel, kSetPurchaseLimit, kReset };

class OrderDomain final : public Domain {
 public:
  // `clock` must outlive this.
  explicit OrderDomain(const Clock& clock) : clock_(clock) {}

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override;

 private:
  const Clock& clock_;
};

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_ORDER_DOMAIN_H_
