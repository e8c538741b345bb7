// mock_pg and payment_svc in this process, over real gRPC on Unix sockets and real databases; each can be stopped
// and started again.
#ifndef UNWIND_TESTS_CONTRACT_PAYMENT_HARNESS_H_
#define UNWIND_TESTS_CONTRACT_PAYMENT_HARNESS_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
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
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "mock_pg/gateway.h"
#include "mock_pg/gateway_service.h"
#include "mock_pg/webhook_sender.h"
#include "payment_svc/gateway_client.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"
#include "payment_svc/settler.h"
#include "payment_svc/webhook_secrets.h"
#include "payment_svc/webhook_service.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "tests/support/poll.h"
#include "tests/support/test_database.h"
#include "tests/support/test_gate.h"

extern const unwind::Migrations kLedgerMigrations;
extern const unwind::Migrations kPaymentMigrations;

namespace unwind {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "unwind-test-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Waits until `condition` holds; false after ten seconds.
inline bool Eventually(const std::function<bool()>& condition) { return Eventually(absl::Seconds(10), condition); }

// A finished call.
struct CallResult {
  absl::Status status;
  std::string response;      // its bytes
  bool effect_free = false;  // the trailer saga-outcome: refused
  bool pending = false;      // or: pending
  std::string reason() const { return GetErrorInfo(status).reason; }
  std::string metadata(const std::string& name) const {
    const std::map<std::string, std::string> all = GetErrorInfo(status).metadata;
    return all.count(name) > 0 ? all.at(name) : "";
  }
};

using Metadata = std::map<std::string, std::string>;

template <class Stub, class Request, class Response>
CallResult Invoke(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response, const Metadata& metadata = {},
                  absl::Duration timeout = absl::Seconds(10)) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
  CallResult result;
  result.status = FromGrpc((stub.*method)(&context, request, response));
  result.response = response->SerializeAsString();
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto outcome = trailers.find("saga-outcome");
  result.effect_free = outcome != trailers.end() && outcome->second == "refused";
  result.pending = outcome != trailers.end() && outcome->second == "pending";
  return result;
}

inline std::unique_ptr<grpc::Server> Listen(const std::string& address, const std::vector<grpc::Service*>& services,
                                            Gate* gate = nullptr) {
  grpc::ServerBuilder builder;
  if (gate != nullptr) GuardBy(*gate, builder);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  return builder.BuildAndStart();
}

// The time, and what a test adds to it; or a second that a test holds it at.
class ShiftedClock final : public Clock {
 public:
  absl::Time Now() const override {
    const std::int64_t held = held_at_s_;
    return held != 0 ? absl::FromUnixSeconds(held) : absl::Now() + absl::Seconds(shift_s_.load());
  }
  void Advance(int seconds) { shift_s_ += seconds; }
  void Hold() { held_at_s_ = absl::ToUnixSeconds(Now()); }

 private:
  std::atomic<int> shift_s_ = 0;
  std::atomic<std::int64_t> held_at_s_ = 0;  // 0: it goes on
};

class PgProcess {
 public:
  using Stub = ::pg::v1::PaymentGateway::Stub;

  explicit PgProcess(const ScratchFolder& folder, pg::Scenario scenario = {})
      : path_(folder.File("pg.db")), address_("unix:" + folder.File("pg.sock")), scenario_(scenario) {
    Start();
  }
  ~PgProcess() { Stop(); }

  // From the next start on it sends webhooks there.
  void TellTo(const std::string& address, const std::string& secret) {
    webhook_address_ = address;
    webhook_secret_ = secret;
  }

  void Start() {
    std::unique_ptr<Connection> writer = OpenTestDatabase(path_);
    EXPECT_TRUE(Migrate(*writer, "mock_pg", kLedgerMigrations).ok());
    pg::Gateway::Options options;
    options.scenario = scenario_;
    options.crash = [this] { ++crashes_; };
    if (!webhook_address_.empty()) {
      sender_ = std::make_unique<pg::WebhookSender>(NewChannel(webhook_address_), webhook_secret_, clock_);
      options.tell = std::bind_front(&pg::WebhookSender::Send, sender_.get());
    }
    gateway_ = std::make_unique<pg::Gateway>(std::move(writer), OpenTestDatabase(path_), clock_, std::move(options));
    service_ = std::make_unique<pg::GatewayService>(*gateway_);
    control_ = std::make_unique<pg::ControlService>(*gateway_);
    server_ = Listen(address_, {service_.get(), control_.get()});
    channel_ = NewChannel(address_);
    stub_ = ::pg::v1::PaymentGateway::NewStub(channel_);
    control_stub_ = ::pg::v1::MockControl::NewStub(channel_);
  }

