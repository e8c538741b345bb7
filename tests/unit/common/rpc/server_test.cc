#include "common/rpc/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/file_descriptor.h"
#include "common/base/stop_signals.h"
#include "common/metrics/registry.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/support/poll.h"
#include "tests/unit/common/rpc/live_server.h"

ABSL_DECLARE_FLAG(bool, insecure);
ABSL_DECLARE_FLAG(int, connections_max);
ABSL_DECLARE_FLAG(int, streams_max);
ABSL_DECLARE_FLAG(absl::Duration, connection_idle_max);
ABSL_DECLARE_FLAG(absl::Duration, connection_age_max);
ABSL_DECLARE_FLAG(absl::Duration, drain);
ABSL_DECLARE_FLAG(absl::Duration, lame_duck);
ABSL_DECLARE_FLAG(std::string, health_listen);
ABSL_DECLARE_FLAG(std::string, listen);
ABSL_DECLARE_FLAG(std::string, port_file);
ABSL_DECLARE_FLAG(std::string, metrics_listen);

namespace unwind {
namespace {

namespace stock = ::shop::stock::v1;
using grpc::StatusCode;
using grpc::health::v1::HealthCheckResponse;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto kPatience = std::chrono::seconds(20);

struct Call {
  Call() { context.set_deadline(std::chrono::system_clock::now() + kPatience); }
  grpc::ClientContext context;
  stock::ReserveRequest request;
  stock::ReserveResponse response;
  std::promise<grpc::Status> ended;
};

stock::ReserveRequest GoodRequest() {
  stock::ReserveRequest request;
  request.set_reservation_id("r1");
  request.add_items()->set_product_id("p1");
  request.mutable_items(0)->set_quantity(1);
  return request;
}

absl::Status Reserve(const LiveServer& live, const stock::ReserveRequest& request) {
  Call call;
  return FromGrpc(stock::StockService::NewStub(live.channel())->Reserve(&call.context, request, &call.response));
}

// Sends `bytes` to `path`, whatever they are.
grpc::Status SendBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& path, const std::string& bytes,
                       std::string* reply) {
  Call call;
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::GenericStub stub(channel);
  stub.UnaryCall(&call.context, path, grpc::StubOptions(), &request, &response,
                 [&call](grpc::Status status) { call.ended.set_value(std::move(status)); });
  const grpc::Status status = call.ended.get_future().get();
  grpc::Slice whole;
  if (reply != nullptr && response.DumpToSingleSlice(&whole).ok()) {
    *reply = std::string(reinterpret_cast<const char*>(whole.begin()), whole.size());
  }
  return status;
}

grpc::Status SendBytes(const LiveServer& live, const std::string& path, const std::string& bytes,
                       std::string* reply = nullptr) {
  return SendBytes(live.channel(), path, bytes, reply);
}

ServerSetup Only(grpc::Service& service) {
  ServerSetup setup;
  setup.services = {{kStock, &service}};
  return setup;
}

// Keeps the calls it gets until they are released.
class HoldingStock final : public stock::StockService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context, const stock::ReserveRequest* request,
                                    stock::ReserveResponse* response) override {
    return Serve(context, request, response, "stock.shop.unwind", [this](Done done) {
      std::lock_guard lock(mutex_);
      held_.push_back(std::move(done));
    });
  }

  std::size_t held() {
    std::lock_guard lock(mutex_);
    return held_.size();
  }

  bool AwaitHeld(std::size_t calls) {
    const absl::Time end = absl::Now() + absl::FromChrono(kPatience);
    while (held() < calls && absl::Now() < end) std::this_thread::yield();
    return held() == calls;
  }

  void LetGo() {
    std::vector<Done> held;
    {
      std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (Done& done : held) std::move(done)(absl::OkStatus());
  }

 private:
  std::mutex mutex_;
  std::vector<Done> held_;
};

std::string Metrics() { return prometheus::TextSerializer().Serialize(ProcessRegistry()->Collect()); }

