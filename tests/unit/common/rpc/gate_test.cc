// A policy at the gate of a real port; callers say in metadata who they are, for there is no TLS here.
#include "common/rpc/gate.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/metrics/registry.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/policy_file.h"
#include "common/rpc/port.h"
#include "common/rpc/unary.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/support/test_gate.h"
#include "tests/unit/common/rpc/live_server.h"

namespace unwind {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kReserve[] = "/shop.stock.v1.StockService/Reserve";
constexpr char kRules[] = R"(rules:
  - {callers: [orchestrator], methods: [shop.stock.v1.StockService/Reserve], saga_metadata: allowed}
  - {callers: [gateway], methods: [shop.stock.v1.StockService/Reserve], member: allowed}
  - {callers: [gateway], methods: [shop.stock.v1.StockService/GetProduct]}
  - callers: []
    methods: [shop.stock.v1.StockService/Release, shop.stock.v1.StockService/Confirm,
              shop.stock.v1.StockService/ReturnSold, shop.stock.v1.StockService/ListProducts,
              shop.stock.v1.StockService/Restock, shop.stock.v1.StockService/ResetStock]
  - callers: [prober]
    methods: [grpc.health.v1.Health/*, grpc.reflection.v1.ServerReflection/*, grpc.reflection.v1alpha.ServerReflection/*]
)";

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What a caller learns.
struct Answer {
  absl::Status status;
  std::string bytes;

  std::string told() const {
    return status.ok() ? "OK" : absl::StrCat(absl::StatusCodeToString(status.code()), " ", GetErrorInfo(status).reason);
  }
};

// Answers with whom it was called by, and on whose behalf.
class TellingStock final : public shop::stock::v1::StockService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context,
                                    const shop::stock::v1::ReserveRequest* request,
                                    shop::stock::v1::ReserveResponse* response) override {
    return Serve(
        context, request, response, "stock.shop.unwind",
        [this, context, response](Done done) {
          ++done_;
          const Principal& principal = AdmissionOf(*context).principal;
          response->set_reservation_id(absl::StrCat(principal.member, "@", principal.service));
          std::move(done)(absl::OkStatus());
        },
        FieldRules::kIgnore);
  }

  int done() const { return done_; }

 private:
  std::atomic<int> done_ = 0;
};

class GateTest : public testing::Test {
 protected:
  GateTest() {
    PortServices services;
    services.services = {{kStock, &stock_}};
    ServedNames served{.services = Port::LibraryServices(), .pools = {}};
    served.services.emplace_back(kStock);
    gate_ = NewTestGate(kRules, served);
    port_ = *Port::Listen("127.0.0.1:0", "listen");
    CHECK(port_->Serve(services, 10, gate_.get()).ok());
    channel_ = NewChannel(absl::StrCat("127.0.0.1:", port_->number()));
  }

  static void Prepare(grpc::ClientContext& context, const std::string& identity, const Pairs& metadata = {}) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!identity.empty()) context.AddMetadata(kTestIdentity, identity);
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
  }

  Answer Call(const std::string& path, const std::string& identity, const Pairs& metadata = {},
              const std::string& bytes = "") {
    grpc::ClientContext context;
    Prepare(context, identity, metadata);
    const grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1), response;
    std::promise<grpc::Status> ended;
    grpc::GenericStub(channel_).UnaryCall(&context, path, grpc::StubOptions(), &request, &response,
                                          [&ended](grpc::Status status) { ended.set_value(std::move(status)); });
    Answer answer{FromGrpc(ended.get_future().get()), ""};
    grpc::Slice whole;
    if (answer.status.ok() && response.DumpToSingleSlice(&whole).ok()) {
      answer.bytes = std::string(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    return answer;
  }

  TellingStock stock_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Port> port_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GateTest, AHandlerLearnsWhoCallsAndOnWhoseBehalf) {
  const Answer answer = Call(kReserve, "gateway", {{"x-member-id", "mina"}});
  ASSERT_EQ(answer.told(), "OK");
  shop::stock::v1::ReserveResponse response;
  ASSERT_TRUE(response.ParseFromString(answer.bytes));
  EXPECT_EQ(response.reservation_id(), "mina@gateway");
}

TEST_F(GateTest, WhoMayNotCallIsToldSoBeforeAnythingIsDone) {
  EXPECT_EQ(Call(kReserve, "").told(), "UNAUTHENTICATED CALLER_UNKNOWN");
  EXPECT_EQ(Call(kReserve, "stranger").told(), "PERMISSION_DENIED CALLER_NOT_ALLOWED");
  EXPECT_EQ(Call(kReserve, "orchestrator", {{"x-member-id", "mina"}}).told(), "PERMISSION_DENIED CALLER_NOT_ALLOWED");
  EXPECT_EQ(Call(kReserve, "gateway", {{"saga-id", "s1"}}).told(), "PERMISSION_DENIED CALLER_NOT_ALLOWED");
  EXPECT_EQ(stock_.done(), 0);
  EXPECT_EQ(Call(kReserve, "orchestrator", {{"saga-id", "s1"}}).told(), "OK");
  EXPECT_EQ(stock_.done(), 1);
}

TEST_F(GateTest, ItIsToldBeforeWhatIsWrongWithTheCall) {
  EXPECT_EQ(Call(kReserve, "stranger", {}, "no request").told(), "PERMISSION_DENIED CALLER_NOT_ALLOWED");
  EXPECT_EQ(Call(kReserve, "gateway", {}, "no request").told(), "INVALID_ARGUMENT INVALID_REQUEST");
  EXPECT_EQ(Call("/shop.stock.v1.StockService/GetProduct", "stranger").told(), "PERMISSION_DENIED CALLER_NOT_ALLOWED");
  EXPECT_EQ(Call("/shop.stock.v1.StockService/GetProduct", "gateway").told(), "UNIMPLEMENTED METHOD_UNKNOWN");
}

TEST_F(GateTest, AMethodThatIsNotServedIsUnknownToThoseWhoAreKnown) {
  EXPECT_EQ(Call("/no.such.Service/Method", "").told(), "UNAUTHENTICATED CALLER_UNKNOWN");
  EXPECT_EQ(Call("/no.such.Service/Method", "gateway").told(), "UNIMPLEMENTED METHOD_UNKNOWN");
}

TEST_F(GateTest, HealthAndReflectionAreGuardedTheSameWay) {
  using grpc::health::v1::Health;
  const auto check = [&](const std::string& identity) {
    grpc::ClientContext context;
    Prepare(context, identity);
    grpc::health::v1::HealthCheckResponse response;
    return Health::NewStub(channel_)->Check(&context, {}, &response).error_code();
  };
  EXPECT_EQ(check(""), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(check("gateway"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(check("prober"), grpc::StatusCode::OK);
  const auto watch = [&](const std::string& identity) {
    grpc::ClientContext context;
    Prepare(context, identity);
    const auto stream = Health::NewStub(channel_)->Watch(&context, {});
    grpc::health::v1::HealthCheckResponse response;
    const bool told = stream->Read(&response);
    if (told) context.TryCancel();
    return std::pair(told, stream->Finish().error_code());
  };
  EXPECT_EQ(watch("gateway"), std::pair(false, grpc::StatusCode::PERMISSION_DENIED));
  EXPECT_EQ(watch("prober"), std::pair(true, grpc::StatusCode::CANCELLED));
  const auto reflect = [&](const std::string& identity) {
    grpc::ClientContext context;
    Prepare(context, identity);
    const auto stream = grpc::reflection::v1::ServerReflection::NewStub(channel_)->ServerReflectionInfo(&context);
    grpc::reflection::v1::ServerReflectionRequest request;
    request.set_list_services("");
    stream->Write(request);
    stream->WritesDone();
    grpc::reflection::v1::ServerReflectionResponse response;
    const bool told = stream->Read(&response);
    return std::pair(told, stream->Finish().error_code());
  };
  EXPECT_EQ(reflect("gateway"), std::pair(false, grpc::StatusCode::PERMISSION_DENIED));
  EXPECT_EQ(reflect("prober"), std::pair(true, grpc::StatusCode::OK));
}

TEST_F(GateTest, RefusalsAreCountedByMethodAndReasonAndNeverByWhoCalled) {
  Call("/shop.stock.v1.StockService/Confirm", "evil.example");
  Call("/no.such.Service/Method", "evil.example");
  const std::string metrics = prometheus::TextSerializer().Serialize(ProcessRegistry()->Collect());
  EXPECT_THAT(metrics, HasSubstr("policy_refused_total{grpc_method=\"Confirm\",grpc_service=\"shop.stock.v1."
                                 "StockService\",reason=\"CALLER_NOT_ALLOWED\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("policy_refused_total{grpc_method=\"unknown\",grpc_service=\"unknown\",reason="
                                 "\"METHOD_UNKNOWN\"}"));
  EXPECT_THAT(metrics, Not(HasSubstr("evil")));
}

// A connection without TLS has no identity, whatever it says.
TEST(Gate, ProgramsIdentifyByCertificateAlone) {
  absl::StatusOr<Policy> policy = ParsePolicy("shop.yaml", kRules, {});
  ASSERT_TRUE(policy.ok());
  Gate gate(*std::move(policy));
  TellingStock stock;
  PortServices services;
  services.services = {{kStock, &stock}};
  const auto port = *Port::Listen("127.0.0.1:0", "listen");
  ASSERT_TRUE(port->Serve(services, 10, &gate).ok());
  grpc::ClientContext context;
  context.AddMetadata(kTestIdentity, "orchestrator");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  shop::stock::v1::ReserveResponse response;
  const auto stub = shop::stock::v1::StockService::NewStub(NewChannel(absl::StrCat("127.0.0.1:", port->number())));
  EXPECT_EQ(stub->Reserve(&context, {}, &response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(stock.done(), 0);
}

}  // namespace
}  // namespace unwind
