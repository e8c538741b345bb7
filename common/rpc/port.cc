#include "common/rpc/port.h"

#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/metrics/registry.h"
#include "common/rpc/credentials.h"
#include "common/rpc/limits.h"
#include "common/rpc/reflection.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/health_check_service_interface.h"
#include "prometheus/gauge.h"

ABSL_FLAG(bool, reflection, true, "Whether to serve reflection, so that grpcurl needs no proto files.");

namespace unwind {
namespace {

constexpr int kProbeStreamsMax = 8;  // a probe makes one call
constexpr std::size_t kProbeConnectionsMax = 16;

prometheus::Gauge& ServingGauge() {
  static prometheus::Gauge& serving =
      prometheus::BuildGauge()
          .Name("server_serving")
          .Help("1 while callers should be sent here, as the health of `readiness` says.")
          .Register(*ProcessRegistry())
          .Add({});
  return serving;
}

// Linked in, so that reflection can describe them.
void LinkErrorDetailsAndHealth() {
  google::rpc::ErrorInfo::descriptor();
  grpc::health::v1::HealthCheckRequest::descriptor();
}

ReflectionSource SourceOf(const PortServices& services, std::vector<std::string> names) {
  ReflectionSource source;
  source.pools = {google::protobuf::DescriptorPool::generated_pool()};
  source.pools.insert(source.pools.end(), services.pools.begin(), services.pools.end());
  source.services = std::move(names);
  const std::vector<std::string> library = Port::LibraryServices();
  source.services.insert(source.services.end(), library.begin(), library.end());
  return source;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Port>> Port::Listen(const std::string& address, absl::string_view flag) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(address);
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address, " (", listener.status().message(),
                                               "); give another address with --", flag));
  }
  auto port = std::unique_ptr<Port>(new Port);
  port->listener_ = *std::move(listener);
  return port;
}

std::vector<std::string> Port::LibraryServices() {
  std::vector<std::string> names = {"grpc.health.v1.Health"};
  if (absl::GetFlag(FLAGS_reflection)) {
    names.insert(names.end(), {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"});
  }
  return names;
}

absl::Status Port::Serve(const PortServices& services, std::size_t connections_max, Gate* gate) {
  LinkErrorDetailsAndHealth();
  grpc::ServerBuilder builder;
  for (const NamedService& named : services.services) {
    builder.RegisterService(named.service);
    served_.push_back(named.name);
  }
  served_.insert(served_.end(), services.generic_services.begin(), services.generic_services.end());
  builder.RegisterCallbackGenericService(services.generic != nullptr ? services.generic : &unimplemented_);
  if (absl::GetFlag(FLAGS_reflection)) {
    reflection_ = NewReflectionServices(SourceOf(services, served_));
    for (const auto& service : reflection_) builder.RegisterService(service.get());
  }
  SetLimits(builder);
  // So that one host, such as one on which a caller went wrong, does not keep all others out. Loopback is one host.
  const std::size_t of_one_host_max = listener_->is_loopback() ? connections_max : (connections_max + 1) / 2;
  return Start(builder, ServerCredentials(), connections_max, of_one_host_max, gate);
}

absl::Status Port::ServeHealth(std::vector<std::string> services) {
  served_ = std::move(services);
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&unimplemented_);
  SetLimits(builder, kProbeStreamsMax);
  return Start(builder, PlaintextServerCredentials(), kProbeConnectionsMax, kProbeConnectionsMax, /*gate=*/nullptr);
}

absl::Status Port::Start(grpc::ServerBuilder& builder, const std::shared_ptr<grpc::ServerCredentials>& credentials,
                         std::size_t connections_max, std::size_t of_one_host_max, Gate* gate) {
  grpc::EnableDefaultHealthCheckService(true);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  if (gate != nullptr) interceptors.push_back(NewGateInterceptors(*gate));
  interceptors.push_back(NewCallInterceptors(streams_));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC did not start its server; its log says why");
  SetServing(false);
  listener_->Start(connections_max, of_one_host_max, [this](int connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.fd = connection;
    acceptor_->HandleNewConnection(&parameters);
  });
  return absl::OkStatus();
}

void Port::SetServing(bool serving) {
  std::lock_guard lock(health_mutex_);
  if (announced_) return;
  auto* const health = server_->GetHealthCheckService();
  for (const std::string& name : served_) health->SetServingStatus(name, serving);
  health->SetServingStatus(kReadiness, serving);
  ServingGauge().Set(serving ? 1 : 0);
}

void Port::Announce() {
  std::lock_guard lock(health_mutex_);
  announced_ = true;
  ServingGauge().Set(0);
  if (server_ != nullptr) server_->GetHealthCheckService()->SetServingStatus(false);
}

void Port::Drain(absl::Duration at_most) {
  listener_->Stop();
  if (server_ == nullptr) return;
  Announce();
  streams_.EndAll();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + at_most));
  server_->Wait();
  server_.reset();
}

}  // namespace unwind
