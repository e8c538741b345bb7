// One program of the shop in this process: real gRPC over a Unix socket, a real database; it can be stopped and started
// again.
#ifndef UNWIND_TESTS_CONTRACT_SERVICE_HARNESS_H_
#define UNWIND_TESTS_CONTRACT_SERVICE_HARNESS_H_

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/participant/participant.h"
#include "common/participant/service_main.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"
#include "tests/support/test_gate.h"

namespace unwind {

using Metadata = std::map<std::string, std::string>;

// What the orchestrator sends with a step; `phase`: action, compensation or resolve.
inline Metadata SagaCall(const std::string& saga, const std::string& step, const std::string& phase,
                         const std::string& kind = "compensatable") {
  return {{"saga-id", saga},
          {"saga-step", step},
          {"saga-phase", phase},
          {"saga-kind", kind},
          {"saga-attempt", "1"},
          {"idempotency-key", saga + "/" + step + "/" + phase},
          {"saga-issued-at", std::to_string(absl::ToUnixMillis(absl::Now()))}};
}

inline Metadata Key(const std::string& key) { return {{"idempotency-key", key}}; }

// A finished call.
template <class Response>
struct Called {
  absl::Status status;
  Response response;
  bool effect_free = false;  // the trailer saga-outcome: refused
  std::string outcome_key;   // the trailer saga-outcome-key
  Metadata trailers;

  ErrorInfo info() const { return GetErrorInfo(status); }
  std::string reason() const { return info().reason; }
};

template <class Stub, class Request, class Response>
Called<Response> Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, const Metadata& metadata) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
  Called<Response> called;
  called.status = FromGrpc((stub.*method)(&context, request, &called.response));
  const auto& trailers = context.GetServerTrailingMetadata();
  for (const auto& [name, value] : trailers) {
    called.trailers[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
  }
  const auto outcome = trailers.find("saga-outcome");
  called.effect_free = outcome != trailers.end() && outcome->second == "refused";
  const auto key = trailers.find("saga-outcome-key");
  if (key != trailers.end()) called.outcome_key = std::string(key->second.data(), key->second.size());
  return called;
}

// The fields that the error's BadRequest names.
inline std::vector<std::string> BadFields(const absl::Status& status) {
  std::vector<std::string> fields;
  google::rpc::BadRequest bad;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) bad.ParseFromString(std::string(*payload));
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

// `stub` is of ProtoService, which is one of those that the parts serve.
template <class ProtoService>
class ServiceProcess {
 public:
  using Stub = typename ProtoService::Stub;
  using NewDomain = std::unique_ptr<StepDomain> (*)(const Clock&);
  using Parts = std::vector<std::pair<NewDomain, ServiceTable>>;

  ServiceProcess(const Migrations& migrations, Parts parts, bool enable_reset = true)
      : migrations_(migrations), parts_(std::move(parts)), enable_reset_(enable_reset) {
    Start();
  }
  ServiceProcess(const Migrations& migrations, NewDomain new_domain, ServiceTable table, bool enable_reset = true)
      : ServiceProcess(migrations, Parts{{new_domain, std::move(table)}}, enable_reset) {}
  ~ServiceProcess() { Stop(); }

  // From the next start on callers are told apart, by the policy in `yaml`.
  void Guard(const std::string& yaml) { gate_ = NewTestGate(yaml); }

  void Start() {
    std::unique_ptr<Connection> writer = Open();
    EXPECT_TRUE(Participant::Migrate(*writer).ok());
    const absl::Status migrated = Migrate(*writer, "service", migrations_);
    EXPECT_TRUE(migrated.ok()) << migrated;
    ParticipantOptions options;
    options.domain = parts_.front().second.error_domain;
    std::vector<ServicePart> parts;
    for (const auto& [new_domain, table] : parts_) parts.push_back({new_domain(clock_), table});
    serving_ = std::make_unique<ServingParticipant>(std::move(parts), options, Databases{std::move(writer), Open()},
                                                    clock_, enable_reset_);
    grpc::ServerBuilder builder;
    const std::string address = "unix:" + folder_.File("socket");
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    for (const NamedService& served : serving_->services()) builder.RegisterService(served.service);
    if (gate_ != nullptr) GuardBy(*gate_, builder);
    server_ = builder.BuildAndStart();
    channel_ = NewChannel(address);
    stub_ = ProtoService::NewStub(channel_);
  }

  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_.reset();
    serving_->Stop();
    serving_.reset();
  }

  Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // A connection of the test's own, to look at the rows.
  std::unique_ptr<Connection> Open() { return OpenTestDatabase(database()); }

  // The path whose test database it is.
  std::string database() const { return folder_.File("service.db"); }

 private:
  const TempDir folder_;
  const Migrations& migrations_;
  const Parts parts_;
  const bool enable_reset_;
  const SystemClock clock_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<ServingParticipant> serving_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_SERVICE_HARNESS_H_