TEST(Server, ServesGeneratedServices) {
  LiveServer live;
  EXPECT_TRUE(Reserve(live, GoodRequest()).ok());
  stock::ReserveRequest refused = GoodRequest();
  refused.set_reservation_id("refused");
  const absl::Status status = Reserve(live, refused);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(status).reason, "STOCK_NOT_ENOUGH");
}

// As main and admin port say it, and nothing else.
TEST(Server, TheHealthPortHasHealthAlone) {
  const absl::FlagSaver saver;
  absl::SetFlag(&FLAGS_health_listen, "127.0.0.1:0");
  EchoStock stock_service;
  ServerSetup setup = Only(stock_service);
  setup.admin_services = setup.services;
  setup.admin_services.front().name = "admin.v1.Admin";
  const auto server = *Server::Start(setup);
  const auto channel = NewChannel(absl::StrCat("127.0.0.1:", server->health_port()));
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  const auto answer = [&](const std::string& service) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, request, &response);
    return status.ok() ? HealthCheckResponse::ServingStatus_Name(response.status()) : status.error_message();
  };
  for (const char* const service : {"", "readiness", kStock, "admin.v1.Admin"}) {
    EXPECT_EQ(answer(service), "SERVING") << service;
  }
  server->SetServing(false);
  EXPECT_EQ(answer(""), "SERVING");
  for (const char* const service : {"readiness", kStock, "admin.v1.Admin"}) {
    EXPECT_EQ(answer(service), "NOT_SERVING") << service;
  }
  for (const char* const method : {"/shop.stock.v1.StockService/Reserve", "/no.Such/Thing",
                                   "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_EQ(SendBytes(channel, method, "", nullptr).error_code(), StatusCode::UNIMPLEMENTED) << method;
  }
}

TEST(Server, GivesTheRestToTheGenericService) {
  LiveServer live;
  std::string reply;
  EXPECT_TRUE(SendBytes(live, "/depot.v1.DepotService/Store", "\x0a\x01x", &reply).ok());
  EXPECT_EQ(reply, "\x0a\x01x");
}

TEST(Server, RefusesBrokenRulesBeforeTheHandler) {
  LiveServer live;
  stock::ReserveRequest request = GoodRequest();
  request.mutable_items(0)->set_quantity(0);
  const absl::Status status = Reserve(live, request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "items[0].quantity: is 0; at least 1 is needed");
}

TEST(Server, ExplainsAMessageThatIsTooLarge) {
  LiveServer live;
  for (const std::size_t bytes : {std::size_t{300} << 10, std::size_t{1000} << 10}) {
    stock::ReserveRequest request = GoodRequest();
    request.set_reservation_id(std::string(bytes, 'x'));
    const absl::Status status = Reserve(live, request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "MESSAGE_TOO_LARGE");
    EXPECT_EQ(GetErrorInfo(status).domain, "stock.shop.unwind");
    EXPECT_EQ(GetErrorInfo(status).metadata.at("bytes_max"), "262144");
  }
}

TEST(Server, StopsAHugeMessageInTheTransport) {
  LiveServer live;
  stock::ReserveRequest request = GoodRequest();
  request.set_reservation_id(std::string(1 << 20, 'x'));
  EXPECT_EQ(Reserve(live, request).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Reserve(live, GoodRequest()).ok());
}

TEST(Server, TakesMetadataUpTo16KiB) {
  LiveServer live;
  Call call;
  call.context.AddMetadata("big", std::string(12 * 1024, 'x'));
  const auto stub = stock::StockService::NewStub(live.channel());
  EXPECT_TRUE(stub->Reserve(&call.context, GoodRequest(), &call.response).ok());
}

TEST(Server, ExplainsMetadataThatAreTooLargeAndSparesTheOthersOfTheConnection) {
  HoldingStock service;
  const auto server = *Server::Start(Only(service));
  const auto stub = stock::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", server->port())));
  Call neighbour;
  neighbour.request = GoodRequest();
  stub->async()->Reserve(&neighbour.context, &neighbour.request, &neighbour.response,
                         [&neighbour](grpc::Status status) { neighbour.ended.set_value(std::move(status)); });
  ASSERT_TRUE(service.AwaitHeld(1));
  for (const int kib : {17, 60}) {
    Call big;
    big.context.AddMetadata("big", std::string(static_cast<std::size_t>(kib) << 10, 'x'));
    const absl::Status status = FromGrpc(stub->Reserve(&big.context, GoodRequest(), &big.response));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_TOO_LARGE");
    EXPECT_EQ(GetErrorInfo(status).metadata.at("bytes_max"), "16384");
  }
  service.LetGo();
  EXPECT_TRUE(neighbour.ended.get_future().get().ok());
}

