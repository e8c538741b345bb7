// Serves what a process measures to Prometheus, over HTTP at --metrics_listen. Not by prometheus-cpp's own server: that
// of Debian has no IPv6, takes 2 s to stop, and every client that says nothing holds one of its threads.
#ifndef UNWIND_COMMON_METRICS_METRICS_SERVER_H_
#define UNWIND_COMMON_METRICS_METRICS_SERVER_H_

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/file_descriptor.h"
#include "common/metrics/http_exchange.h"
#include "common/rpc/listener.h"
#include "prometheus/collectable.h"

namespace unwind {

// Two threads, whatever its clients do: one accepts, one serves all connections.
class MetricsServer {
 public:
  static constexpr std::size_t kConnectionsMax = 32;                // more are closed as they come
  static constexpr absl::Duration kExchangeMax = absl::Seconds(5);  // from a connection's start to its end

  // Listens and answers /metrics with the process's registry (common/metrics/registry.h); null if --metrics_listen is
  // empty. UNAVAILABLE: one sentence that names the flag.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(absl::Duration exchange_max = kExchangeMax);
  // Ends all connections at once.
  ~MetricsServer();

  int port() const { return listener_->port(); }

  // Scrapes `collectable` too, from now on. Thread-safe.
  void Add(std::shared_ptr<prometheus::Collectable> collectable);

 private:
  MetricsServer(std::unique_ptr<Listener> listener, absl::Duration exchange_max);
  void Wake() const;
  void Run();
  bool TakeAccepted(std::vector<HttpExchange>& exchanges);
  std::string Page() const;

  const std::unique_ptr<Listener> listener_;
  const absl::Duration exchange_max_;
  const FileDescriptor wake_;  // an eventfd, of the serving thread
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;  // guarded by mutex_
  std::vector<FileDescriptor> accepted_;                                // guarded by mutex_: not yet served
  bool stopping_ = false;                                               // guarded by mutex_
  std::thread thread_;                                                  // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_METRICS_SERVER_H_
