// Several processes of one service on one database: what they do at once must come out as if one after the other.
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/db/migrate.h"
#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "coupon_svc/coupon_domain.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "order_svc/cart_domain.h"
#include "order_svc/notification_domain.h"
#include "order_svc/order_domain.h"
#include "shop/coupon/v1/coupon_service.pb.h"
#include "shop/order/v1/cart_service.pb.h"
#include "shop/order/v1/notification_service.pb.h"
#include "shop/order/v1/order_service.pb.h"
#include "shop/stock/v1/stock_service.pb.h"
#include "shop/wallet/v1/wallet_service.pb.h"
#include "soci/soci.h"
#include "stock_svc/stock_domain.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"
#include "wallet_svc/wallet_domain.h"

extern const unwind::Migrations kCouponMigrations;
extern const unwind::Migrations kOrderMigrations;
extern const unwind::Migrations kStockMigrations;
extern const unwind::Migrations kWalletMigrations;

namespace unwind {
namespace {

constexpr int kProcesses = 3;

ParticipantOptions OptionsFor(const std::string& domain) {
  ParticipantOptions options;
  options.domain = domain;
  return options;
}

class ProcessesTest : public testing::Test {
 protected:
  struct Process {
    Process(std::unique_ptr<StepDomain> its_domain, std::unique_ptr<Connection> connection, const Clock& clock)
        : domain(std::move(its_domain)), participant(std::move(connection), *domain, clock, OptionsFor("test")) {}
    const std::unique_ptr<StepDomain> domain;
    Participant participant;
  };

  ProcessesTest(const Migrations& migrations, std::unique_ptr<StepDomain> (*new_domain)(const Clock&)) {
    onlooker_ = OpenTestDatabase(folder_.File("service.db"));
    EXPECT_TRUE(Participant::Migrate(*onlooker_).ok());
    EXPECT_TRUE(Migrate(*onlooker_, "service", migrations).ok());
    for (int i = 0; i < kProcesses; ++i) {
      processes_.push_back(
          std::make_unique<Process>(new_domain(clock_), OpenTestDatabase(folder_.File("service.db")), clock_));
    }
  }

  std::future<Participant::Reply> Send(int process, const char* method, const std::string& saga, barrier::Phase phase,
                                       std::shared_ptr<const google::protobuf::Message> request) {
    auto promise = std::make_shared<std::promise<Participant::Reply>>();
    CallKey key;
    key.saga_id = saga;
    key.step = "step";
    key.phase = phase;
    key.sticky = phase == barrier::Phase::kAction;
    Process& to = *processes_[static_cast<std::size_t>(process)];
    to.participant.Submit(to.domain->NumberOf(method), std::move(key), std::move(request),
                          [promise](Participant::Reply reply) { promise->set_value(std::move(reply)); });
    return promise->get_future();
  }

  long long Ask(const std::string& sql) {
    long long answer = -1;
    EXPECT_TRUE(onlooker_
                    ->Read([&](soci::session& session) {
                      session << sql, soci::into(answer);
                      return absl::OkStatus();
                    })
                    .ok());
    return answer;
  }