// Here gRPC 1.51 gives up the connection, but not the server.
TEST(Server, OutlivesMetadataThatTheTransportRefuses) {
  LiveServer live;
  Call call;
  call.context.AddMetadata("big", std::string(100 * 1024, 'x'));
  const grpc::Status status =
      stock::StockService::NewStub(live.channel())->Reserve(&call.context, GoodRequest(), &call.response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  Call other;
  const auto stub = stock::StockService::NewStub(NewChannel(live.target(), 1));
  EXPECT_TRUE(stub->Reserve(&other.context, GoodRequest(), &other.response).ok());
}

// 100 KiB of gzip would be 100 MiB in memory.
TEST(Server, RefusesCompressedMessagesUnread) {
  LiveServer live;
  stock::ReserveRequest request = GoodRequest();
  request.set_reservation_id(std::string(1 << 20, 'x'));
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    Call call;
    call.context.set_compression_algorithm(algorithm);
    const grpc::Status status =
        stock::StockService::NewStub(live.channel())->Reserve(&call.context, request, &call.response);
    EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("is disabled"));
  }
  EXPECT_TRUE(Reserve(live, GoodRequest()).ok());
}

// gRPC itself would say UNIMPLEMENTED, as if the method did not exist.
TEST(Server, CallsBytesThatAreNoRequestAnInvalidArgument) {
  LiveServer live;
  for (const char* const bytes : {"\xff\xff\xff", "\x0a\x02\xff\xff" /* not UTF-8 */}) {
    const absl::Status status = FromGrpc(SendBytes(live, "/shop.stock.v1.StockService/Reserve", bytes));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
  }
}

TEST(Server, SaysUnimplementedForMethodsWithoutAHandler) {
  LiveServer live;
  const absl::Status status = FromGrpc(SendBytes(live, "/shop.stock.v1.StockService/Release", ""));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "no method /shop.stock.v1.StockService/Release is served here");
}

TEST(Server, NamesAMethodThatNobodyServes) {
  EchoStock service;
  const auto server = *Server::Start(Only(service));
  Call call;
  const absl::Status status =
      FromGrpc(SendBytes(NewChannel(absl::StrCat("127.0.0.1:", server->port())), "/no.Such/Thing", "", nullptr));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "no method /no.Such/Thing is served here");
  EXPECT_EQ(GetErrorInfo(status).reason, "METHOD_UNKNOWN");
}

TEST(Server, CountsCallsByTheirCode) {
  LiveServer live;
  EXPECT_TRUE(Reserve(live, GoodRequest()).ok());
  EXPECT_FALSE(Reserve(live, stock::ReserveRequest()).ok());
  const std::string labels = R"(grpc_method="Reserve",grpc_service="shop.stock.v1.StockService",grpc_type="unary")";
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr(absl::StrCat("grpc_server_started_total{", labels, "} ")));
  EXPECT_THAT(metrics, HasSubstr(absl::StrCat("grpc_server_handling_seconds_count{", labels, "} ")));
  const std::string handled = R"(grpc_server_handled_total{grpc_code=")";
  EXPECT_THAT(metrics, AllOf(HasSubstr(absl::StrCat(handled, "OK\",", labels, "} ")),
                             HasSubstr(absl::StrCat(handled, "InvalidArgument\",", labels, "} "))));
  EXPECT_THAT(metrics, Not(HasSubstr("DepotService")));  // a generic handler counts its own calls
}

