// A running shop whose processes serve metrics, and stories that make every one of these move.
#ifndef UNWIND_TESTS_E2E_METERED_SHOP_H_
#define UNWIND_TESTS_E2E_METERED_SHOP_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/prometheus.h"
#include "tests/support/shop.h"

namespace unwind {

class MeteredShop {
 public:
  // With the project's definitions and tests/e2e/metrics, with TLS, and with spans that nobody takes. From
  // the project's root. `flags`: more of them, of the orchestrators.
  static absl::StatusOr<std::unique_ptr<MeteredShop>> Start(const std::string& bin_dir,
                                                            const std::vector<std::string>& flags = {});

  // Orders that are paid, cancelled, refused, sold out, declined and charged without an answer; one during which
  // stock_svc is killed; a saga that parks; a look at what a member has; and the payments compared with the gateway's.
  absl::Status PlayAll();

  // One that is paid.
  absl::Status Buy();
  // At a member's coupons and wallet.
  absl::Status Look();
  // payment_svc reconcile, which must find nothing that differs.
  absl::Status Reconcile();
  // A saga that is parked at its step `finish`: its id.
  absl::StatusOr<std::string> Park();

  // A second orchestrator on the same database.
  absl::Status LaunchSecond();

  // For Prometheus: a job for each program, named after it.
  ScrapeJobs Jobs() const;

  Cluster& cluster() { return *cluster_; }
  Shop& shop() { return shop_; }

 private:
  MeteredShop(std::unique_ptr<Cluster> cluster, std::string bin_dir)
      : cluster_(std::move(cluster)), bin_dir_(std::move(bin_dir)), shop_(*cluster_) {}
  absl::Status BuyWhileStockDies();
  absl::Status ExpectReason(const grpc::Status& status, const std::string& reason) const;

  const std::unique_ptr<Cluster> cluster_;
  const std::string bin_dir_;
  bool has_second_ = false;
  Shop shop_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_METERED_SHOP_H_