  void Stop() {
    if (server_ == nullptr) return;
    service_->Close();
    if (sender_ != nullptr) sender_->Stop();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_.reset();
    gateway_->Stop();
    service_.reset();
    control_.reset();
    gateway_.reset();
    sender_.reset();
  }

  const std::string& address() const { return address_; }
  pg::Gateway& gateway() { return *gateway_; }
  pg::GatewayService& service() { return *service_; }
  int crashes() const { return crashes_; }
  ShiftedClock& clock() { return clock_; }
  Stub& stub() { return *stub_; }
  ::pg::v1::MockControl::Stub& control() { return *control_stub_; }

  CallResult Confirm(const std::string& key, std::int64_t amount = 1000, const std::string& currency = "KRW",
                     absl::Duration timeout = absl::Seconds(10)) {
    ::pg::v1::ConfirmRequest request;
    request.set_idempotency_key(key);
    request.set_amount_minor(amount);
    request.set_currency_code(currency);
    ::pg::v1::ConfirmResponse response;
    return Invoke(*stub_, &Stub::Confirm, request, &response, {}, timeout);
  }
  // Empty where the call failed.
  ::pg::v1::ProcessResponse Process(const std::string& order_id, std::int64_t amount, CallResult* result = nullptr) {
    ::pg::v1::ProcessRequest request;
    request.set_order_id(order_id);
    request.set_amount(amount);
    ::pg::v1::ProcessResponse response;
    const CallResult ended = Invoke(*stub_, &Stub::Process, request, &response);
    if (result != nullptr) *result = ended;
    return response;
  }
  CallResult Cancel(const std::string& key, const std::string& transaction_id, std::int64_t amount = 0) {
    ::pg::v1::CancelRequest request;
    request.set_idempotency_key(key);
    request.set_transaction_id(transaction_id);
    request.set_amount_minor(amount);
    ::pg::v1::CancelResponse response;
    return Invoke(*stub_, &Stub::Cancel, request, &response);
  }
  CallResult Fence(const std::string& key, absl::Duration timeout = absl::Seconds(10)) {
    ::pg::v1::FenceRequest request;
    request.set_idempotency_key(key);
    ::pg::v1::FenceResponse response;
    return Invoke(*stub_, &Stub::Fence, request, &response, {}, timeout);
  }
  absl::StatusOr<::pg::v1::Transaction> Get(const std::string& key) {
    ::pg::v1::GetRequest request;
    request.set_idempotency_key(key);
    ::pg::v1::GetResponse response;
    const CallResult result = Invoke(*stub_, &Stub::Get, request, &response);
    if (!result.status.ok()) return result.status;
    return response.transaction();
  }
  std::vector<::pg::v1::Transaction> List(int page_size = 0) {
    std::vector<::pg::v1::Transaction> all;
    ::pg::v1::ListTransactionsRequest request;
    request.set_page_size(page_size);
    do {
      ::pg::v1::ListTransactionsResponse response;
      EXPECT_TRUE(Invoke(*stub_, &Stub::ListTransactions, request, &response).status.ok());
      all.insert(all.end(), response.transactions().begin(), response.transactions().end());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return all;
  }
  // Captures less refunds, of every currency together.
  std::int64_t Balance() {
    std::int64_t balance = 0;
    for (const ::pg::v1::Transaction& transaction : List()) {
      if (transaction.kind() == ::pg::v1::Transaction::KIND_CAPTURE) balance += transaction.amount_minor();
      if (transaction.kind() == ::pg::v1::Transaction::KIND_REFUND) balance -= transaction.amount_minor();
    }
    return balance;
  }
  int Count(::pg::v1::Transaction::Kind kind) {
    int count = 0;
    for (const ::pg::v1::Transaction& transaction : List()) count += transaction.kind() == kind ? 1 : 0;
    return count;
  }

 private:
  const std::string path_;
  const std::string address_;
  const pg::Scenario scenario_;
  std::string webhook_address_, webhook_secret_;
  ShiftedClock clock_;
  std::atomic<int> crashes_ = 0;
  std::unique_ptr<pg::WebhookSender> sender_;
  std::unique_ptr<pg::Gateway> gateway_;
  std::unique_ptr<pg::GatewayService> service_;
  std::unique_ptr<pg::ControlService> control_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<::pg::v1::MockControl::Stub> control_stub_;
};

inline constexpr char kWebhookSecret[] = "a secret of the shop and the gateway";

class PaymentProcess {
 public:
  using Stub = ::shop::payment::v1::PaymentService::Stub;
  using WebhookStub = ::shop::payment::v1::PaymentWebhookService::Stub;

