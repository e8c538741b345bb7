#include "common/rpc/server.h"

#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/metrics/registry.h"
#include "common/rpc/error.h"
#include "common/rpc/reflection.h"
#include "common/rpc/unary.h"
#include "google/protobuf/stubs/logging.h"
#include "google/rpc/error_details.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/server_interceptor.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0", "Address to serve gRPC on, host:port; port 0: any free one.");
ABSL_FLAG(
    std::string, port_file, "",
    "File to write the port that is served to, once it is (a second line has the metrics port, if there is one).");
ABSL_FLAG(std::string, metrics_listen, "", "Address to serve Prometheus metrics on, host:port; empty: not at all.");
ABSL_FLAG(absl::Duration, drain, absl::Seconds(10), "How long calls under way may go on after SIGTERM.");
ABSL_DECLARE_FLAG(std::uint32_t, message_max_bytes);
ABSL_FLAG(bool, reflection, true, "Whether to serve reflection, so that grpcurl needs no proto files.");

namespace unwind {
namespace {

// Of a message that is read at all: far above --message_max_bytes, so that our own check can answer with details what
// gRPC would refuse without.
constexpr std::uint32_t kTransportMaxBytes = 16 << 20;
constexpr int kMetadataMaxBytes = 16 << 10;
constexpr int kPingIntervalMinMs = 10000;
constexpr char kTransportDomain[] = "rpc.unwind";  // of errors that no service had a say in
constexpr absl::Duration kStopPoll = absl::Milliseconds(200);

// Sees every call of generated services: counts it, and calls bytes that are no request an invalid argument, where gRPC
// would say UNIMPLEMENTED, as if there were no such method. A generic handler does both by itself.
class UnaryInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit UnaryInterceptor(absl::string_view path) : counter_(path) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_MESSAGE))
      unreadable_ = methods->GetRecvMessage() == nullptr;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_STATUS)) {
      if (unreadable_) methods->ModifySendStatus(ToGrpc(Unreadable()));
      counter_.Finish(static_cast<absl::StatusCode>(methods->GetSendStatus().error_code()));
    }
    methods->Proceed();
  }

 private:
  static absl::Status Unreadable() {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "the bytes sent are not this method's request, or a string in it is not UTF-8",
                     {.reason = "INVALID_REQUEST", .domain = kTransportDomain, .metadata = {}});
  }

  CallCounter counter_;
  bool unreadable_ = false;
};

class UnaryInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    using Type = grpc::experimental::ServerRpcInfo::Type;
    const char* const method = info->method();
    const bool counted = info->type() == Type::UNARY && method != nullptr && method[0] == '/';
    return counted ? new UnaryInterceptor(method) : nullptr;
  }
};

// Protobuf complains of a peer's bytes, which are answered as they should be; it would do so on stderr, in plain text.
void LogForProtobuf(google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
  const Severity severity = level == google::protobuf::LOGLEVEL_FATAL ? Severity::kError : Severity::kDebug;
  Log(severity, message, {{"source", absl::StrCat("protobuf ", file, ":", line)}});
}

// gRPC itself would take a port modulo 65536.
bool HasPort(absl::string_view address) {
  const std::size_t colon = address.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 0 &&
         port <= 65535;
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(kTransportMaxBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataMaxBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // else a second process would share the port in silence
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPingIntervalMinMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

absl::StatusOr<std::unique_ptr<prometheus::Exposer>> StartMetrics(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& collectables) {
  const std::string address = absl::GetFlag(FLAGS_metrics_listen);
  if (address.empty()) return std::unique_ptr<prometheus::Exposer>();
  try {  // civetweb's wrapper throws
    auto exposer = std::make_unique<prometheus::Exposer>(address, 1);
    exposer->RegisterCollectable(ProcessRegistry());
    for (const auto& collectable : collectables) exposer->RegisterCollectable(collectable);  // kept weakly
    return exposer;
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", error.what(),
                                               "); give another address with --metrics_listen"));
  }
}

// Whole or not at all: a reader never sees half a number.
absl::Status WritePortFile(int port, const prometheus::Exposer* exposer) {
  const std::string path = absl::GetFlag(FLAGS_port_file);
  if (path.empty()) return absl::OkStatus();
  const std::string draft = absl::StrCat(path, ".new");
  {
    std::ofstream file(draft);
    file << port << "\n";
    if (exposer != nullptr) file << exposer->GetListeningPorts().front() << "\n";
    if (!file.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", draft, "; see --port_file"));
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot write ", path, "; see --port_file"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerSetup& setup) {
  if (const std::uint32_t most = absl::GetFlag(FLAGS_message_max_bytes); most > kTransportMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("--message_max_bytes=", most, " is too much; at most ",
                                                   kTransportMaxBytes, " bytes of a message are read"));
  }
  google::rpc::ErrorInfo::descriptor();  // linked in, so that reflection can describe error details and health
  grpc::health::v1::HealthCheckRequest::descriptor();
  google::protobuf::SetLogHandler(LogForProtobuf);
  // Debian builds Abseil with its search for deadlocks on, which gRPC's every lock then pays for, under one global
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::EnableDefaultHealthCheckService(true);
  auto server = std::unique_ptr<Server>(new Server);
  ReflectionSource source;
  source.pools.push_back(google::protobuf::DescriptorPool::generated_pool());
  source.pools.insert(source.pools.end(), setup.pools.begin(), setup.pools.end());
  grpc::ServerBuilder builder;
  for (const NamedService& named : setup.services) {
    builder.RegisterService(named.service);
    source.services.push_back(named.name);
  }
  source.services.insert(source.services.end(), setup.generic_services.begin(), setup.generic_services.end());
  const std::vector<std::string> served = source.services;
  if (setup.generic != nullptr) builder.RegisterCallbackGenericService(setup.generic);
  if (absl::GetFlag(FLAGS_reflection)) {
    source.services.insert(source.services.end(), {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                                   "grpc.reflection.v1alpha.ServerReflection"});
    server->reflection_ = NewReflectionServices(source);
    for (const auto& service : server->reflection_) builder.RegisterService(service.get());
  }
  SetLimits(builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<UnaryInterceptorFactory>());
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  const std::string address = absl::GetFlag(FLAGS_listen);
  if (!HasPort(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen=", address, " has no port from 0 to 65535; write it as in --listen=127.0.0.1:7000"));
  }
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &server->port_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ == 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", address, ": it is in use or not an address of this machine; give another with --listen"));
  }
  for (const std::string& name : served) server->server_->GetHealthCheckService()->SetServingStatus(name, true);
  server->metrics_ = setup.metrics;
  server->metrics_.push_back(std::make_shared<ProcessCollector>());
  ASSIGN_OR_RETURN(server->exposer_, StartMetrics(server->metrics_));
  RETURN_IF_ERROR(WritePortFile(server->port_, server->exposer_.get()));
  Log(Severity::kInfo, "serving", {{"port", absl::StrCat(server->port_)}, {"services", absl::StrJoin(served, " ")}});
  return server;
}

Server::~Server() { Drain(); }

void Server::WaitAndDrain(const std::function<bool()>& or_when, const std::function<void()>& before_drain) {
  while (!AwaitStopSignal(kStopPoll)) {
    if (or_when && or_when()) break;
  }
  Log(Severity::kInfo, "draining");
  if (before_drain) before_drain();
  Drain();
}

void Server::Drain() {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::GetFlag(FLAGS_drain)));
  server_->Wait();
  server_.reset();
}

}  // namespace unwind