  const TempDir folder_;
  const SystemClock clock_;
  std::unique_ptr<Connection> onlooker_;
  std::vector<std::unique_ptr<Process>> processes_;
};

std::string Said(const Participant::Reply& reply) {
  return reply.status.ok() ? "OK " + reply.response : GetErrorInfo(reply.status).reason;
}

std::shared_ptr<const google::protobuf::Message> RestockOf(const std::string& product, int pieces) {
  auto restock = std::make_shared<shop::stock::v1::RestockRequest>();
  restock->set_product_id(product);
  restock->set_quantity(pieces);
  restock->mutable_price()->set_minor_units(1000);
  restock->mutable_price()->set_currency_code("KRW");
  return restock;
}

class StockProcessesTest : public ProcessesTest {
 protected:
  StockProcessesTest() : ProcessesTest(kStockMigrations, stock::NewStockDomain) {}
};

// Every call is sent to every process at once, in orders of the products that are opposite to each other's.
TEST_F(StockProcessesTest, DuplicatesAreOneAndNothingIsSoldTwice) {
  constexpr int kPieces = 40, kBuyers = 100;
  for (const char* product : {"a", "b"}) {
    const auto restock = RestockOf(product, kPieces);
    std::vector<std::future<Participant::Reply>> replies;  // a new row, made by all of them at once
    for (int i = 0; i < kProcesses; ++i) {
      replies.push_back(Send(i, "Restock", absl::StrCat("restock ", product), barrier::Phase::kAction, restock));
    }
    for (auto& reply : replies) EXPECT_EQ(Said(reply.get()).substr(0, 2), "OK");
  }
  ASSERT_EQ(Ask("SELECT sum(total) FROM stocks"), 2 * kPieces);

  std::vector<std::vector<std::future<Participant::Reply>>> replies(kBuyers);
  for (int buyer = 0; buyer < kBuyers; ++buyer) {
    auto reserve = std::make_shared<shop::stock::v1::ReserveRequest>();
    reserve->set_reservation_id(absl::StrCat("r", buyer));
    for (const char* product : {buyer % 2 == 0 ? "a" : "b", buyer % 2 == 0 ? "b" : "a"}) {
      auto* item = reserve->add_items();
      item->set_product_id(product);
      item->set_quantity(1);
    }
    for (int i = 0; i < kProcesses; ++i) {
      replies[static_cast<std::size_t>(buyer)].push_back(
          Send((buyer + i) % kProcesses, "Reserve", absl::StrCat("s", buyer), barrier::Phase::kAction, reserve));
    }
  }
  int sold = 0;
  for (auto& of_buyer : replies) {
    const std::string first = Said(of_buyer[0].get());
    sold += first.substr(0, 2) == "OK" ? 1 : 0;
    EXPECT_THAT(first, testing::AnyOf(testing::StartsWith("OK"), "STOCK_NOT_ENOUGH"));
    for (std::size_t i = 1; i < of_buyer.size(); ++i) EXPECT_EQ(Said(of_buyer[i].get()), first);
  }
  EXPECT_EQ(sold, kPieces);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations"), kPieces);
  EXPECT_EQ(Ask("SELECT min(reserved) FROM stocks"), kPieces);
  EXPECT_EQ(Ask("SELECT max(reserved) FROM stocks"), kPieces);
  EXPECT_EQ(Ask("SELECT count(*) FROM saga_barrier WHERE outcome = 2"), kBuyers - kPieces);
}

// No two calls are the same, so that only the locks of the hot row keep its numbers right.
TEST_F(StockProcessesTest, AHotRowIsWrittenByOneAfterTheOther) {
  constexpr int kPieces = 200, kWaves = 30, kCallsOfWave = 9;
  ASSERT_TRUE(Send(0, "Restock", "restock", barrier::Phase::kAction, RestockOf("hot", kPieces)).get().status.ok());
  int sold = 0;
  for (int wave = 0; wave < kWaves; ++wave) {
    std::vector<std::future<Participant::Reply>> replies;
    for (int i = 0; i < kCallsOfWave; ++i) {
      auto reserve = std::make_shared<shop::stock::v1::ReserveRequest>();
      reserve->set_reservation_id(absl::StrCat("r", wave, "-", i));
      auto* item = reserve->add_items();
      item->set_product_id("hot");
      item->set_quantity(1);
      replies.push_back(
          Send(i % kProcesses, "Reserve", absl::StrCat("s", wave, "-", i), barrier::Phase::kAction, reserve));
    }
    for (auto& reply : replies) sold += reply.get().status.ok() ? 1 : 0;
  }
  EXPECT_EQ(sold, kPieces);
  EXPECT_EQ(Ask("SELECT reserved FROM stocks"), kPieces);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations"), kPieces);
}

// An action and its compensation, each at another process: either it was done and undone, or it never will be done.
TEST_F(StockProcessesTest, AnActionThatMeetsItsCompensationHasNoEffect) {
  constexpr int kSagas = 60;
  ASSERT_TRUE(Send(0, "Restock", "restock", barrier::Phase::kAction, RestockOf("a", kSagas)).get().status.ok());
  std::vector<std::future<Participant::Reply>> actions, compensations;
  for (int i = 0; i < kSagas; ++i) {
    auto reserve = std::make_shared<shop::stock::v1::ReserveRequest>();
    reserve->set_reservation_id(absl::StrCat("r", i));
    auto* item = reserve->add_items();
    item->set_product_id("a");
    item->set_quantity(1);
    auto release = std::make_shared<shop::stock::v1::ReleaseRequest>();
    release->set_reservation_id(absl::StrCat("r", i));
    const std::string saga = absl::StrCat("s", i);
    actions.push_back(Send(i % kProcesses, "Reserve", saga, barrier::Phase::kAction, reserve));
    compensations.push_back(Send((i + 1) % kProcesses, "Release", saga, barrier::Phase::kCompensation, release));
  }
  for (auto& reply : compensations) EXPECT_EQ(Said(reply.get()), "OK ");
  for (auto& reply : actions) EXPECT_THAT(Said(reply.get()), testing::AnyOf(testing::StartsWith("OK"), "FENCED"));
  EXPECT_EQ(Ask("SELECT reserved FROM stocks"), 0);
  EXPECT_EQ(Ask("SELECT count(*) FROM reservations WHERE state = 1"), 0);
  EXPECT_EQ(Ask("SELECT count(*) FROM saga_barrier WHERE phase = 2 AND outcome = 1"), kSagas);
}

class OrderProcessesTest : public ProcessesTest {
 protected:
  OrderProcessesTest() : ProcessesTest(kOrderMigrations, order::NewOrderDomain) {}
};

TEST_F(OrderProcessesTest, OneOfManyAtOnceGetsTheLimitedProduct) {
  auto limit = std::make_shared<shop::order::v1::SetPurchaseLimitRequest>();
  limit->set_product_id("p");
  limit->set_one_per_member(true);
  ASSERT_TRUE(Send(0, "SetPurchaseLimit", "limit", barrier::Phase::kAction, limit).get().status.ok());
  constexpr int kMembers = 20, kTries = 6;
  std::vector<std::future<Participant::Reply>> replies;
  for (int member = 0; member < kMembers; ++member) {
    for (int i = 0; i < kTries; ++i) {
      auto create = std::make_shared<shop::order::v1::CreateOrderRequest>();
      create->set_order_id(absl::StrCat("o", member, "-", i));
      create->set_member_id(absl::StrCat("m", member));
      auto* item = create->add_items();
      item->set_product_id("p");
      item->set_quantity(1);
      replies.push_back(
          Send(i % kProcesses, "CreateOrder", absl::StrCat("s", member, "-", i), barrier::Phase::kAction, create));
    }
  }
  int made = 0;
  for (auto& reply : replies) {
    const std::string said = Said(reply.get());
    made += said.substr(0, 2) == "OK" ? 1 : 0;
    EXPECT_THAT(said, testing::AnyOf(testing::StartsWith("OK"), "ORDER_ALREADY_EXISTS"));
  }
  EXPECT_EQ(made, kMembers);
  EXPECT_EQ(Ask("SELECT count(*) FROM order_items WHERE live = 1"), kMembers);
}

class CartProcessesTest : public ProcessesTest {
 protected:
  CartProcessesTest() : ProcessesTest(kOrderMigrations, order::NewCartDomain) {}

