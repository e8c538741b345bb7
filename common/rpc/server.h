// One server bootstrap for every process: limits, health, reflection, metrics, and a graceful end.
#ifndef UNWIND_COMMON_RPC_SERVER_H_
#define UNWIND_COMMON_RPC_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace unwind {

// A generated service and its full name (Service::service_full_name()).
struct NamedService {
  std::string name;
  grpc::Service* service;
};

struct ServerSetup {
  std::vector<NamedService> services;
  grpc::CallbackGenericService* generic = nullptr;             // gets every method that no service has
  std::vector<std::string> generic_services;                   // what it serves, for health and reflection
  std::vector<const google::protobuf::DescriptorPool*> pools;  // where those are described, if they are not compiled in
  std::vector<std::shared_ptr<prometheus::Collectable>> metrics;  // scraped besides the process's registry
};

class Server {
 public:
  // Listens on --listen and serves; everything in `setup` must outlive the server. An address in use or a port file
  // that cannot be written: one sentence that names the flag.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerSetup& setup);
  ~Server();

  int port() const { return port_; }

  // Waits for a stop signal (common/base/stop_signals.h), or until `or_when` says true (asked every 200 ms); then calls
  // `before_drain`, health says NOT_SERVING, new calls are turned away, calls under way have --drain to end. Returns
  // when none is left.
  void WaitAndDrain(const std::function<bool()>& or_when = nullptr,
                    const std::function<void()>& before_drain = nullptr);

  // The drain without the wait.
  void Drain();

 private:
  Server() = default;

  std::vector<std::unique_ptr<grpc::Service>> reflection_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::vector<std::shared_ptr<prometheus::Collectable>> metrics_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_SERVER_H_
