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

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds and process_start_time_seconds, read from
// /proc/self when they are scraped (prometheus-cpp has no process collector), and build_info.
class ProcessCollector final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_REGISTRY_H_
