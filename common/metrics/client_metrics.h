// The go-grpc-prometheus metrics of outgoing calls.
#ifndef UNWIND_COMMON_METRICS_CLIENT_METRICS_H_
#define UNWIND_COMMON_METRICS_CLIENT_METRICS_H_

#include <array>
#include <map>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "common/metrics/code_names.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace unwind {

// Thread-safe. Methods come from definitions or from code, so there are few of them.
class ClientMetrics {
 public:
  // Of one method. Its references stay valid as long as the registry.
  struct Series {
    prometheus::Counter* started;
    prometheus::Histogram* seconds;
    std::array<prometheus::Counter*, kCodeNames.size()> handled;  // by google.rpc.Code

    void Finish(int code, absl::Duration elapsed) const;
  };

  // `registry` must outlive it.
  explicit ClientMetrics(prometheus::Registry& registry);

  // Of "/package.Service/Method", made when first asked for.
  const Series& Of(const std::string& method);

 private:
  Series Make(const std::string& method);

  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  std::mutex mutex_;
  std::map<std::string, Series> series_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_CLIENT_METRICS_H_