// SERVICE_UNKNOWN if the service is not known. On a connection of its own.
HealthCheckResponse::ServingStatus HealthOf(int port, const std::string& service) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(NewChannel(absl::StrCat("127.0.0.1:", port), 9));
  const grpc::Status status = stub->Check(&context, request, &response);
  EXPECT_TRUE(status.ok() || status.error_code() == StatusCode::NOT_FOUND) << status.error_message();
  return status.ok() ? response.status() : HealthCheckResponse::SERVICE_UNKNOWN;
}

TEST(Health, IsToldOfEachService) {
  LiveServer live;
  for (const char* const service : {"", kReadiness, kStock, kDepot}) {
    EXPECT_EQ(HealthOf(live.server().port(), service), HealthCheckResponse::SERVING) << service;
  }
  EXPECT_EQ(HealthOf(live.server().port(), "no.Such"), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST(Health, OfServicesWaitsUntilTheyAreReadyAndOfTheProcessDoesNot) {
  EchoStock service;
  const auto server = *Server::Listen({});
  ASSERT_TRUE(server->Serve(Only(service)).ok());
  EXPECT_EQ(HealthOf(server->port(), ""), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(server->port(), kReadiness), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(HealthOf(server->port(), kStock), HealthCheckResponse::NOT_SERVING);
  server->SetServing(true);
  EXPECT_EQ(HealthOf(server->port(), kReadiness), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(server->port(), kStock), HealthCheckResponse::SERVING);
  server->SetServing(false);
  EXPECT_EQ(HealthOf(server->port(), ""), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(server->port(), kStock), HealthCheckResponse::NOT_SERVING);
}

// A client that watches health, as gRPC's own load balancers do.
TEST(Health, ThatIsWatchedDoesNotHoldUpTheStop) {
  absl::SetFlag(&FLAGS_drain, absl::Hours(1));
  LiveServer live;
  grpc::ClientContext context;
  const auto stub = grpc::health::v1::Health::NewStub(live.channel());
  const auto watch = stub->Watch(&context, grpc::health::v1::HealthCheckRequest());
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  std::future<void> drained = std::async(std::launch::async, [&live] { live.server().Drain(); });
  EXPECT_EQ(drained.wait_for(kPatience), std::future_status::ready);
  if (drained.wait_for(std::chrono::seconds(0)) != std::future_status::ready) context.TryCancel();  // let it end
  while (watch->Read(&response)) continue;
  EXPECT_EQ(watch->Finish().error_code(), StatusCode::UNAVAILABLE);
  absl::SetFlag(&FLAGS_drain, absl::Seconds(10));
}

TEST(Server, ServesAdminServicesOnTheAdminPortOnly) {
  EchoStock service;
  ServerSetup setup;
  setup.admin_services = {{kStock, &service}};
  const auto server = *Server::Listen({}, "127.0.0.1:0");
  ASSERT_TRUE(server->Serve(setup).ok());
  const std::string path = "/shop.stock.v1.StockService/Reserve", bytes = GoodRequest().SerializeAsString();
  EXPECT_TRUE(SendBytes(NewChannel(absl::StrCat("127.0.0.1:", server->admin_port())), path, bytes, nullptr).ok());
  EXPECT_EQ(SendBytes(NewChannel(absl::StrCat("127.0.0.1:", server->port())), path, bytes, nullptr).error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(HealthOf(server->port(), kStock), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST(Server, TakesNoCallBeforeItServes) {
  EchoStock service;
  const auto server = *Server::Listen({});
  const auto channel = NewChannel(absl::StrCat("127.0.0.1:", server->port()));
  std::future<grpc::Status> early = std::async(std::launch::async, [&channel] {
    return SendBytes(channel, "/shop.stock.v1.StockService/Reserve", GoodRequest().SerializeAsString(), nullptr);
  });
  EXPECT_EQ(early.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  ASSERT_TRUE(server->Serve(Only(service)).ok());
  EXPECT_TRUE(early.get().ok());  // its connection waited
}

TEST(Server, SaysThatItsAddressIsInUse) {
  LiveServer live;
  absl::SetFlag(&FLAGS_listen, live.target());
  EchoStock other;
  const auto second = Server::Start(Only(other));
  absl::SetFlag(&FLAGS_listen, "127.0.0.1:0");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(), absl::StrCat("cannot listen on ", live.target(),
                                                    " (Address already in use); give another address with --listen"));
}

TEST(Server, SaysThatItsMetricsAddressIsInUse) {
  LiveServer live;
  absl::SetFlag(&FLAGS_metrics_listen, live.target());
  EchoStock other;
  const auto second = Server::Start(Only(other));
  absl::SetFlag(&FLAGS_metrics_listen, "");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(absl::StrCat("cannot serve metrics on ", live.target())), HasSubstr("--metrics_listen")));
}

TEST(Server, SaysThatItsPortFileCannotBeWritten) {
  absl::SetFlag(&FLAGS_port_file, "/no/such/folder/port");
  EchoStock service;
  const auto server = Server::Start(Only(service));
  absl::SetFlag(&FLAGS_port_file, "");
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()),
              AllOf(HasSubstr("/no/such/folder/port"), HasSubstr("--port_file")));
}

FileDescriptor ConnectTo(int port) {
  FileDescriptor connection(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return connection;
}

std::string Fetch(int port, const std::string& path) {
  const FileDescriptor connection = ConnectTo(port);
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
  EXPECT_EQ(write(connection.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char part[4096];
  for (ssize_t n; (n = read(connection.get(), part, sizeof(part))) > 0;)
    answer.append(part, static_cast<std::size_t>(n));
  return answer;
}

TEST(Server, WritesItsPortsAndServesMetrics) {
  const std::string path = testing::TempDir() + absl::StrCat("unwind-port-", getpid());
  absl::SetFlag(&FLAGS_port_file, path);
  absl::SetFlag(&FLAGS_metrics_listen, "127.0.0.1:0");
  LiveServer live;
  absl::SetFlag(&FLAGS_port_file, "");
  absl::SetFlag(&FLAGS_metrics_listen, "");
  EXPECT_TRUE(Reserve(live, GoodRequest()).ok());

  int port = 0;
  int metrics_port = 0;
  std::string name;
  std::ifstream(path) >> port >> name >> metrics_port;
  EXPECT_EQ(name, "metrics");
  std::remove(path.c_str());
  EXPECT_EQ(port, live.server().port());
  EXPECT_THAT(Fetch(metrics_port, "/metrics"),
              AllOf(HasSubstr("200 OK"), HasSubstr("process_resident_memory_bytes"), HasSubstr("build_info{version=\""),
                    HasSubstr("grpc_server_started_total{"), HasSubstr("\nserver_serving 1\n")));
  live.server().SetServing(false);
  EXPECT_THAT(Fetch(metrics_port, "/metrics"), HasSubstr("\nserver_serving 0\n"));
}

// It measures what may not live any longer.
TEST(Server, ScrapesNothingOnceItHasDrained) {
  class Nothing final : public prometheus::Collectable {
    std::vector<prometheus::MetricFamily> Collect() const override { return {}; }
  };
  EchoStock service;
  ServerSetup setup = Only(service);
  setup.metrics = {std::make_shared<Nothing>()};
  const std::weak_ptr<prometheus::Collectable> scraped = setup.metrics[0];
  absl::SetFlag(&FLAGS_metrics_listen, "127.0.0.1:0");
  const auto server = Server::Start(setup);
  absl::SetFlag(&FLAGS_metrics_listen, "");
  ASSERT_TRUE(server.ok()) << server.status();
  setup.metrics.clear();
  EXPECT_FALSE(scraped.expired());
  (*server)->Drain();
  EXPECT_TRUE(scraped.expired());
}

// A flag with another value while this lives.
template <class T>
class WithFlag {
 public:
  WithFlag(absl::Flag<T>& flag, const T& value) : flag_(flag), before_(absl::GetFlag(flag)) {
    absl::SetFlag(&flag, value);
  }
  ~WithFlag() { absl::SetFlag(&flag_, before_); }

 private:
  absl::Flag<T>& flag_;
  const T before_;
};

class HoldingServerTest : public testing::Test {
 protected:
  HoldingServerTest()
      : server_(*Server::Start(Only(service_))),
        stub_(stock::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", server_->port())))) {}
  ~HoldingServerTest() override { service_.LetGo(); }

  void Send(int calls) {
    for (int i = 0; i < calls; ++i) {
      calls_.push_back(std::make_unique<Call>());
      Call& call = *calls_.back();
      call.request = GoodRequest();
      stub_->async()->Reserve(&call.context, &call.request, &call.response,
                              [&call](grpc::Status status) { call.ended.set_value(std::move(status)); });
    }
  }

  void AwaitHeld(std::size_t calls) { ASSERT_TRUE(service_.AwaitHeld(calls)) << service_.held(); }

  const WithFlag<int> streams_{FLAGS_streams_max, 1000};
  HoldingStock service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<stock::StockService::Stub> stub_;
  std::vector<std::unique_ptr<Call>> calls_;
};

TEST_F(HoldingServerTest, HoldsAThousandCallsOfOneChannelAtOnce) {
  Send(1000);
  AwaitHeld(1000);
  service_.LetGo();
  for (const auto& call : calls_) EXPECT_TRUE(call->ended.get_future().get().ok());
}

TEST_F(HoldingServerTest, OutlivesACallerWhoLeaves) {
  Send(1);
  AwaitHeld(1);
  calls_[0]->context.TryCancel();
  EXPECT_EQ(calls_[0]->ended.get_future().get().error_code(), StatusCode::CANCELLED);
  service_.LetGo();  // the answer comes when nobody waits
  Send(1);
  AwaitHeld(1);
  service_.LetGo();
  EXPECT_TRUE(calls_[1]->ended.get_future().get().ok());
}

TEST_F(HoldingServerTest, LetsCallsUnderWayEndWhenItDrains) {
  Send(1);
  AwaitHeld(1);
  std::thread drain([this] { server_->Drain(); });
  std::future<grpc::Status> first = calls_[0]->ended.get_future();
  // New calls are turned away while the first is still under way.
  const absl::Time end = absl::Now() + absl::FromChrono(kPatience);
  StatusCode late = StatusCode::OK;
  while (late != StatusCode::UNAVAILABLE && absl::Now() < end) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
    stock::ReserveResponse response;
    late = stub_->Reserve(&context, GoodRequest(), &response).error_code();
  }
  EXPECT_EQ(late, StatusCode::UNAVAILABLE);
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  service_.LetGo();
  EXPECT_TRUE(first.get().ok());
  drain.join();
}

class LimitedServerTest : public testing::Test {
 protected:
  ~LimitedServerTest() override { service_.LetGo(); }

  void Start() {
    server_ = *Server::Start(Only(service_));
    channel_ = NewChannel(absl::StrCat("127.0.0.1:", server_->port()));
    stub_ = stock::StockService::NewStub(channel_);
  }

  void Send(Call& call) {
    call.request = GoodRequest();
    stub_->async()->Reserve(&call.context, &call.request, &call.response,
                            [&call](grpc::Status status) { call.ended.set_value(std::move(status)); });
  }

  // Whether the server asks the client to leave its connection.
  bool IsToldToLeave() {
    return Eventually(absl::FromChrono(kPatience), [this] { return channel_->GetState(false) == GRPC_CHANNEL_IDLE; });
  }

  HoldingStock service_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<stock::StockService::Stub> stub_;
};

TEST_F(LimitedServerTest, HoldsBackCallsOverTheNumberOfAConnection) {
  const WithFlag streams(FLAGS_streams_max, 2);
  Start();
  Call first, second, third;
  for (Call* const call : {&first, &second, &third}) Send(*call);
  ASSERT_TRUE(service_.AwaitHeld(2));
  EXPECT_EQ(HealthOf(server_->port(), ""), HealthCheckResponse::SERVING);  // time for a third to come
  EXPECT_EQ(service_.held(), 2U);
  service_.LetGo();
  EXPECT_TRUE(service_.AwaitHeld(1));
  service_.LetGo();
  for (Call* const call : {&first, &second, &third}) EXPECT_TRUE(call->ended.get_future().get().ok());
}

TEST_F(LimitedServerTest, RefusesConnectionsOverTheirNumber) {
  const WithFlag connections(FLAGS_connections_max, 1);
  Start();
  Call first;
  Send(first);
  ASSERT_TRUE(service_.AwaitHeld(1));
  Call second;
  const auto other = stock::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", server_->port()), 1));
  EXPECT_EQ(other->Reserve(&second.context, GoodRequest(), &second.response).error_code(), StatusCode::UNAVAILABLE);
  service_.LetGo();
  EXPECT_TRUE(first.ended.get_future().get().ok());
}

// Loopback is one host, and has all.
TEST_F(LimitedServerTest, OneHostHasHalfOfAPortThatOthersReach) {
  const WithFlag connections(FLAGS_connections_max, 2);
  const WithFlag insecure(FLAGS_insecure, true);
  for (const std::string address : {"127.0.0.1:0", "0.0.0.0:0"}) {
    const WithFlag listen(FLAGS_listen, address);
    server_ = *Server::Start(Only(service_));
    std::vector<StatusCode> codes;
    std::vector<std::shared_ptr<grpc::Channel>> open;  // so that each is another connection
    for (int i = 0; i < 2; ++i) {
      open.push_back(NewChannel(absl::StrCat("127.0.0.1:", server_->port()), i));
      codes.push_back(SendBytes(open.back(), "/no.Such/Thing", "", nullptr).error_code());
    }
    const bool is_shared = address == "0.0.0.0:0";
    EXPECT_THAT(codes, testing::ElementsAre(StatusCode::UNIMPLEMENTED,
                                            is_shared ? StatusCode::UNAVAILABLE : StatusCode::UNIMPLEMENTED));
  }
}

TEST_F(LimitedServerTest, ClosesAnIdleConnection) {
  const WithFlag idle(FLAGS_connection_idle_max, absl::Seconds(1));
  Start();
  Call call;
  Send(call);
  ASSERT_TRUE(service_.AwaitHeld(1));
  service_.LetGo();
  EXPECT_TRUE(call.ended.get_future().get().ok());
  EXPECT_TRUE(IsToldToLeave());
}

TEST_F(LimitedServerTest, ClosesAnOldConnectionOnceItsCallsHaveEnded) {
  const WithFlag age(FLAGS_connection_age_max, absl::Seconds(1));
  Start();
  Call call;
  Send(call);
  ASSERT_TRUE(service_.AwaitHeld(1));
  EXPECT_TRUE(IsToldToLeave());
  service_.LetGo();
  EXPECT_TRUE(call.ended.get_future().get().ok());
}

// Checks its call only when the call's deadline has passed, as a queue that is too long would.
class LateStock final : public stock::StockService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context, const stock::ReserveRequest* request,
                                    stock::ReserveResponse*) override {
    while (std::chrono::system_clock::now() < context->deadline()) std::this_thread::yield();
    checked.set_value(CheckCall(*context, *request, "stock.shop.unwind"));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::promise<absl::Status> checked;
};

TEST(CheckCall, RefusesACallWhoseDeadlineHasPassed) {
  LateStock service;
  const auto server = *Server::Start(Only(service));
  const auto stub = stock::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", server->port())));
  Call call;
  call.context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  stub->Reserve(&call.context, GoodRequest(), &call.response);  // ends with either side's word, whichever is faster
  const absl::Status status = service.checked.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetErrorInfo(status).reason, "DEADLINE_PASSED");
}

// Stops a server that has an hour to say goodbye, and ends it by a second signal. Exits with 0 if calls were taken in
// between, while health said that there should be none.
[[noreturn]] void StopTwice() {
  absl::SetFlag(&FLAGS_lame_duck, absl::Hours(1));
  HoldStopSignals();
  LiveServer live;
  std::future<bool> caller = std::async(std::launch::async, [&live] {
    kill(getpid(), SIGTERM);
    while (HealthOf(live.server().port(), "") == HealthCheckResponse::SERVING) std::this_thread::yield();
    const bool announced = HealthOf(live.server().port(), kReadiness) == HealthCheckResponse::NOT_SERVING;
    const bool served = Reserve(live, GoodRequest()).ok();
    kill(getpid(), SIGTERM);
    return announced && served;
  });
  live.server().WaitAndDrain();
  std::exit(caller.get() ? 0 : 2);
}

TEST(ServerDeathTest, GoesOnForAWhileAfterSigtermUntilASecondOne) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(StopTwice(), testing::ExitedWithCode(0), "stopping(.|\n)*draining");
}

// Tells the deadline of its call.
class TellingStock final : public stock::StockService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context, const stock::ReserveRequest*,
                                    stock::ReserveResponse*) override {
    deadline.set_value(DeadlineOf(*context));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::promise<absl::Time> deadline;
};

std::string Frame(char type, char flags, const std::string& payload, char stream) {
  const auto size = static_cast<char>(payload.size());
  return std::string({0, 0, size, type, flags, 0, 0, 0, stream}) + payload;
}

std::string Literal(const std::string& name, const std::string& value) {
  return std::string({0, static_cast<char>(name.size())}) + name + static_cast<char>(value.size()) + value;
}

// In raw HTTP/2, for no gRPC client of C++ sends more than 27,000 hours.
TEST(CheckCall, TakesADeadlineBeyondAllClocksForNone) {
  TellingStock service;
  const auto server = *Server::Start(Only(service));
  const std::string headers = Literal(":method", "POST") + Literal(":scheme", "http") +
                              Literal(":path", "/shop.stock.v1.StockService/Reserve") + Literal(":authority", "x") +
                              Literal("te", "trailers") + Literal("content-type", "application/grpc") +
                              Literal("grpc-timeout", "99999999H");
  const std::string call = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, "", 0) + Frame(1, 4, headers, 1) +
                           Frame(0, 1, std::string(5, '\0'), 1);
  const FileDescriptor socket = ConnectTo(server->port());
  ASSERT_EQ(write(socket.get(), call.data(), call.size()), static_cast<ssize_t>(call.size()));
  EXPECT_EQ(service.deadline.get_future().get(), absl::InfiniteFuture());
}

