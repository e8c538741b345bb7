// How a service says that a call is accepted and not finished, on the wire.
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"
#include "tests/contract/service_harness.h"

extern const unwind::Migrations kStockMigrations;

namespace unwind {
namespace {

namespace v1 = ::shop::stock::v1;

// Serves the methods of stock_svc and answers each of them as pending, for ever.
class EndlessDomain final : public StepDomain {
 public:
  explicit EndlessDomain(const Clock& clock) : methods_(stock::NewStockDomain(clock)->methods()) {}

  std::vector<StepMethod> methods() const override { return methods_; }

  absl::Status Apply(soci::session&, const std::vector<Command*>& commands) override {
    for (Command* command : commands) {
      auto response = std::make_unique<v1::ReserveResponse>();
      response->mutable_total()->set_minor_units(7);
      command->answer = Later{std::move(response), absl::Milliseconds(1500)};
    }
    return absl::OkStatus();
  }

 private:
  const std::vector<StepMethod> methods_;
};

class PendingAnswerTest : public testing::Test {
 protected:
  Called<v1::ReserveResponse> Reserve(const Metadata& metadata) {
    v1::ReserveRequest request;
    request.set_reservation_id("r1");
    auto* item = request.add_items();
    item->set_product_id("pen");
    item->set_quantity(1);
    return Call(process_.stub(), &v1::StockService::Stub::Reserve, request, metadata);
  }

  ServiceProcess<v1::StockService> process_{
      kStockMigrations,
      [](const Clock& clock) -> std::unique_ptr<StepDomain> { return std::make_unique<EndlessDomain>(clock); },
      stock::StockTable()};
};

TEST_F(PendingAnswerTest, WhoAsksForItIsToldByTrailers) {
  Metadata metadata = SagaCall("s1", "reserve", "action");
  metadata["saga-accepts"] = "pending";
  for (int i = 0; i < 2; ++i) {
    const auto reserved = Reserve(metadata);
    EXPECT_EQ(reserved.status, absl::OkStatus());
    EXPECT_EQ(reserved.response.total().minor_units(), 7);
    EXPECT_EQ(reserved.trailers.at("saga-outcome"), "pending");
    EXPECT_EQ(reserved.trailers.at("saga-outcome-key"), "s1/reserve/action");
    EXPECT_EQ(reserved.trailers.at("saga-retry-after"), "1500");
  }
}

// A release of before, a person with a key of his own: neither may read OK and ship the goods.
TEST_F(PendingAnswerTest, WhoDoesNotAskIsToldToCallAgain) {
  for (const Metadata& metadata : {SagaCall("s1", "reserve", "action"), Key("k1"),
                                   Metadata{{"idempotency-key", "k1"}, {"saga-accepts", "pending"}}}) {
    const auto reserved = Reserve(metadata);
    EXPECT_EQ(reserved.status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(reserved.reason(), "PENDING");
    EXPECT_EQ(reserved.trailers.count("saga-outcome"), 0u);
    EXPECT_EQ(reserved.trailers.count("saga-retry-after"), 0u);
  }
}

TEST_F(PendingAnswerTest, AWordThatMeansNothingIsRefused) {
  Metadata metadata = SagaCall("s1", "reserve", "action");
  metadata["saga-accepts"] = "maybe";
  const auto reserved = Reserve(metadata);
  EXPECT_EQ(reserved.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reserved.reason(), "METADATA_INVALID");
}

}  // namespace
}  // namespace unwind
