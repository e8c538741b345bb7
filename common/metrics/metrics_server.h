// Serves what a process measures to Prometheus, over HTTP at --metrics_listen.
#ifndef UNWIND_COMMON_METRICS_METRICS_SERVER_H_
#define UNWIND_COMMON_METRICS_METRICS_SERVER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace unwind {

class MetricsServer {
 public:
  // Listens and answers /metrics with the process's registry (common/metrics/registry.h); null if --metrics_listen is
  // empty. UNAVAILABLE: one sentence that names the flag.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start();

  int port() const;

  // Scrapes `collectable` too, from now on.
  void Add(const std::shared_ptr<prometheus::Collectable>& collectable);

 private:
  explicit MetricsServer(std::unique_ptr<prometheus::Exposer> exposer);

  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;  // the exposer holds them weakly
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_METRICS_SERVER_H_
