// A running shop whose processes serve metrics, and stories that make every one of these move.
#ifndef UNWIND_TESTS_E2E_METERED_SHOP_H_
#define UNWIND_TESTS_E2E_METERED_SHOP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/prometheus.h"
#include "tests/support/shop.h"

namespace unwind {

class MeteredShop {
 public:
  // With the project's definitions and tests/e2e/metrics/park.yaml, with TLS, and with spans that nobody takes. From
  // the project's root. `flags`: more of them, of the orchestrators.
  static absl::StatusOr<std::unique_ptr<MeteredShop>> Start(const std::string& bin_dir,
                                                            const std::vector<std::string>& flags = {});

  // Orders that are paid, cancelled, refused, sold out, declined and charged without an answer; one during which
  // stock_svc is killed; and a saga that parks.
  absl::Status PlayAll();

  // One that is paid.
  absl::Status Buy();
  // A saga that is parked at its step `finish`: its id.
  absl::StatusOr<std::string> Park();

  // A second orchestrator on the same database.
  absl::Status LaunchSecond();

  // For Prometheus: a job for each program, named after it.
  ScrapeJobs Jobs() const;

  Cluster& cluster() { return *cluster_; }
  Shop& shop() { return shop_; }

 private:
  explicit MeteredShop(std::unique_ptr<Cluster> cluster) : cluster_(std::move(cluster)), shop_(*cluster_) {}
  absl::Status BuyWhileStockDies();
  absl::Status ExpectReason(const grpc::Status& status, const std::string& reason) const;

  const std::unique_ptr<Cluster> cluster_;
  bool has_second_ = false;
  Shop shop_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_METERED_SHOP_H_
