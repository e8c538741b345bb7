#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/bytes.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "shop/stock/v1/stock_service.grpc.pb.h"
#include "soci/soci.h"
#include "stock_svc/stock.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"
#include "tests/contract/service_harness.h"

extern const unwind::Migrations kStockMigrations;

namespace unwind::stock {
namespace {

namespace v1 = ::shop::stock::v1;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using Stub = v1::StockService::Stub;

v1::ReserveRequest ReserveOf(const std::string& id, const std::vector<std::pair<std::string, int>>& items) {
  v1::ReserveRequest request;
  request.set_reservation_id(id);
  for (const auto& [product, quantity] : items) {
    request.add_items()->set_product_id(product);
    request.mutable_items(request.items_size() - 1)->set_quantity(quantity);
  }
  return request;
}

v1::RestockRequest RestockOf(const std::string& product, std::int64_t quantity, std::int64_t price,
                             const std::string& currency = "KRW") {
  v1::RestockRequest request;
  request.set_product_id(product);
  request.set_quantity(quantity);
  request.mutable_price()->set_minor_units(price);
  request.mutable_price()->set_currency_code(currency);
  return request;
}

template <class Request>
Request Of(const std::string& id) {
  Request request;
  request.set_reservation_id(id);
  return request;
}

class StockServiceTest : public testing::Test {
 protected:
  Called<v1::RestockResponse> Restock(const v1::RestockRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::Restock, request, metadata);
  }
  Called<v1::ReserveResponse> Reserve(const v1::ReserveRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::Reserve, request, metadata);
  }
  Called<v1::ReleaseResponse> Release(const std::string& id, const Metadata& metadata) {
    return Call(stub(), &Stub::Release, Of<v1::ReleaseRequest>(id), metadata);
  }
  Called<v1::ConfirmResponse> Confirm(const std::string& id, const Metadata& metadata) {
    return Call(stub(), &Stub::Confirm, Of<v1::ConfirmRequest>(id), metadata);
  }
  Called<v1::ReturnSoldResponse> ReturnSold(const std::string& id, const Metadata& metadata) {
    return Call(stub(), &Stub::ReturnSold, Of<v1::ReturnSoldRequest>(id), metadata);
  }
  Called<v1::ResetStockResponse> Reset(const std::string& key) {
    return Call(stub(), &Stub::ResetStock, v1::ResetStockRequest(), Key(key));
  }
  Called<v1::ListProductsResponse> List(int page_size, const std::string& token = "") {
    v1::ListProductsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(stub(), &Stub::ListProducts, request, {});
  }
  Called<v1::Product> Get(const std::string& id) {
    v1::GetProductRequest request;
    request.set_product_id(id);
    return Call(stub(), &Stub::GetProduct, request, {});
  }

  void Stock(const std::string& product, std::int64_t quantity, std::int64_t price = 1000) {
    const auto called = Restock(RestockOf(product, quantity, price), Key("stock-" + product));
    ASSERT_TRUE(called.status.ok()) << called.status;
  }

  void ExpectPieces(const std::string& id, std::int64_t available, std::int64_t reserved, std::int64_t sold) {
    const auto called = Get(id);
    ASSERT_TRUE(called.status.ok()) << called.status;
    const v1::Product& product = called.response;
    EXPECT_EQ(product.available(), available);
    EXPECT_EQ(product.reserved(), reserved);
    EXPECT_EQ(product.sold(), sold);
    EXPECT_EQ(product.total(), available + reserved + sold);
  }

  Stub& stub() { return process_.stub(); }

  ServiceProcess<v1::StockService> process_{kStockMigrations, NewStockDomain, StockTable()};
};