// A call that only `before_end` lets go is answered, late in the drain, and ends it.
[[noreturn]] void StopWithACallUnderWay() {
  HoldStopSignals();
  absl::SetFlag(&FLAGS_lame_duck, absl::ZeroDuration());
  absl::SetFlag(&FLAGS_drain, absl::Seconds(2));
  HoldingStock holding;
  const std::unique_ptr<Server> server = *Server::Start(Only(holding));
  Call call;
  call.request = GoodRequest();
  const auto stub = stock::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", server->port())));
  stub->async()->Reserve(&call.context, &call.request, &call.response,
                         [&call](grpc::Status status) { call.ended.set_value(std::move(status)); });
  const bool is_held = holding.AwaitHeld(1);
  kill(getpid(), SIGTERM);
  const absl::Time start = SteadyNow();
  absl::Time asked;
  server->WaitAndDrain(nullptr, nullptr, [&] {
    asked = SteadyNow();
    holding.LetGo();
  });
  const bool in_time = asked - start >= absl::Seconds(1) && asked - start < absl::Seconds(2);
  const bool is_answered = is_held && in_time && call.ended.get_future().get().ok();
  std::fputs(is_answered ? "answered in time" : "cut off", stderr);
  std::exit(0);
}

TEST(ServerDeathTest, CallersAreAnsweredBeforeTheDrainCutsThem) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(StopWithACallUnderWay(), testing::ExitedWithCode(0), "answered in time");
}

TEST(ServerDeathTest, EndsInPeaceOnSigterm) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process of its own, in which no thread takes the signal
  absl::SetFlag(&FLAGS_lame_duck, absl::ZeroDuration());
  EXPECT_EXIT(
      {
        HoldStopSignals();
        LiveServer live;
        kill(getpid(), SIGTERM);
        live.server().WaitAndDrain();
        std::exit(0);
      },
      testing::ExitedWithCode(0), "draining");
}

}  // namespace
}  // namespace unwind