  PaymentProcess(const ScratchFolder& folder, std::string pg_address, bool enable_reset = true)
      : path_(folder.File("payment.db")),
        address_("unix:" + folder.File("payment.sock")),
        secret_file_(folder.File("webhook.secret")),
        pg_address_(std::move(pg_address)),
        enable_reset_(enable_reset) {
    WriteSecret(kWebhookSecret);
    Start();
  }
  ~PaymentProcess() { Stop(); }

  void WriteSecret(const std::string& secret) { std::ofstream(secret_file_) << secret; }

  // What is told of payments that are settled, from the next start on.
  void OnSettled(payment::Settled settled) { settled_ = std::move(settled); }

  // Between two sweeps, from the next start on.
  void SweepEvery(absl::Duration pause) { sweep_pause_ = pause; }

  // From the next start on callers are told apart, by the policy in `yaml`.
  void Guard(const std::string& yaml) { gate_ = NewTestGate(yaml); }

  void Start() {
    std::unique_ptr<Connection> writer = OpenTestDatabase(path_);
    EXPECT_TRUE(Participant::Migrate(*writer).ok());
    EXPECT_TRUE(Migrate(*writer, "payment", kPaymentMigrations).ok());
    gateway_ = std::make_unique<payment::GrpcGateway>(pg_address_, absl::Seconds(1), metrics_);
    const ServiceTable table = payment::PaymentTable();
    ParticipantOptions options;
    options.domain = table.error_domain;
    options.never_cause = table.never_cause;
    const payment::Settled settled = [this](const std::string& owner) {
      if (settled_) settled_(owner);
    };
    settler_ = std::make_unique<payment::Settler>(OpenTestDatabase(path_), *gateway_, *gateway_, clock_, settled,
                                                  sweep_pause_);
    auto domain =
        payment::NewPaymentDomain(*gateway_, clock_, std::bind_front(&payment::Settler::Hear, settler_.get()), settled);
    serving_ = std::make_unique<ServingParticipant>(std::move(domain), table, options,
                                                    Databases{std::move(writer), OpenTestDatabase(path_)}, clock_,
                                                    enable_reset_);
    auto secrets = payment::WebhookSecrets::Open(secret_file_, absl::Milliseconds(50));
    ASSERT_TRUE(secrets.ok()) << secrets.status();
    secrets_ = *std::move(secrets);
    webhooks_ = std::make_unique<payment::WebhookService>(*secrets_, *settler_, clock_);
    server_ = Listen(address_, {serving_->services().front().service, webhooks_.get()}, gate_.get());
    const std::shared_ptr<grpc::Channel> channel = NewChannel(address_);
    stub_ = ::shop::payment::v1::PaymentService::NewStub(channel);
    webhook_stub_ = ::shop::payment::v1::PaymentWebhookService::NewStub(channel);
  }

  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_.reset();
    gateway_->Stop();
    serving_->Stop();
    settler_->Stop();
    serving_.reset();
    webhooks_.reset();
    secrets_.reset();
    settler_.reset();
    gateway_.reset();
  }

  Stub& stub() { return *stub_; }
  WebhookStub& webhook_stub() { return *webhook_stub_; }
  ShiftedClock& clock() { return clock_; }
  payment::Settler& settler() { return *settler_; }
  const std::string& address() const { return address_; }
  // A connection of the test's own, to look at the rows.
  std::unique_ptr<Connection> Open() { return OpenTestDatabase(path_); }

 private:
  const std::string path_;
  const std::string address_;
  const std::string secret_file_;
  const std::string pg_address_;
  const bool enable_reset_;
  payment::Settled settled_;
  absl::Duration sweep_pause_ = absl::Milliseconds(20);
  ShiftedClock clock_;
  prometheus::Registry registry_;
  ClientMetrics metrics_{registry_};
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<payment::GrpcGateway> gateway_;
  std::unique_ptr<payment::Settler> settler_;
  std::unique_ptr<payment::WebhookSecrets> secrets_;
  std::unique_ptr<payment::WebhookService> webhooks_;
  std::unique_ptr<ServingParticipant> serving_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<WebhookStub> webhook_stub_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_PAYMENT_HARNESS_H_
