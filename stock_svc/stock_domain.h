// Stock as a saga participant: a batch loads rows, stock.h decides, each table is written once. So a thousand buyers of
// one item cost one update of its row per batch.
#ifndef UNWIND_STOCK_SVC_STOCK_DOMAIN_H_
#define UNWIND_STOCK_SVC_STOCK_DOMAIN_H_

#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/participant/participant.h"
#include "shop/stock/v1/stock_service.pb.h"
#include "soci/session.h"
#include "stock_svc/stock.h"

namespace unwind::stock {

// Command::method.
enum Method : int { kReserve, kRelease, kConfirm, kReturnSold, kRestock, kReset };

class StockDomain final : public Domain {
 public:
  // `clock` must outlive this.
  explicit StockDomain(const Clock& clock) : clock_(clock) {}

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override;

 private:
  const Clock& clock_;
};

// A product as the API shows it.
void Write(const Product& from, ::shop::stock::v1::Product& to);

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_DOMAIN_H_
