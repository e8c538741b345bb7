// The process's prometheus registry and what every process exports.
#ifndef UNWIND_COMMON_METRICS_REGISTRY_H_
#define UNWIND_COMMON_METRICS_REGISTRY_H_

#include <memory>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/registry.h"

namespace unwind {

// Lives as long as the process; thread-safe. Families are made once; keep references to series, looking one up takes a
// lock.
const std::shared_ptr<prometheus::Registry>& ProcessRegistry();

// What Prometheus' own client libraries export of their process, process_cpu_seconds_total and its like, read from
// /proc/self when it is scraped (prometheus-cpp has no process collector), and build_info.
class ProcessCollector final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_REGISTRY_H_
