// One port of a server: it listens first and serves later, with the limits, health and reflection that every port has;
// or with health alone.
#ifndef UNWIND_COMMON_RPC_PORT_H_
#define UNWIND_COMMON_RPC_PORT_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/call_interceptor.h"
#include "common/rpc/gate.h"
#include "common/rpc/listener.h"
#include "common/rpc/unimplemented.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace unwind {

// A generated service and its full name (Service::service_full_name()).
struct NamedService {
  std::string name;
  grpc::Service* service;
};

// What a port serves; all of it must outlive the port.
struct PortServices {
  std::vector<NamedService> services;
  grpc::CallbackGenericService* generic = nullptr;             // gets every method that no service has
  std::vector<std::string> generic_services;                   // what it serves, for health and reflection
  std::vector<const google::protobuf::DescriptorPool*> pools;  // where those are described, if they are not compiled in
};

// The health service knows the process as "", which is SERVING from the first call on until the drain (liveness), and
// each service and kReadiness, which are as SetServing says.
inline constexpr char kReadiness[] = "readiness";

class Port {
 public:
  // `flag` names the flag that says `address`. UNAVAILABLE: one sentence that names it.
  static absl::StatusOr<std::unique_ptr<Port>> Listen(const std::string& address, absl::string_view flag);
  ~Port() { Drain(absl::ZeroDuration()); }

  int number() const { return listener_->port(); }
  bool is_loopback() const { return listener_->is_loopback(); }

  // What every port serves beside its services: health, and reflection if it is on.
  static std::vector<std::string> LibraryServices();

  // Answers calls, with at most `connections_max` connections open, of those that `gate` lets in; null: of everybody.
  // Health is NOT_SERVING. Call once.
  absl::Status Serve(const PortServices& services, std::size_t connections_max, Gate* gate);

  // Answers health alone, of `services`, in plaintext whatever the process's Transport is. Call instead of Serve.
  absl::Status ServeHealth(std::vector<std::string> services);

  // Health of every service, until Announce. Thread-safe.
  void SetServing(bool serving);

  // Health is NOT_SERVING for good, of the process too, while calls are still taken. Thread-safe.
  void Announce();

  // Takes no new calls and waits until those under way have ended; they are cancelled after `at_most`.
  // Idempotent.
  void Drain(absl::Duration at_most);

 private:
  Port() = default;
  absl::Status Start(grpc::ServerBuilder& builder, const std::shared_ptr<grpc::ServerCredentials>& credentials,
                     std::size_t connections_max, std::size_t of_one_host_max, Gate* gate);

  std::unique_ptr<Listener> listener_;
  std::vector<std::string> served_;
  std::mutex health_mutex_;
  bool announced_ = false;  // guarded by health_mutex_
  UnimplementedService unimplemented_;
  std::vector<std::unique_ptr<grpc::Service>> reflection_;
  EndlessStreams streams_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_PORT_H_
