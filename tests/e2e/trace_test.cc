// What a caller says of its trace goes with every call of its saga: to the participant, and on to the payment gateway,
// which is the test's own here.
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "common/base/trace_context.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kTraceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// Takes every payment, and notes the trace that it came with.
class NotingGateway final : public ::pg::v1::PaymentGateway::Service {
 public:
  NotingGateway() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~NotingGateway() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  std::vector<TraceContext> traces() {
    std::lock_guard lock(mutex_);
    return traces_;
  }

 private:
  grpc::Status Confirm(grpc::ServerContext* context, const ::pg::v1::ConfirmRequest* request,
                       ::pg::v1::ConfirmResponse* response) override {
    {
      std::lock_guard lock(mutex_);
      traces_.push_back(ReadTraceContext(context->client_metadata()));
    }
    ::pg::v1::Transaction& capture = *response->mutable_transaction();
    capture.set_kind(::pg::v1::Transaction::KIND_CAPTURE);
    capture.set_idempotency_key(request->idempotency_key());
    capture.set_transaction_id("t-1");
    capture.set_amount_minor(request->amount_minor());
    capture.set_currency_code(request->currency_code());
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::vector<TraceContext> traces_;
};

class TraceTest : public testing::Test {
 protected:
  void SetUp() override {
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.extra_flags = {{Node::kPayment, {absl::StrCat("--pg_address=", gateway_.address())}}};
    auto cluster = Cluster::Start(std::move(options));
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
    ASSERT_TRUE(Shop(*cluster_).Restock("lamp", 10, 1000).ok());
  }

  // Places an order that is paid; the trace that its payment came with.
  TraceContext TraceOf(const std::multimap<std::string, std::string>& metadata) {
    const std::size_t before = gateway_.traces().size();
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    shop::checkout::v1::PlaceOrderResponse response;
    const grpc::Status status =
        shop::checkout::v1::CheckoutService::NewStub(cluster_->Channel(Node::kOrchestrator))
            ->PlaceOrder(&context, Shop::Order(absl::StrCat("member-", before), "lamp"), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    const std::vector<TraceContext> traces = gateway_.traces();
    EXPECT_EQ(traces.size(), before + 1);
    return traces.empty() ? TraceContext() : traces.back();
  }

  NotingGateway gateway_;
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(TraceTest, ReachesTheParticipantAndTheGateway) {
  EXPECT_EQ(TraceOf({}), TraceContext());
  EXPECT_EQ(TraceOf({{"traceparent", kTraceparent}, {"tracestate", "vendor=1"}, {"baggage", "tenant=a"}}),
            (TraceContext{kTraceparent, "vendor=1", "tenant=a"}));
}

TEST_F(TraceTest, WhatIsTooLongIsLeftOutWholeAndTheOrderIsPaid) {
  const std::string longest(512, 's'), baggage(4096, 'b');
  EXPECT_EQ(TraceOf({{"traceparent", kTraceparent}, {"tracestate", longest}, {"baggage", baggage}}),
            (TraceContext{kTraceparent, longest, baggage}));
  EXPECT_EQ(TraceOf({{"traceparent", kTraceparent}, {"tracestate", longest + "s"}, {"baggage", baggage + "b"}}),
            (TraceContext{kTraceparent, "", ""}));
}

}  // namespace
}  // namespace unwind
