// The orchestrator's database is away without saying so: a PostgreSQL that hangs behind a connection that lives, or
// behind a network that loses every packet, or a SQLite file that somebody else has locked. Callers are answered before
// they give up, the process can be stopped, and nothing is lost. And the services' databases: health tells it, and when
// they are back.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "common/db/connection.h"
#include "common/rpc/bytes.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/lossy_network.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using shop::checkout::v1::PlaceOrderResponse;

constexpr Node kServices[] = {Node::kGateway, Node::kOrder, Node::kStock, Node::kPayment};
constexpr int kBuyers = 24;
constexpr absl::Duration kDeadline = absl::Seconds(2);       // of one call; the next has the same key
constexpr absl::Duration kSagaDeadline = absl::Seconds(30);  // of place_order.yaml
constexpr absl::Duration kDrain = absl::Seconds(2);
constexpr absl::Duration kStopPatience = absl::Seconds(6);
constexpr absl::Duration kLease = absl::Seconds(3);

// How long the store is away. UNWIND_STORE_AWAY=60s plays it longer.
absl::Duration AwayFor() {
  absl::Duration length = absl::Seconds(8);
  if (const char* const asked = std::getenv("UNWIND_STORE_AWAY"); asked != nullptr) {
    EXPECT_TRUE(absl::ParseDuration(asked, &length)) << "UNWIND_STORE_AWAY must be a duration such as 60s";
  }
  return length;
}

enum class Away { kHangs, kLosesPackets };

// Calls of one method that only reads, all out at once.
class Reads {
 public:
  // Returns once the server has all of them.
  Reads(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
        const google::protobuf::Message& request)
      : stub_(channel), request_(ToBuffer(request.SerializeAsString())) {
    for (Call& call : calls_) {
      stub_.UnaryCall(&call.context, method, grpc::StubOptions(), &request_, &call.response,
                      [this](const grpc::Status&) { --out_; });
    }
    EXPECT_TRUE(IsServing(channel, "")) << "what comes after them on their connection is answered";
    EXPECT_EQ(out_, kReads);
  }
  // Ends also those that a server which is gone left.
  ~Reads() {
    for (Call& call : calls_) call.context.TryCancel();
    EXPECT_TRUE(Eventually(kPatience, [this] { return out_ == 0; }));
  }

 private:
  static constexpr int kReads = 8;
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer response;
  };
  grpc::GenericStub stub_;
  grpc::ByteBuffer request_;
  std::atomic<int> out_ = kReads;
  std::array<Call, kReads> calls_;
};