  // An order of 1970.
  void PaidOrder(const std::string& order_id, const std::string& member, int pieces) {
    const absl::Status status = onlooker_->Write([&](soci::session& session) {
      session
          << "INSERT INTO orders (order_id, owner, member_id, state, total_minor, currency_code, payment_id, reason,"
             " canceller, create_time_us, update_time_us) VALUES (:id, 's', :member, 2, 1, 'KRW', 'pay', '', '', 5, 5)",
          soci::use(order_id), soci::use(member);
      session << "INSERT INTO order_items (order_id, line, product_id, quantity, member_id, limited, live)"
                 " VALUES (:id, 1, 'p', :pieces, :member, 0, 1)",
          soci::use(order_id), soci::use(pieces), soci::use(member);
      session << "INSERT INTO carts (member_id) VALUES (:member)", soci::use(member);
      session
          << "INSERT INTO cart_additions (member_id, product_id, add_time_us, quantity) VALUES (:member, 'p', 5, 100)",
          soci::use(member);
      return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
  }
};

// New carts and a new line of each, by all processes at once: none is lost, and no line passes its limit.
TEST_F(CartProcessesTest, NoPieceIsLostAndNoneIsTooMany) {
  constexpr int kMembers = 4, kCalls = 45, kPieces = 40, kFit = 25;
  std::vector<std::future<Participant::Reply>> replies;
  for (int call = 0; call < kCalls; ++call) {
    for (int member = 0; member < kMembers; ++member) {
      auto add = std::make_shared<shop::order::v1::AddItemRequest>();
      add->set_member_id(absl::StrCat("m", member));
      add->set_product_id("p");
      add->set_quantity(kPieces);
      replies.push_back(
          Send(call % kProcesses, "AddItem", absl::StrCat("k", member, "-", call), barrier::Phase::kAction, add));
    }
  }
  int added = 0;
  for (auto& reply : replies) {
    const std::string said = Said(reply.get());
    added += said.substr(0, 2) == "OK" ? 1 : 0;
    EXPECT_THAT(said, testing::AnyOf(testing::StartsWith("OK"), "CART_LINE_FULL"));
  }
  EXPECT_EQ(added, kMembers * kFit);
  EXPECT_EQ(Ask("SELECT sum(quantity) FROM cart_additions"), kMembers * kFit * kPieces);
  EXPECT_EQ(Ask("SELECT count(DISTINCT member_id) FROM cart_additions"), kMembers);
}

// No two calls are the same, so that only the lock of the cart keeps its lines right.
TEST_F(CartProcessesTest, AHotCartIsWrittenByOneAfterTheOther) {
  constexpr int kWaves = 40, kCallsOfWave = 6;
  for (int wave = 0; wave < kWaves; ++wave) {
    std::vector<std::future<Participant::Reply>> replies;
    for (int i = 0; i < kCallsOfWave; ++i) {
      auto add = std::make_shared<shop::order::v1::AddItemRequest>();
      add->set_member_id("m");
      add->set_product_id("p");
      add->set_quantity(1);
      replies.push_back(Send(i % kProcesses, "AddItem", absl::StrCat("k", wave, "-", i), barrier::Phase::kAction, add));
    }
    for (auto& reply : replies) EXPECT_THAT(Said(reply.get()), testing::StartsWith("OK"));
  }
  EXPECT_EQ(Ask("SELECT sum(quantity) FROM cart_additions"), kWaves * kCallsOfWave);
}

// Under keys that differ, as of two follow-ups of one order.
TEST_F(CartProcessesTest, AnOrderIsClearedOnce) {
  constexpr int kOrders = 30;
  std::vector<std::future<Participant::Reply>> replies;
  for (int i = 0; i < kOrders; ++i) {
    PaidOrder(absl::StrCat("o", i), absl::StrCat("m", i), 3);
    auto clear = std::make_shared<shop::order::v1::ClearOrderedRequest>();
    clear->set_order_id(absl::StrCat("o", i));
    for (int process = 0; process < kProcesses; ++process) {
      replies.push_back(
          Send(process, "ClearOrdered", absl::StrCat("s", i, "-", process), barrier::Phase::kAction, clear));
    }
  }
  for (auto& reply : replies) EXPECT_THAT(Said(reply.get()), testing::StartsWith("OK"));
  EXPECT_EQ(Ask("SELECT count(*) FROM cart_clearings"), kOrders);
  EXPECT_EQ(Ask("SELECT min(quantity) FROM cart_additions"), 97);
  EXPECT_EQ(Ask("SELECT max(quantity) FROM cart_additions"), 97);
}

class NotificationProcessesTest : public ProcessesTest {
 protected:
  NotificationProcessesTest() : ProcessesTest(kOrderMigrations, order::NewNotificationDomain) {}
};

TEST_F(NotificationProcessesTest, AMemberIsToldOnce) {
  constexpr int kOrders = 40;
  std::vector<std::future<Participant::Reply>> replies;
  for (int i = 0; i < kOrders; ++i) {
    auto notify = std::make_shared<shop::order::v1::NotifyRequest>();
    notify->set_order_id(absl::StrCat("o", i));
    notify->set_kind(shop::order::v1::Notification::KIND_PAYMENT_EXPIRED);
    notify->set_member_id("m");
    for (int process = 0; process < kProcesses; ++process) {
      replies.push_back(Send(process, "Notify", absl::StrCat("s", i, "-", process), barrier::Phase::kAction, notify));
    }
  }
  for (auto& reply : replies) EXPECT_EQ(Said(reply.get()), "OK ");
  EXPECT_EQ(Ask("SELECT count(*) FROM notifications"), kOrders);
}

class CouponProcessesTest : public ProcessesTest {
 protected:
  CouponProcessesTest() : ProcessesTest(kCouponMigrations, coupon::NewCouponDomain) {}
};

// Every member asks two processes at once, under two keys.
TEST_F(CouponProcessesTest, ExactlySoManyMembersGetACouponAsThereAreEachOne) {
  constexpr int kCoupons = 40, kMembers = 120;
  auto campaign = std::make_shared<shop::coupon::v1::CreateCampaignRequest>();
  campaign->set_campaign_id("rush");
  campaign->mutable_terms()->mutable_amount_off()->set_minor_units(1000);
  campaign->mutable_terms()->mutable_amount_off()->set_currency_code("KRW");
  campaign->mutable_valid_until()->set_seconds(absl::ToUnixSeconds(clock_.Now() + absl::Hours(1)));
  campaign->set_coupons_max(kCoupons);
  ASSERT_TRUE(Send(0, "CreateCampaign", "campaign", barrier::Phase::kAction, campaign).get().status.ok());
  std::vector<std::future<Participant::Reply>> replies;
  for (int member = 0; member < kMembers; ++member) {
    auto issue = std::make_shared<shop::coupon::v1::IssueRequest>();
    issue->set_campaign_id("rush");
    issue->set_member_id(absl::StrCat("m", member));
    for (int i = 0; i < 2; ++i) {
      replies.push_back(
          Send((member + i) % kProcesses, "Issue", absl::StrCat("s", member, "-", i), barrier::Phase::kAction, issue));
    }
  }
  int got = 0;
  for (auto& reply : replies) {
    const std::string said = Said(reply.get());
    got += said.substr(0, 2) == "OK" ? 1 : 0;
    EXPECT_THAT(said, testing::AnyOf(testing::StartsWith("OK"), "COUPONS_EXHAUSTED", "COUPON_ALREADY_ISSUED"));
  }
  EXPECT_EQ(got, kCoupons);
  EXPECT_EQ(Ask("SELECT issued FROM campaigns"), kCoupons);
  EXPECT_EQ(Ask("SELECT count(*) FROM coupons"), kCoupons);
  EXPECT_EQ(Ask("SELECT count(DISTINCT member_id) FROM coupons"), kCoupons);
}

class WalletProcessesTest : public ProcessesTest {
 protected:
  WalletProcessesTest() : ProcessesTest(kWalletMigrations, wallet::NewWalletDomain) {}
};

// A new purse is made by all of them at once, and then spent by all of them at once.
TEST_F(WalletProcessesTest, NobodySpendsTwiceWhatHeHasOnce) {
  constexpr int kCharges = 30, kOrders = 120;
  std::vector<std::future<Participant::Reply>> charges, holds;
  for (int i = 0; i < kCharges; ++i) {
    auto charge = std::make_shared<shop::wallet::v1::ChargeRequest>();
    charge->set_charge_id(absl::StrCat("c", i));
    charge->set_member_id("m1");
    charge->mutable_amount()->set_minor_units(100);
    charge->mutable_amount()->set_currency_code("KRW");
    charges.push_back(Send(i % kProcesses, "Charge", absl::StrCat("c", i), barrier::Phase::kAction, charge));
  }
  for (auto& reply : charges) EXPECT_EQ(Said(reply.get()).substr(0, 2), "OK");
  EXPECT_EQ(Ask("SELECT balance FROM purses"), kCharges * 100);
  for (int i = 0; i < kOrders; ++i) {
    auto hold = std::make_shared<shop::wallet::v1::HoldRequest>();
    hold->set_order_id(absl::StrCat("o", i));
    hold->set_member_id("m1");
    hold->mutable_use()->mutable_balance()->set_minor_units(70);
    hold->mutable_use()->mutable_balance()->set_currency_code("KRW");
    *hold->mutable_total() = hold->use().balance();
    holds.push_back(Send(i % kProcesses, "Hold", absl::StrCat("o", i), barrier::Phase::kAction, hold));
  }
  int held = 0;
  for (auto& reply : holds) {
    const std::string said = Said(reply.get());
    held += said.substr(0, 2) == "OK" ? 1 : 0;
    EXPECT_THAT(said, testing::AnyOf(testing::StartsWith("OK"), "BALANCE_NOT_ENOUGH"));
  }
  EXPECT_EQ(held, kCharges * 100 / 70);
  EXPECT_EQ(Ask("SELECT balance_held FROM purses"), held * 70);
  EXPECT_EQ(Ask("SELECT CAST(sum(change_minor) AS BIGINT) FROM entries"), 0);
  EXPECT_EQ(Ask("SELECT CAST(sum(change_minor) AS BIGINT) FROM entries WHERE account = 3"), held * 70);
}

}  // namespace
}  // namespace unwind