TEST_F(StockServiceTest, ASagaReservesConfirmsAndReturns) {
  Stock("p1", 10, 500);
  const auto reserved = Reserve(ReserveOf("s1", {{"p1", 3}}), SagaCall("s1", "reserve_stock", "action"));
  ASSERT_TRUE(reserved.status.ok()) << reserved.status;
  EXPECT_EQ(reserved.response.reservation_id(), "s1");
  EXPECT_EQ(reserved.response.total().minor_units(), 1500);
  EXPECT_EQ(reserved.response.total().currency_code(), "KRW");
  EXPECT_FALSE(reserved.effect_free);
  ExpectPieces("p1", 7, 3, 0);
  ASSERT_TRUE(Confirm("s1", SagaCall("s1", "confirm_stock", "action", "retriable")).status.ok());
  ExpectPieces("p1", 7, 0, 3);
  ASSERT_TRUE(ReturnSold("s1", SagaCall("s2", "return_stock", "action", "retriable")).status.ok());
  ExpectPieces("p1", 10, 0, 0);
}

TEST_F(StockServiceTest, ACompensationPutsBackAndARepeatDoesNothing) {
  Stock("p1", 10);
  const Metadata action = SagaCall("s1", "reserve_stock", "action");
  const Metadata undo = SagaCall("s1", "reserve_stock", "compensation");
  const auto first = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  const auto repeat = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  EXPECT_EQ(first.response.SerializeAsString(), repeat.response.SerializeAsString());
  ExpectPieces("p1", 7, 3, 0);
  EXPECT_TRUE(Release("s1", undo).status.ok());
  EXPECT_TRUE(Release("s1", undo).status.ok());
  ExpectPieces("p1", 10, 0, 0);
}

TEST_F(StockServiceTest, AnActionAfterItsCompensationIsFenced) {
  Stock("p1", 10);
  EXPECT_TRUE(Release("s1", SagaCall("s1", "reserve_stock", "compensation")).status.ok());
  const auto late = Reserve(ReserveOf("s1", {{"p1", 3}}), SagaCall("s1", "reserve_stock", "action"));
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(late.reason(), "FENCED");
  ExpectPieces("p1", 10, 0, 0);
}