class StoreAway : public ShopTest, public testing::WithParamInterface<Away> {
 protected:
  static void SetUpTestSuite() {
    proxy_ = FaultProxy::Start().value();
    network_ = TestsOnPostgres() ? LossyNetwork::Make() : absl::FailedPreconditionError("a file is on no network");
    ClusterOptions options;
    const std::string drain = absl::StrCat("--drain=", absl::FormatDuration(kDrain));
    const std::string lease = absl::StrCat("--lease=", absl::FormatDuration(kLease));
    options.extra_flags = {{Node::kOrchestrator, {drain, lease}}, {Node::kStock, {drain}}};
    options.database_link = [](Node node, const std::string& address) {
      std::string& link = links_[node];
      if (!link.empty()) return link;
      const bool can_lose = node == Node::kOrchestrator && network_.ok();
      link =
          can_lose ? proxy_->AddLink(address, (*network_)->Listen().value()).value() : proxy_->AddLink(address).value();
      return link;
    };
    StartCluster(std::move(options));
  }

  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    proxy_.reset();
    network_ = absl::UnavailableError("it is over");
    links_.clear();
  }

  void SetUp() override {
    ShopTest::SetUp();
    if (GetParam() == Away::kLosesPackets && !network_.ok()) GTEST_SKIP() << network_.status().message();
  }

  void TearDown() override {
    Return();
    ShopTest::TearDown();
  }

  void GoAway() {
    if (GetParam() == Away::kLosesPackets) {
      EXPECT_TRUE(IsOk((*network_)->Lose(true)));
      return;
    }
    if (TestsOnPostgres()) return proxy_->Stall(links_.at(Node::kOrchestrator), true);
    std::atomic<bool> locked = false;
    holds_ = true;
    holder_ = std::thread([this, &locked] {
      const auto database = Connection::Open(cluster_->Database(Node::kOrchestrator)).value();
      const absl::Status held = database->Write([&](soci::session&) {
        locked = true;
        holds_.wait(true);
        return absl::OkStatus();
      });
      EXPECT_TRUE(held.ok()) << held;
    });
    EXPECT_TRUE(Eventually(kPatience, [&] { return locked.load(); }));
  }

  void Return() {
    EXPECT_TRUE(!network_.ok() || IsOk((*network_)->Lose(false)));
    if (TestsOnPostgres()) proxy_->Stall(links_.at(Node::kOrchestrator), false);
    holds_ = false;
    holds_.notify_all();
    if (holder_.joinable()) holder_.join();
  }

  // The stores of the services: PostgreSQL does not answer, or the files are not where they were.
  void MoveServiceStores(bool away) {
    for (const Node node : kServices) {
      if (TestsOnPostgres()) {
        proxy_->Stall(links_.at(node), away);
      } else {
        const std::string here = cluster_->Database(node), there = here + ".away";
        std::filesystem::rename(away ? here : there, away ? there : here);
      }
    }
  }

  // By another connection, so that the orchestrator's lease is renewed as before.
  void RenameSagaTable(const char* from, const char* to) {
    const auto database = Connection::Open(cluster_->Database(Node::kOrchestrator)).value();
    EXPECT_TRUE(IsOk(database->Write([&](soci::session& sql) {
      sql << absl::StrCat("ALTER TABLE ", from, " RENAME TO ", to);
      return absl::OkStatus();
    })));
  }

  // Each buyer calls again and again, under one key, until `stop`.
  std::vector<std::thread> BeginBuying(const std::string& product, const std::atomic<bool>& stop) {
    std::vector<std::thread> buyers;
    for (int i = 0; i < kBuyers; ++i) {
      requests_.push_back(Shop::Order(absl::StrCat("member-", i), product));
      // The channel is made here: the cluster is for one thread.
      buyers.emplace_back([this, &stop, request = requests_.back(), channel = cluster_->Channel(Node::kOrchestrator)] {
        while (!stop) {
          Placing call(channel, request, kDeadline);
          const grpc::Status status = call.Wait();
          ++calls_;
          const bool is_unanswered =
              status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && Reason(status).empty();
          if (is_unanswered) ++unanswered_;
          if (Reason(status) == "STORE_UNAVAILABLE") ++told_;
        }
      });
    }
    return buyers;
  }

  // Or undone, if the store was away beyond the deadline of a saga. The audit after each test looks at the books.
  void ExpectAllEnd() {
    const bool may_be_late = AwayFor() >= kSagaDeadline;
    for (const auto& request : requests_) {
      PlaceOrderResponse response;
      const grpc::Status status = shop_.Place(request, &response, kPatience);
      const bool is_late = may_be_late && Reason(status) == "SAGA_DEADLINE";
      EXPECT_TRUE(status.ok() || is_late) << status.error_message();
    }
  }

  inline static std::unique_ptr<FaultProxy> proxy_;
  inline static absl::StatusOr<std::unique_ptr<LossyNetwork>> network_ = absl::UnavailableError("it is not made yet");
  inline static std::map<Node, std::string> links_;
  std::thread holder_;
  std::atomic<bool> holds_ = false;
  std::vector<shop::checkout::v1::PlaceOrderRequest> requests_;
  std::atomic<int> calls_ = 0, unanswered_ = 0, told_ = 0;
};

TEST_P(StoreAway, EveryCallerIsToldBeforeItsDeadlineAndNothingIsLost) {
  const std::string product = NewProduct(kBuyers);
  GoAway();
  const absl::Time until = absl::Now() + AwayFor();
  std::atomic<bool> stop = false;
  std::vector<std::thread> buyers = BeginBuying(product, stop);
  EXPECT_TRUE(Eventually(AwayFor() + kPatience, [&] { return absl::Now() > until; }));
  stop = true;
  for (std::thread& buyer : buyers) buyer.join();
  EXPECT_EQ(unanswered_, 0) << "of " << calls_ << " calls";
  EXPECT_GE(told_, kBuyers);
  Return();
  ExpectAllEnd();
}

TEST_P(StoreAway, TheProcessStopsWithinItsDrain) {
  const std::string product = NewProduct(kBuyers);
  std::atomic<bool> stop = false;
  std::vector<std::thread> buyers = BeginBuying(product, stop);
  EXPECT_TRUE(Eventually(kPatience, [&] { return calls_ > kBuyers; }));
  GoAway();
  std::optional<Reads> reads;
  if (TestsOnPostgres()) {  // who writes to a SQLite file locks nobody out who reads it
    saga::v1::GetSagaRequest request;
    request.set_saga_id("019b76db-b76d-7851-af48-4940933d268f");
    reads.emplace(cluster_->AdminChannel(Node::kOrchestrator), "/saga.v1.SagaService/GetSaga", request);
  }
  const auto status = cluster_->Terminate(Node::kOrchestrator, kDrain + kStopPatience);
  stop = true;
  for (std::thread& buyer : buyers) buyer.join();
  EXPECT_TRUE(IsOk(status.status()));
  EXPECT_EQ(status.value_or(-1), 0);
  Return();
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kOrchestrator)));
  ExpectAllEnd();
}

TEST_P(StoreAway, AServiceStopsWithinItsDrain) {
  if (!TestsOnPostgres() || GetParam() != Away::kHangs) GTEST_SKIP() << "a file does not keep who reads it waiting";
  MoveServiceStores(true);
  {
    shop::stock::v1::GetProductRequest request;
    request.set_product_id("any");
    const Reads reads(cluster_->Channel(Node::kStock), "/shop.stock.v1.StockService/GetProduct", request);
    const auto status = cluster_->Terminate(Node::kStock, kDrain + kStopPatience);
    EXPECT_TRUE(IsOk(status.status()));
    EXPECT_EQ(status.value_or(-1), 0);
  }
  MoveServiceStores(false);
  ASSERT_TRUE(IsOk(cluster_->Restart(Node::kStock)));
}

TEST_P(StoreAway, HealthOfAServiceSaysSoWhileItsStoreIsAway) {
  if (GetParam() != Away::kHangs) GTEST_SKIP() << "the services' databases hang in one way only";
  std::map<Node, std::shared_ptr<grpc::Channel>> channels;
  for (const Node node : kServices) channels[node] = cluster_->Channel(node);
  const auto all_are = [&](bool serving) {
    return std::all_of(channels.begin(), channels.end(),
                       [serving](const auto& each) { return IsServing(each.second) == serving; });
  };
  EXPECT_TRUE(all_are(true));
  MoveServiceStores(true);
  EXPECT_TRUE(Eventually(kPatience, [&] { return all_are(false); }));
  for (const auto& [node, channel] : channels) EXPECT_TRUE(IsServing(channel, "")) << NodeName(node) << " lives";
  MoveServiceStores(false);
  EXPECT_TRUE(Eventually(kPatience, [&] { return all_are(true); }));
  PlaceOrderResponse response;
  EXPECT_TRUE(shop_.Place(Shop::Order("member-1", NewProduct(1)), &response, kPatience).ok());
}

TEST_P(StoreAway, HealthOfTheOrchestratorSaysSoWhileItsSagasCannotBeStored) {
  if (GetParam() != Away::kHangs) GTEST_SKIP() << "the table is away in one way only";
  const auto channel = cluster_->Channel(Node::kOrchestrator);
  const std::string product = NewProduct(1);
  EXPECT_TRUE(IsServing(channel));
  RenameSagaTable("saga", "saga_away");
  const auto request = Shop::Order("member-1", product);
  EXPECT_EQ(Reason(Placing(channel, request, kDeadline).Wait()), "STORE_UNAVAILABLE");
  EXPECT_TRUE(Eventually(kPatience, [&] { return !IsServing(channel); }));
  EXPECT_TRUE(IsServing(channel, "")) << "it lives";
  RenameSagaTable("saga_away", "saga");
  EXPECT_TRUE(Eventually(kPatience, [&] { return IsServing(channel); }));
  PlaceOrderResponse response;
  EXPECT_TRUE(shop_.Place(request, &response, kPatience).ok());
}

INSTANTIATE_TEST_SUITE_P(Which, StoreAway, testing::Values(Away::kHangs, Away::kLosesPackets),
                         [](const auto& test) { return test.param == Away::kHangs ? "Hangs" : "LosesPackets"; });

}  // namespace
}  // namespace unwind