TEST_F(StockServiceTest, TheSameKeyWithAnotherBodyIsRefused) {
  Stock("p1", 10);
  ASSERT_TRUE(Reserve(ReserveOf("s1", {{"p1", 3}}), SagaCall("s1", "reserve_stock", "action")).status.ok());
  const auto other = Reserve(ReserveOf("s1", {{"p1", 4}}), SagaCall("s1", "reserve_stock", "action"));
  EXPECT_EQ(other.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(other.reason(), "KEY_REUSED");
  ExpectPieces("p1", 7, 3, 0);
}

TEST_F(StockServiceTest, AnIdempotencyKeyAloneIsEnough) {
  Stock("p1", 10);
  ASSERT_TRUE(Reserve(ReserveOf("r1", {{"p1", 1}}), Key("k1")).status.ok());
  ASSERT_TRUE(Reserve(ReserveOf("r1", {{"p1", 1}}), Key("k1")).status.ok());
  ExpectPieces("p1", 9, 1, 0);
  ASSERT_TRUE(Confirm("r1", Key("k2")).status.ok());
  const auto again = Confirm("r1", Key("k3"));
  EXPECT_EQ(again.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(again.reason(), "RESERVATION_NOT_HELD");
  EXPECT_EQ(again.info().metadata.at("state"), "SOLD");
  ASSERT_TRUE(Reserve(ReserveOf("r2", {{"p1", 2}}), Key("k4")).status.ok());
  ASSERT_TRUE(Release("r2", Key("k4")).status.ok());
  ExpectPieces("p1", 9, 0, 1);
}

TEST_F(StockServiceTest, WithoutMetadataAMutatingCallIsRefused) {
  const Metadata none;
  for (const absl::Status& status :
       {Restock(RestockOf("p1", 1, 1), none).status, Reserve(ReserveOf("r1", {{"p1", 1}}), none).status,
        Release("r1", none).status, Confirm("r1", none).status, ReturnSold("r1", none).status,
        Call(stub(), &Stub::ResetStock, v1::ResetStockRequest(), none).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_MISSING");
    EXPECT_EQ(GetErrorInfo(status).domain, "stock.shop.unwind");
    EXPECT_THAT(std::string(status.message()), HasSubstr("idempotency-key"));
  }
  EXPECT_EQ(Get("p1").reason(), "PRODUCT_NOT_FOUND");
}

TEST_F(StockServiceTest, ARefusalIsStickyAndSaysThatNothingHappened) {
  Stock("p1", 2);
  const Metadata action = SagaCall("s1", "reserve_stock", "action");
  const auto refused = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "STOCK_NOT_ENOUGH");
  EXPECT_EQ(refused.info().domain, "stock.shop.unwind");
  EXPECT_EQ(refused.info().metadata,
            (std::map<std::string, std::string>{{"product_id", "p1"}, {"requested", "3"}, {"available", "2"}}));
  EXPECT_TRUE(refused.effect_free);
  EXPECT_EQ(refused.outcome_key, "s1/reserve_stock/action");
  ASSERT_TRUE(Restock(RestockOf("p1", 10, 1000), Key("more")).status.ok());
  const auto repeat = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  EXPECT_EQ(repeat.status, refused.status);
  EXPECT_TRUE(repeat.effect_free);
}

TEST_F(StockServiceTest, ARefusedRetriableStepMayBeTriedAgain) {
  Stock("p1", 2);
  const Metadata confirm = SagaCall("s1", "confirm_stock", "action", "retriable");
  const auto early = Confirm("s1", confirm);
  EXPECT_EQ(early.reason(), "RESERVATION_NOT_FOUND");
  EXPECT_FALSE(early.effect_free);
  ASSERT_TRUE(Reserve(ReserveOf("s1", {{"p1", 1}}), SagaCall("s1", "reserve_stock", "action")).status.ok());
  EXPECT_TRUE(Confirm("s1", confirm).status.ok());
  ExpectPieces("p1", 1, 0, 1);
}

TEST_F(StockServiceTest, OtherRefusalsOfReserve) {
  Stock("won", 10, kAmountMinorMax);
  ASSERT_TRUE(Restock(RestockOf("dollar", 10, 5, "USD"), Key("d")).status.ok());
  ASSERT_TRUE(Reserve(ReserveOf("taken", {{"dollar", 1}}), Key("k0")).status.ok());
  const std::vector<std::tuple<v1::ReserveRequest, absl::StatusCode, std::string>> cases = {
      {ReserveOf("r1", {{"none", 1}}), absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND"},
      {ReserveOf("r2", {{"won", 1}, {"dollar", 1}}), absl::StatusCode::kFailedPrecondition, "CURRENCY_MIXED"},
      {ReserveOf("r3", {{"won", 2}}), absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW"},
      {ReserveOf("taken", {{"dollar", 1}}), absl::StatusCode::kAlreadyExists, "RESERVATION_EXISTS"},
  };
  for (const auto& [request, code, reason] : cases) {
    const auto called = Reserve(request, Key("bad-" + reason));
    EXPECT_EQ(called.status.code(), code) << called.status;
    EXPECT_EQ(called.reason(), reason);
    EXPECT_TRUE(called.effect_free);
  }
  ExpectPieces("won", 10, 0, 0);
  ExpectPieces("dollar", 9, 1, 0);
}

TEST_F(StockServiceTest, EachFieldKeepsItsLimits) {
  Stock("p1", 10);
  const std::string long_id(65, 'a');
  std::vector<std::pair<std::string, int>> many;
  for (int i = 0; i < 101; ++i) many.emplace_back(absl::StrCat("p", i), 1);
  const std::vector<std::pair<v1::ReserveRequest, std::string>> reserves = {
      {ReserveOf("", {{"p1", 1}}), "reservation_id"},
      {ReserveOf(long_id, {{"p1", 1}}), "reservation_id"},
      {ReserveOf("a b", {{"p1", 1}}), "reservation_id"},
      {ReserveOf("\xED\x95\x9C", {{"p1", 1}}), "reservation_id"},
      {ReserveOf("r1", {}), "items"},
      {ReserveOf("r1", many), "items"},
      {ReserveOf("r1", {{"p1", 1}, {"p1", 2}}), "items[1].product_id"},
      {ReserveOf("r1", {{"", 1}}), "items[0].product_id"},
      {ReserveOf("r1", {{"p/1", 1}}), "items[0].product_id"},
      {ReserveOf("r1", {{"p1", 0}}), "items[0].quantity"},
      {ReserveOf("r1", {{"p1", -1}}), "items[0].quantity"},
      {ReserveOf("r1", {{"p1", 1001}}), "items[0].quantity"},
  };
  for (const auto& [request, field] : reserves) {
    const auto called = Reserve(request, Key("bad"));
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_EQ(called.reason(), "INVALID_REQUEST") << field;
    EXPECT_THAT(BadFields(called.status), Contains(field));
  }
  v1::RestockRequest priceless = RestockOf("p1", 1, 1);
  priceless.clear_price();
  const std::vector<std::pair<v1::RestockRequest, std::string>> restocks = {
      {RestockOf("", 1, 1), "product_id"},
      {RestockOf("p1", -1, 1), "quantity"},
      {RestockOf("p1", 1'000'000'001, 1), "quantity"},
      {RestockOf("p1", 1, -1), "price.minor_units"},
      {RestockOf("p1", 1, kAmountMinorMax + 1), "price.minor_units"},
      {RestockOf("p1", 1, 1, ""), "price.currency_code"},
      {RestockOf("p1", 1, 1, "WONS"), "price.currency_code"},
      {RestockOf("p1", 1, 1, "krw"), "price.currency_code"},
      {priceless, "price"},
  };
  for (const auto& [request, field] : restocks) {
    const auto called = Restock(request, Key("bad-" + field + request.price().currency_code()));
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_EQ(called.reason(), "INVALID_REQUEST") << field;
    EXPECT_THAT(BadFields(called.status), Contains(field));
  }
  for (const absl::Status& status :
       {Release("", Key("bad")).status, Confirm("!", Key("bad")).status, ReturnSold(long_id, Key("bad")).status}) {
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
    EXPECT_THAT(BadFields(status), ElementsAre("reservation_id"));
  }
  EXPECT_THAT(BadFields(Get("").status), ElementsAre("product_id"));
  EXPECT_THAT(BadFields(List(-1).status), ElementsAre("page_size"));
  ExpectPieces("p1", 10, 0, 0);
  EXPECT_TRUE(Reserve(ReserveOf("r1", {{"p1", 1}}), Key("bad")).status.ok());  // an invalid request uses up no key
}

TEST_F(StockServiceTest, RestockTwiceUnderOneKeyAddsOnce) {
  Stock("p1", 10);
  Stock("p1", 10);
  ExpectPieces("p1", 10, 0, 0);
  const auto more = Restock(RestockOf("p1", 5, 700), Key("more"));
  ASSERT_TRUE(more.status.ok());
  EXPECT_EQ(more.response.product().total(), 15);
  EXPECT_EQ(more.response.product().price().minor_units(), 700);
}

TEST_F(StockServiceTest, ReadsOneAndPages) {
  for (const char* id : {"b", "d", "a", "e", "c"}) Stock(id, 1);
  EXPECT_EQ(Get("z").status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get("z").reason(), "PRODUCT_NOT_FOUND");
  std::vector<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const auto page = List(2, token);
    ASSERT_TRUE(page.status.ok()) << page.status;
    for (const v1::Product& product : page.response.products()) seen.push_back(product.product_id());
    token = page.response.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(List(5).response.next_page_token(), "");
  for (const char* bad : {"x", "!", "MQpvcmRlcnMKYQ"}) {
    EXPECT_EQ(List(2, bad).status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(List(2, bad).reason(), "INVALID_PAGE_TOKEN");
  }
}

TEST_F(StockServiceTest, APageIsFiftyUnlessAskedAndFiveHundredAtMost) {
  std::vector<std::future<void>> stocked;
  for (int t = 0; t < 8; ++t) {
    stocked.push_back(std::async(std::launch::async, [this, t] {
      for (int i = t; i < 501; i += 8) Stock(absl::StrCat("p", i), 1);
    }));
  }
  for (std::future<void>& done : stocked) done.get();
  EXPECT_EQ(List(0).response.products_size(), 50);
  const auto largest = List(1000);
  EXPECT_EQ(largest.response.products_size(), 500);
  EXPECT_EQ(List(1000, largest.response.next_page_token()).response.products_size(), 1);
}

TEST_F(StockServiceTest, ManyBuyersOfTheLastPieces) {
  constexpr int kPieces = 60, kBuyers = 200, kThreads = 20;
  Stock("hot", kPieces);
  std::atomic<int> bought = 0, refused = 0;
  std::vector<std::future<void>> buyers;
  for (int t = 0; t < kThreads; ++t) {
    buyers.push_back(std::async(std::launch::async, [&, t] {
      for (int i = t; i < kBuyers; i += kThreads) {
        const std::string id = absl::StrCat("s", i);
        const auto called = Reserve(ReserveOf(id, {{"hot", 1}}), SagaCall(id, "reserve_stock", "action"));
        if (called.status.ok()) ++bought;
        if (called.reason() == "STOCK_NOT_ENOUGH") ++refused;
      }
    }));
  }
  for (std::future<void>& buyer : buyers) buyer.get();
  EXPECT_EQ(bought, kPieces);
  EXPECT_EQ(refused, kBuyers - kPieces);
  ExpectPieces("hot", 0, kPieces, 0);
}

TEST_F(StockServiceTest, WhatWasAnsweredSurvivesARestart) {
  Stock("p1", 10);
  const Metadata action = SagaCall("s1", "reserve_stock", "action");
  const auto before = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  process_.Stop();
  process_.Start();
  const auto after = Reserve(ReserveOf("s1", {{"p1", 3}}), action);
  ASSERT_TRUE(after.status.ok()) << after.status;
  EXPECT_EQ(before.response.SerializeAsString(), after.response.SerializeAsString());
  ExpectPieces("p1", 7, 3, 0);
}

TEST_F(StockServiceTest, AResetPutsEverythingBackUnlessSomethingIsHeld) {
  Stock("p1", 10);
  Stock("p2", 5);
  ASSERT_TRUE(Reserve(ReserveOf("r1", {{"p1", 3}, {"p2", 1}}), Key("k1")).status.ok());
  ASSERT_TRUE(Reserve(ReserveOf("r2", {{"p1", 1}}), Key("k2")).status.ok());
  ASSERT_TRUE(Confirm("r1", Key("k3")).status.ok());
  const auto refused = Reset("reset1");
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "RESET_REFUSED");
  EXPECT_EQ(refused.info().metadata.at("held"), "1");
  ExpectPieces("p1", 6, 1, 3);
  ASSERT_TRUE(Release("r2", Key("k2")).status.ok());
  const auto reset = Reset("reset2");
  ASSERT_TRUE(reset.status.ok()) << reset.status;
  EXPECT_EQ(reset.response.products_reset(), 2);
  ExpectPieces("p1", 10, 0, 0);
  ExpectPieces("p2", 5, 0, 0);
  EXPECT_EQ(ReturnSold("r1", Key("k4")).reason(), "RESERVATION_NOT_FOUND");
  EXPECT_TRUE(Reserve(ReserveOf("r1", {{"p1", 10}}), Key("k5")).status.ok());
}

TEST(StockReset, IsOffByDefault) {
  ServiceProcess<v1::StockService> process(kStockMigrations, NewStockDomain, StockTable(), false);
  const auto called = Call(process.stub(), &Stub::ResetStock, v1::ResetStockRequest(), Key("k"));
  EXPECT_EQ(called.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(called.reason(), "RESET_DISABLED");
  EXPECT_EQ(called.info().domain, "stock.shop.unwind");
}

TEST_F(StockServiceTest, BytesThatAreNoRequestAreRefused) {
  for (const char* const path : {"/shop.stock.v1.StockService/Reserve", "/shop.stock.v1.StockService/GetProduct"}) {
    for (const char* const bytes : {"\xff\xff\xff", "\x0a\x02\xff\xff" /* not UTF-8 */}) {
      grpc::ClientContext context;
      grpc::ByteBuffer request = ToBuffer(bytes), response;
      grpc::GenericStub stub(process_.channel());
      std::promise<grpc::Status> ended;
      stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response,
                     [&ended](grpc::Status status) { ended.set_value(std::move(status)); });
      const absl::Status status = FromGrpc(ended.get_future().get());
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
      EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST") << path;
    }
  }
}

TEST(StockTableTest, ATableThatIsNotItsProtosIsABug) {
  const TempDir folder;
  const SystemClock clock;
  const std::unique_ptr<StepDomain> domain = NewStockDomain(clock);
  Participant participant(Connection::Open(folder.File("stock.db")).value(), *domain, clock, {});
  Reader reader(Connection::Open(folder.File("stock.db")).value());
  const auto serve = [&](const ServiceTable& table) {
    const TableService service(table, *domain, participant, reader, /*enable_reset=*/false);
  };
  serve(StockTable());
  ServiceTable too_few = StockTable();
  too_few.reads.pop_back();
  EXPECT_DEATH(serve(too_few), "CHECK failed");
  ServiceTable misnamed = StockTable();
  misnamed.reads.back().name = "ListProduct";
  EXPECT_DEATH(serve(misnamed), "CHECK failed");
  ServiceTable mistyped = StockTable();
  std::swap(mistyped.reads.front().request, mistyped.reads.back().request);
  EXPECT_DEATH(serve(mistyped), "CHECK failed");
}

// Batches straight into the domain, without gRPC and the barrier.
class StockBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    connection_ = OpenTestDatabase(folder_.File("stock.db"));
    ASSERT_TRUE(Migrate(*connection_, "stock", kStockMigrations).ok());
  }

  template <class Request>
  void Add(const char* method, const std::string& owner, Request request) {
    auto command = std::make_unique<Command>();
    command->method = domain_->NumberOf(method);
    command->key.saga_id = owner;
    command->request = std::make_shared<Request>(std::move(request));
    batch_.push_back(std::move(command));
  }

  // How many of the batch were OK.
  int Apply() {
    std::vector<Command*> commands;
    for (const auto& command : batch_) commands.push_back(command.get());
    const absl::Status status =
        connection_->Write([&](soci::session& session) { return domain_->Apply(session, commands); });
    EXPECT_TRUE(status.ok()) << status;
    int ok = 0;
    for (const Command* command : commands) {
      // Only a return of pieces that are not sold yet must be asked for again.
      EXPECT_TRUE(command->method == domain_->NumberOf("ReturnSold") ||
                  !std::holds_alternative<Unknown>(command->answer));
      if (std::holds_alternative<Ok>(command->answer)) ++ok;
    }
    batch_.clear();
    return ok;
  }

  long long Ask(const std::string& sql) {
    long long value = -1;
    const absl::Status status = connection_->Read([&](soci::session& session) {
      session << sql, soci::into(value);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return value;
  }

  void CheckConserved() {
    EXPECT_EQ(Ask("SELECT count(*) FROM stocks WHERE reserved < 0 OR sold < 0 OR total - reserved - sold < 0"), 0);
    for (const auto& [column, state] : {std::pair("reserved", 1), std::pair("sold", 3)}) {
      EXPECT_EQ(
          Ask(absl::StrCat("SELECT count(*) FROM stocks AS s WHERE s.", column,
                           " <> (SELECT COALESCE(sum(i.quantity), 0) FROM reservation_items AS i JOIN reservations AS r"
                           " ON r.reservation_id = i.reservation_id WHERE r.state = ",
                           state, " AND i.product_id = s.product_id)")),
          0)
          << column;
    }
  }

  const TempDir folder_;
  const SystemClock clock_{};
  const std::unique_ptr<StepDomain> domain_ = NewStockDomain(clock_);
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Command>> batch_;
};

TEST_F(StockBatchTest, AThousandBuyersOfOneItemWriteItsRowOnce) {
  Add("Restock", "k", RestockOf("hot", 100, 1000));
  ASSERT_EQ(Apply(), 1);
  EXPECT_EQ(Ask("SELECT version FROM stocks"), 1);
  for (int i = 0; i < 1000; ++i) Add("Reserve", absl::StrCat("s", i), ReserveOf(absl::StrCat("s", i), {{"hot", 1}}));
  EXPECT_EQ(Apply(), 100);
  EXPECT_EQ(Ask("SELECT version FROM stocks"), 2);
  EXPECT_EQ(Ask("SELECT reserved FROM stocks"), 100);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations"), 100);
}

TEST_F(StockBatchTest, CommandsOfOneBatchSeeEachOther) {
  Add("Reserve", "s1", ReserveOf("s1", {{"p1", 1}}));  // before the product is there
  Add("Restock", "k", RestockOf("p1", 2, 1000));
  Add("Reserve", "s2", ReserveOf("s2", {{"p1", 2}}));
  Add("Reserve", "s3", ReserveOf("s3", {{"p1", 1}}));  // none left
  Add("Release", "s2", Of<v1::ReleaseRequest>("s2"));
  Add("Reserve", "s4", ReserveOf("s4", {{"p1", 1}}));
  Add("Confirm", "s4", Of<v1::ConfirmRequest>("s4"));
  Add("ResetStock", "k", v1::ResetStockRequest());
  Add("Reserve", "s4", ReserveOf("s4", {{"p1", 2}}));
  EXPECT_EQ(Apply(), 7);
  CheckConserved();
  EXPECT_EQ(Ask("SELECT reserved FROM stocks"), 2);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations"), 1);
}

TEST_F(StockBatchTest, ARefusedBatchWritesNothing) {
  Add("Restock", "k", RestockOf("p1", 2, 1000));
  ASSERT_EQ(Apply(), 1);
  Add("Reserve", "s1", ReserveOf("s1", {{"p1", 3}}));
  Add("Confirm", "s2", Of<v1::ConfirmRequest>("s2"));
  EXPECT_EQ(Apply(), 0);
  EXPECT_EQ(Ask("SELECT version FROM stocks"), 1);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations"), 0);
}

TEST_F(StockBatchTest, PiecesAreConservedWhateverComes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  long long restocked = 0;
  for (int round = 0; round < 150 && !HasFailure(); ++round) {
    const int commands = 1 + draw(40);
    for (int i = 0; i < commands; ++i) {
      const std::string id = absl::StrCat("s", draw(60));
      switch (draw(12)) {
        case 0: {
          const int quantity = draw(8);
          restocked += quantity;
          Add("Restock", "k",
              RestockOf(absl::StrCat("p", draw(4)), quantity, 1 + draw(999), draw(9) == 0 ? "USD" : "KRW"));
          break;
        }
        case 1:
        case 2:
        case 3:
          Add("Release", id, Of<v1::ReleaseRequest>(id));
          break;
        case 4:
        case 5:
          Add("Confirm", "other", Of<v1::ConfirmRequest>(id));
          break;
        case 6:
        case 7:
          Add("ReturnSold", "other", Of<v1::ReturnSoldRequest>(id));
          break;
        case 8:
          if (draw(20) == 0) Add("ResetStock", "k", v1::ResetStockRequest());
          break;
        default: {
          std::vector<std::pair<std::string, int>> items = {{absl::StrCat("p", draw(5)), 1 + draw(4)}};
          const std::string second = absl::StrCat("p", draw(5));
          if (second != items[0].first) items.emplace_back(second, 1 + draw(4));
          Add("Reserve", id, ReserveOf(id, items));
        }
      }
    }
    Apply();
    CheckConserved();
    EXPECT_EQ(Ask("SELECT COALESCE(sum(total), 0) FROM stocks"), restocked);
  }
}

}  // namespace
}  // namespace unwind::stock
