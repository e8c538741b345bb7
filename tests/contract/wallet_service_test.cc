#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shop/wallet/v1/wallet_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/contract/service_harness.h"
#include "tests/support/books.h"
#include "tests/support/ware_rules.h"
#include "wallet_svc/wallet.h"
#include "wallet_svc/wallet_domain.h"
#include "wallet_svc/wallet_service.h"

extern const unwind::Migrations kWalletMigrations;

namespace unwind::wallet {
namespace {

namespace v1 = ::shop::wallet::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Stub = v1::WalletService::Stub;

void SetMoney(std::int64_t minor_units, const std::string& currency, ::shop::type::v1::Money& to) {
  to.set_minor_units(minor_units);
  to.set_currency_code(currency);
}

v1::ChargeRequest ChargeOf(const std::string& id, const std::string& member, std::int64_t amount,
                           const std::string& currency = "KRW") {
  v1::ChargeRequest request;
  request.set_charge_id(id);
  request.set_member_id(member);
  SetMoney(amount, currency, *request.mutable_amount());
  return request;
}

v1::HoldRequest HoldOf(const std::string& order, const std::string& member, std::int64_t points, std::int64_t balance,
                       std::int64_t total) {
  v1::HoldRequest request;
  request.set_order_id(order);
  request.set_member_id(member);
  SetMoney(points, "KRW", *request.mutable_use()->mutable_points());
  SetMoney(balance, "KRW", *request.mutable_use()->mutable_balance());
  SetMoney(total, "KRW", *request.mutable_total());
  return request;
}

v1::EarnRequest EarnOf(const std::string& order, const std::string& member, std::int64_t paid) {
  v1::EarnRequest request;
  request.set_order_id(order);
  request.set_member_id(member);
  SetMoney(paid, "KRW", *request.mutable_paid());
  return request;
}

template <class Request>
Request Of(const std::string& order) {
  Request request;
  request.set_order_id(order);
  return request;
}

// What rules of the books say of the database at `path`.
std::vector<std::string> Violations(const std::string& path) {
  const auto books = Books::Open({{"wallets", TestDatabaseAt(path)}});
  EXPECT_TRUE(books.ok()) << books.status();
  std::vector<std::string> violations;
  for (const BooksRule& rule : kWalletRules) {
    const auto found = (*books)->Select(rule.sql);
    EXPECT_TRUE(found.ok()) << found.status();
    for (const std::string& sentence : *found) violations.push_back(absl::StrCat(rule.name, ": ", sentence));
  }
  return violations;
}

class WalletServiceTest : public testing::Test {
 protected:
  Called<v1::ChargeResponse> Charge(const v1::ChargeRequest& request) {
    return Call(stub(), &Stub::Charge, request, SagaCall(request.charge_id(), "credit", "action", "retriable"));
  }
  Called<v1::HoldResponse> Hold(const v1::HoldRequest& request, const Metadata& metadata) {
    return Call(stub(), &Stub::Hold, request, metadata);
  }
  // As the saga whose id is the order's.
  Called<v1::HoldResponse> Hold(const v1::HoldRequest& request) {
    return Hold(request, SagaCall(request.order_id(), "hold_wallet", "action"));
  }
  Called<v1::ReleaseResponse> Release(const std::string& order) {
    return Call(stub(), &Stub::Release, Of<v1::ReleaseRequest>(order), SagaCall(order, "hold_wallet", "compensation"));
  }
  Called<v1::SettleResponse> Settle(const std::string& order) {
    return Call(stub(), &Stub::Settle, Of<v1::SettleRequest>(order),
                SagaCall(order, "settle_wallet", "action", "retriable"));
  }
  Called<v1::ReturnSettledResponse> ReturnSettled(const std::string& order, const std::string& saga = "cancel") {
    return Call(stub(), &Stub::ReturnSettled, Of<v1::ReturnSettledRequest>(order),
                SagaCall(saga, "return_wallet", "action", "retriable"));
  }
  Called<v1::EarnResponse> Earn(const v1::EarnRequest& request, const std::string& saga = "") {
    return Call(stub(), &Stub::Earn, request,
                SagaCall(saga.empty() ? "after-" + request.order_id() : saga, "earn", "action", "retriable"));
  }
  Called<v1::TakeBackResponse> TakeBack(const std::string& order, const std::string& saga = "cancel") {
    return Call(stub(), &Stub::TakeBack, Of<v1::TakeBackRequest>(order), SagaCall(saga, "take_back", "action"));
  }
  Called<v1::UndoTakeBackResponse> UndoTakeBack(const std::string& order, const std::string& saga = "cancel") {
    return Call(stub(), &Stub::UndoTakeBack, Of<v1::UndoTakeBackRequest>(order),
                SagaCall(saga, "take_back", "compensation"));
  }
  Called<v1::ResetWalletsResponse> Reset(const std::string& key) {
    return Call(stub(), &Stub::ResetWallets, v1::ResetWalletsRequest(), Key(key));
  }
  Called<v1::Wallet> Get(const std::string& member, const Metadata& metadata = {}) {
    v1::GetWalletRequest request;
    request.set_member_id(member);
    return Call(stub(), &Stub::GetWallet, request, metadata);
  }
  Called<v1::ListEntriesResponse> List(const std::string& member, int page_size = 0, const std::string& token = "",
                                       const Metadata& metadata = {}) {
    v1::ListEntriesRequest request;
    request.set_member_id(member);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(stub(), &Stub::ListEntries, request, metadata);
  }

  // Gives m1 this much, for a charge and an order that is paid.
  void Fill(std::int64_t balance, std::int64_t points) {
    ASSERT_TRUE(Charge(ChargeOf("fill", "m1", balance)).status.ok());
    ASSERT_TRUE(Earn(EarnOf("fill", "m1", points * 100)).status.ok());
  }

  // What m1 has in won.
  void ExpectPurse(std::int64_t balance, std::int64_t points, std::int64_t balance_held, std::int64_t points_held) {
    const auto called = Get("m1");
    ASSERT_TRUE(called.status.ok()) << called.status;
    ASSERT_EQ(called.response.purses_size(), 1);
    const v1::Purse& purse = called.response.purses(0);
    EXPECT_EQ(purse.balance().minor_units(), balance);
    EXPECT_EQ(purse.points().minor_units(), points);
    EXPECT_EQ(purse.balance_held().minor_units(), balance_held);
    EXPECT_EQ(purse.points_held().minor_units(), points_held);
    EXPECT_EQ(purse.balance().currency_code(), "KRW");
  }

  void TearDown() override { EXPECT_THAT(Violations(process_.database()), IsEmpty()); }

  Stub& stub() { return process_.stub(); }

  ServiceProcess<v1::WalletService> process_{kWalletMigrations, NewWalletDomain, WalletTable()};
};

TEST_F(WalletServiceTest, AnOrderHoldsSettlesAndReturns) {
  Fill(5000, 800);
  const auto held = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.points().minor_units(), 300);
  EXPECT_EQ(held.response.balance().minor_units(), 2000);
  EXPECT_EQ(held.response.due().minor_units(), 7700);
  EXPECT_EQ(held.response.due().currency_code(), "KRW");
  EXPECT_FALSE(held.effect_free);
  ExpectPurse(3000, 500, 2000, 300);
  ASSERT_TRUE(Settle("o1").status.ok());
  ExpectPurse(3000, 500, 0, 0);
  const auto returned = ReturnSettled("o1");
  ASSERT_TRUE(returned.status.ok()) << returned.status;
  EXPECT_EQ(returned.response.points().minor_units(), 300);
  EXPECT_EQ(returned.response.balance().minor_units(), 2000);
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, NoMoreIsTakenThanIsDue) {
  Fill(5000, 800);
  const auto held = Hold(HoldOf("o1", "m1", 800, 5000, 1000));
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.points().minor_units(), 800);
  EXPECT_EQ(held.response.balance().minor_units(), 200);
  EXPECT_TRUE(held.response.has_due());
  EXPECT_EQ(held.response.due().minor_units(), 0);
}

TEST_F(WalletServiceTest, WhatIsNotSaidIsNotTaken) {
  Fill(5000, 800);
  v1::HoldRequest request = HoldOf("o1", "m1", 0, 0, 1000);
  request.mutable_use()->Clear();
  const auto held = Hold(request);
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.due().minor_units(), 1000);
  EXPECT_TRUE(Settle("o1").status.ok());
  const auto returned = ReturnSettled("o1");
  EXPECT_FALSE(returned.response.has_points() || returned.response.has_balance());
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, ACompensationGivesBackAndARepeatDoesNothing) {
  Fill(5000, 800);
  const auto first = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  const auto repeat = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  EXPECT_EQ(first.response.SerializeAsString(), repeat.response.SerializeAsString());
  ExpectPurse(3000, 500, 2000, 300);
  EXPECT_TRUE(Release("o1").status.ok());
  EXPECT_TRUE(Release("o1").status.ok());
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, AnActionAfterItsCompensationIsFenced) {
  Fill(5000, 800);
  EXPECT_TRUE(Release("o1").status.ok());
  const auto late = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  EXPECT_EQ(late.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(late.reason(), "FENCED");
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, TheSameKeyWithAnotherBodyIsRefused) {
  Fill(5000, 800);
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 300, 2000, 10000)).status.ok());
  EXPECT_EQ(Hold(HoldOf("o1", "m1", 300, 2001, 10000)).reason(), "KEY_REUSED");
  ExpectPurse(3000, 500, 2000, 300);
}

TEST_F(WalletServiceTest, WithoutMetadataAChangingCallIsRefused) {
  const Metadata none;
  for (const absl::Status& status :
       {Hold(HoldOf("o1", "m1", 1, 1, 2), none).status,
        Call(stub(), &Stub::Release, Of<v1::ReleaseRequest>("o1"), none).status,
        Call(stub(), &Stub::Settle, Of<v1::SettleRequest>("o1"), none).status,
        Call(stub(), &Stub::ReturnSettled, Of<v1::ReturnSettledRequest>("o1"), none).status,
        Call(stub(), &Stub::Earn, EarnOf("o1", "m1", 1), none).status,
        Call(stub(), &Stub::TakeBack, Of<v1::TakeBackRequest>("o1"), none).status,
        Call(stub(), &Stub::UndoTakeBack, Of<v1::UndoTakeBackRequest>("o1"), none).status,
        Call(stub(), &Stub::Charge, ChargeOf("c1", "m1", 1), none).status,
        Call(stub(), &Stub::ResetWallets, v1::ResetWalletsRequest(), none).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_MISSING");
    EXPECT_EQ(GetErrorInfo(status).domain, "wallet.shop.unwind");
  }
  EXPECT_EQ(Get("m1").response.purses_size(), 0);
}

TEST_F(WalletServiceTest, WhatIsNotThereIsRefusedForGoodAndNothingMoves) {
  Fill(5000, 800);
  const std::vector<std::tuple<v1::HoldRequest, std::string, Metadata>> cases = {
      {HoldOf("o1", "m1", 801, 0, 10000), "POINTS_NOT_ENOUGH", {{"requested", "801"}, {"available", "800"}}},
      {HoldOf("o2", "m1", 800, 5001, 10000), "BALANCE_NOT_ENOUGH", {{"requested", "5001"}, {"available", "5000"}}},
      {HoldOf("o3", "m2", 0, 1, 10000), "BALANCE_NOT_ENOUGH", {{"requested", "1"}, {"available", "0"}}},
  };
  for (const auto& [request, reason, metadata] : cases) {
    const auto called = Hold(request);
    EXPECT_EQ(called.status.code(), absl::StatusCode::kFailedPrecondition) << called.status;
    EXPECT_EQ(called.reason(), reason);
    EXPECT_EQ(called.info().domain, "wallet.shop.unwind");
    for (const auto& [name, value] : metadata) EXPECT_EQ(called.info().metadata.at(name), value);
    EXPECT_TRUE(called.effect_free);
    EXPECT_EQ(called.outcome_key, request.order_id() + "/hold_wallet/action");
  }
  ExpectPurse(5000, 800, 0, 0);
  ASSERT_TRUE(Charge(ChargeOf("more", "m1", 1)).status.ok());
  EXPECT_EQ(Hold(HoldOf("o2", "m1", 800, 5001, 10000)).reason(), "BALANCE_NOT_ENOUGH");  // a refusal is sticky
  ASSERT_TRUE(Hold(HoldOf("o4", "m1", 1, 1, 10)).status.ok());
  const auto twice = Hold(HoldOf("o4", "m1", 1, 1, 10), SagaCall("o4", "hold_more", "action"));
  EXPECT_EQ(twice.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(twice.reason(), "HOLD_EXISTS");
}

TEST_F(WalletServiceTest, EachFieldKeepsItsLimits) {
  Fill(5000, 800);
  const std::string long_id(65, 'a');
  constexpr std::int64_t kTooMuch = kAmountMinorMax + 1;
  const auto fields = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST") << status;
    return BadFields(status);
  };
  const auto hold = [&](const std::function<void(v1::HoldRequest&)>& change) {
    v1::HoldRequest request = HoldOf("o1", "m1", 1, 1, 10);
    change(request);
    return fields(Hold(request, Key("bad" + request.ShortDebugString())).status);
  };
  EXPECT_THAT(hold([](auto& r) { r.set_order_id(""); }), ElementsAre("order_id"));
  EXPECT_THAT(hold([](auto& r) { r.set_member_id("m 1"); }), ElementsAre("member_id"));
  EXPECT_THAT(hold([](auto& r) { r.clear_use(); }), ElementsAre("use"));
  EXPECT_THAT(hold([](auto& r) { r.clear_total(); }), ElementsAre("total"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_use()->mutable_points()->set_minor_units(-1); }),
              ElementsAre("use.points.minor_units"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_use()->mutable_balance()->set_minor_units(kTooMuch); }),
              ElementsAre("use.balance.minor_units"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_use()->mutable_balance()->clear_currency_code(); }),
              ElementsAre("use.balance.currency_code"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_use()->mutable_balance()->set_currency_code("USD"); }),
              ElementsAre("use.balance.currency_code"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_use()->mutable_points()->set_currency_code("USD"); }),
              ElementsAre("use.points.currency_code"));
  EXPECT_THAT(hold([](auto& r) { r.mutable_total()->set_minor_units(-1); }), ElementsAre("total.minor_units"));
  EXPECT_THAT(fields(Charge(ChargeOf("c1", "m1", 0)).status), ElementsAre("amount.minor_units"));
  EXPECT_THAT(fields(Charge(ChargeOf("c1", "m1", -5)).status), ElementsAre("amount.minor_units"));
  EXPECT_THAT(fields(Charge(ChargeOf("c1", "m1", kTooMuch)).status), ElementsAre("amount.minor_units"));
  EXPECT_THAT(fields(Charge(ChargeOf("c1", "m1", 5, "krw")).status), ElementsAre("amount.currency_code"));
  EXPECT_THAT(fields(Charge(ChargeOf(long_id, "", 5)).status), ElementsAre("charge_id", "member_id"));
  EXPECT_THAT(fields(Earn(EarnOf("o1", "m1", -1)).status), ElementsAre("paid.minor_units"));
  EXPECT_THAT(fields(Release("!").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(Settle("").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(ReturnSettled("").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(TakeBack("").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(UndoTakeBack("").status), ElementsAre("order_id"));
  EXPECT_THAT(fields(Get("").status), ElementsAre("member_id"));
  EXPECT_THAT(fields(List("m1", -1).status), ElementsAre("page_size"));
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, AChargeBecomesBalanceOnce) {
  const auto first = Charge(ChargeOf("c1", "m1", 4000));
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_EQ(first.response.balance().minor_units(), 4000);
  EXPECT_EQ(Charge(ChargeOf("c1", "m1", 4000)).response.SerializeAsString(), first.response.SerializeAsString());
  const auto other = Call(stub(), &Stub::Charge, ChargeOf("c1", "m1", 4000), Key("other"));
  EXPECT_EQ(other.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(other.reason(), "CHARGE_EXISTS");
  ExpectPurse(4000, 0, 0, 0);
}

TEST_F(WalletServiceTest, AnOrderEarnsOnceAndACancelTakesItBack) {
  Fill(5000, 800);
  const auto earned = Earn(EarnOf("o1", "m1", 7799));
  ASSERT_TRUE(earned.status.ok()) << earned.status;
  EXPECT_EQ(earned.response.points().minor_units(), 77);
  EXPECT_EQ(Earn(EarnOf("o1", "m1", 7799), "after-another").reason(), "EARNING_EXISTS");
  ExpectPurse(5000, 877, 0, 0);
  const auto taken = TakeBack("o1");
  ASSERT_TRUE(taken.status.ok()) << taken.status;
  EXPECT_EQ(taken.response.taken().minor_units(), 77);
  EXPECT_FALSE(taken.response.has_kept_from_balance());
  EXPECT_FALSE(taken.response.has_keep_from_refund());
  ExpectPurse(5000, 800, 0, 0);
  EXPECT_EQ(TakeBack("o1", "cancel2").reason(), "TAKEN_BACK_ALREADY");
}

TEST_F(WalletServiceTest, WhatAnOrderSpentOfTheBalanceEarnsToo) {
  Fill(5000, 800);
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 300, 2000, 10000)).status.ok());
  ASSERT_TRUE(Settle("o1").status.ok());
  EXPECT_EQ(Earn(EarnOf("o1", "m1", 7700)).response.points().minor_units(), 97);
  ExpectPurse(3000, 597, 0, 0);
}

// The cancel overtakes the follow-up that earns.
TEST_F(WalletServiceTest, ATakeBackBeforeTheEarningLeavesATombstone) {
  Fill(5000, 800);
  const auto taken = TakeBack("o1");
  ASSERT_TRUE(taken.status.ok()) << taken.status;
  EXPECT_EQ(taken.response.ByteSizeLong(), 0U);
  const auto earned = Earn(EarnOf("o1", "m1", 7799));
  ASSERT_TRUE(earned.status.ok()) << earned.status;
  EXPECT_EQ(earned.response.points().minor_units(), 0);
  ExpectPurse(5000, 800, 0, 0);
}

// The cancel fails, and the follow-up comes in every place.
TEST_F(WalletServiceTest, AnOrderWhoseCancelFailedHasEarned) {
  Fill(5000, 800);
  ASSERT_TRUE(Earn(EarnOf("before", "m1", 1000)).status.ok());
  ASSERT_TRUE(TakeBack("before").status.ok());
  ASSERT_TRUE(UndoTakeBack("before").status.ok());
  ASSERT_TRUE(TakeBack("between", "cancel2").status.ok());
  ASSERT_TRUE(Earn(EarnOf("between", "m1", 1000)).status.ok());
  ASSERT_TRUE(UndoTakeBack("between", "cancel2").status.ok());
  ASSERT_TRUE(TakeBack("after", "cancel3").status.ok());
  ASSERT_TRUE(UndoTakeBack("after", "cancel3").status.ok());
  ASSERT_TRUE(Earn(EarnOf("after", "m1", 1000)).status.ok());
  ExpectPurse(5000, 830, 0, 0);
  const auto taken = TakeBack("between", "cancel4");
  EXPECT_EQ(taken.response.taken().minor_units(), 10);
  ExpectPurse(5000, 820, 0, 0);
}

TEST_F(WalletServiceTest, ATakeBackAfterItsCompensationIsFenced) {
  Fill(5000, 800);
  ASSERT_TRUE(UndoTakeBack("fill").status.ok());
  EXPECT_EQ(TakeBack("fill").reason(), "FENCED");
  ExpectPurse(5000, 800, 0, 0);
}

// The member earns 100 points and spends 60 of them before the order is cancelled.
TEST_F(WalletServiceTest, PointsThatAreSpentAreKeptFromWhatGoesBack) {
  Fill(500, 0);
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 0, 25, 10000)).status.ok());
  ASSERT_TRUE(Settle("o1").status.ok());
  ASSERT_TRUE(Earn(EarnOf("o1", "m1", 10000)).status.ok());
  ASSERT_TRUE(Hold(HoldOf("o2", "m1", 60, 0, 10000)).status.ok());
  const auto taken = TakeBack("o1");
  ASSERT_TRUE(taken.status.ok()) << taken.status;
  EXPECT_EQ(taken.response.taken().minor_units(), 40);
  EXPECT_EQ(taken.response.kept_from_balance().minor_units(), 25);
  EXPECT_EQ(taken.response.keep_from_refund().minor_units(), 35);
  EXPECT_EQ(taken.response.keep_from_refund().currency_code(), "KRW");
  const auto returned = ReturnSettled("o1");
  ASSERT_TRUE(returned.status.ok()) << returned.status;
  EXPECT_FALSE(returned.response.has_balance());
  ExpectPurse(475, 0, 0, 60);
  EXPECT_TRUE(Release("o2").status.ok());  // what came free later is the member's: he has paid for it
  ExpectPurse(475, 60, 0, 0);
}

TEST_F(WalletServiceTest, ARefusedRetriableStepMayBeTriedAgain) {
  Fill(5000, 800);
  const auto early = Settle("o1");
  EXPECT_EQ(early.reason(), "HOLD_NOT_FOUND");
  EXPECT_FALSE(early.effect_free);
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 1, 1, 10)).status.ok());
  const auto overtaking = ReturnSettled("o1");
  EXPECT_EQ(overtaking.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(overtaking.reason(), "HOLD_IN_PROGRESS");
  EXPECT_TRUE(Settle("o1").status.ok());
  EXPECT_TRUE(ReturnSettled("o1").status.ok());
  EXPECT_EQ(ReturnSettled("o1", "cancel2").reason(), "HOLD_NOT_SETTLED");
  EXPECT_TRUE(ReturnSettled("o9", "cancel9").status.ok());  // spent nothing
  ExpectPurse(5000, 800, 0, 0);
}

TEST_F(WalletServiceTest, AMemberHasAPurseOfEachCurrency) {
  ASSERT_TRUE(Charge(ChargeOf("c1", "m1", 5000)).status.ok());
  ASSERT_TRUE(Charge(ChargeOf("c2", "m1", 70, "USD")).status.ok());
  v1::HoldRequest request = HoldOf("o1", "m1", 0, 0, 0);
  request.mutable_use()->Clear();
  SetMoney(60, "USD", *request.mutable_use()->mutable_balance());
  SetMoney(100, "USD", *request.mutable_total());
  const auto held = Hold(request);
  ASSERT_TRUE(held.status.ok()) << held.status;
  EXPECT_EQ(held.response.due().currency_code(), "USD");
  const auto wallet = Get("m1").response;
  ASSERT_EQ(wallet.purses_size(), 2);
  EXPECT_EQ(wallet.purses(0).balance().minor_units(), 5000);
  EXPECT_EQ(wallet.purses(1).balance().minor_units(), 10);
  EXPECT_EQ(wallet.purses(1).balance().currency_code(), "USD");
  EXPECT_EQ(Get("nobody").response.purses_size(), 0);
}

TEST_F(WalletServiceTest, ListsAMembersEntriesNewestFirst) {
  Fill(5000, 800);
  ASSERT_TRUE(Charge(ChargeOf("c9", "m2", 1)).status.ok());
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 300, 2000, 10000)).status.ok());
  ASSERT_TRUE(Settle("o1").status.ok());
  std::vector<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const auto page = List("m1", 3, token);
    ASSERT_TRUE(page.status.ok()) << page.status;
    for (const v1::Entry& entry : page.response.entries()) {
      EXPECT_EQ(entry.currency_code(), "KRW");
      seen.push_back(absl::StrCat(v1::Entry::Cause_Name(entry.cause()), " ", entry.cause_id(), " ",
                                  v1::Entry::Account_Name(entry.account()), " ", entry.change_minor_units()));
    }
    token = page.response.next_page_token();
    ++pages;
  } while (!token.empty());
  EXPECT_THAT(seen,
              ElementsAre("CAUSE_SETTLE o1 ACCOUNT_BALANCE_HELD -2000", "CAUSE_SETTLE o1 ACCOUNT_POINTS_HELD -300",
                          "CAUSE_HOLD o1 ACCOUNT_BALANCE_HELD 2000", "CAUSE_HOLD o1 ACCOUNT_BALANCE -2000",
                          "CAUSE_HOLD o1 ACCOUNT_POINTS_HELD 300", "CAUSE_HOLD o1 ACCOUNT_POINTS -300",
                          "CAUSE_EARN fill ACCOUNT_POINTS 800", "CAUSE_CHARGE fill ACCOUNT_BALANCE 5000"));
  EXPECT_EQ(pages, 3);
  const std::string of_m1 = List("m1", 2).response.next_page_token();
  for (const std::string& bad : {std::string("x"), std::string("!"), std::string("MQpvcmRlcnMKYQ"), of_m1}) {
    EXPECT_EQ(List("m2", 2, bad).reason(), "INVALID_PAGE_TOKEN");
  }
}

TEST_F(WalletServiceTest, NobodySpendsTwiceWhatHeHasOnce) {
  constexpr int kOrders = 400, kThreads = 20;
  Fill(6000, 300);
  std::atomic<std::int64_t> points = 0, balance = 0;
  std::atomic<int> held = 0, odd = 0;
  std::vector<std::future<void>> buyers;
  for (int t = 0; t < kThreads; ++t) {
    buyers.push_back(std::async(std::launch::async, [&, t] {
      for (int i = t; i < kOrders; i += kThreads) {
        const auto called = Hold(HoldOf(absl::StrCat("o", i), "m1", i % 3, 50, 1000));
        if (called.status.ok()) {
          ++held;
          points += called.response.points().minor_units();
          balance += called.response.balance().minor_units();
        } else if (called.reason() != "BALANCE_NOT_ENOUGH" && called.reason() != "POINTS_NOT_ENOUGH") {
          ++odd;
        }
      }
    }));
  }
  for (std::future<void>& buyer : buyers) buyer.get();
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(held, 6000 / 50);
  ExpectPurse(6000 - balance, 300 - points, balance, points);
}

TEST_F(WalletServiceTest, WhatWasAnsweredSurvivesARestart) {
  Fill(5000, 800);
  const auto before = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  process_.Stop();
  process_.Start();
  const auto after = Hold(HoldOf("o1", "m1", 300, 2000, 10000));
  ASSERT_TRUE(after.status.ok()) << after.status;
  EXPECT_EQ(before.response.SerializeAsString(), after.response.SerializeAsString());
  ExpectPurse(3000, 500, 2000, 300);
}

TEST_F(WalletServiceTest, AResetRemovesEverythingUnlessSomethingIsHeld) {
  Fill(5000, 800);
  ASSERT_TRUE(Hold(HoldOf("o1", "m1", 300, 2000, 10000)).status.ok());
  const auto refused = Reset("reset1");
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "RESET_REFUSED");
  EXPECT_EQ(refused.info().metadata.at("held"), "1");
  ASSERT_TRUE(Release("o1").status.ok());
  const auto reset = Reset("reset2");
  ASSERT_TRUE(reset.status.ok()) << reset.status;
  EXPECT_EQ(reset.response.wallets_removed(), 1);
  EXPECT_EQ(Get("m1").response.purses_size(), 0);
  EXPECT_EQ(List("m1").response.entries_size(), 0);
  EXPECT_TRUE(Call(stub(), &Stub::Charge, ChargeOf("fill", "m1", 7), Key("anew")).status.ok());
  ExpectPurse(7, 0, 0, 0);
}

TEST(WalletReset, IsOffByDefault) {
  ServiceProcess<v1::WalletService> process(kWalletMigrations, NewWalletDomain, WalletTable(), false);
  const auto called = Call(process.stub(), &Stub::ResetWallets, v1::ResetWalletsRequest(), Key("k"));
  EXPECT_EQ(called.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(called.reason(), "RESET_DISABLED");
}

// Who asks, once callers are told apart.

constexpr char kGateway[] = R"(rules:
  - callers: [gateway]
    member: allowed
    methods:
      - shop.wallet.v1.WalletService/GetWallet
      - shop.wallet.v1.WalletService/ListEntries
)";

TEST_F(WalletServiceTest, AMemberSeesOnlyItsOwnWallet) {
  Fill(5000, 800);
  process_.Stop();
  process_.Guard(kGateway);
  process_.Start();
  const auto by = [](const std::string& member) {
    return Metadata{{kTestIdentity, "gateway"}, {"x-member-id", member}};
  };
  EXPECT_EQ(Get("m1", by("m1")).response.purses_size(), 1);
  EXPECT_EQ(List("m1", 0, "", by("m1")).response.entries_size(), 2);
  for (const absl::Status& status : {Get("m1", by("m2")).status, List("m1", 0, "", by("m2")).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(GetErrorInfo(status).reason, "CALLER_NOT_ALLOWED");
    EXPECT_THAT(BadFields(status), ElementsAre("member_id"));
  }
}

// Batches straight into the domain, without gRPC and the barrier.
class WalletBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    connection_ = OpenTestDatabase(folder_.File("wallet.db"));
    ASSERT_TRUE(Migrate(*connection_, "wallet", kWalletMigrations).ok());
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
    for (const Command* command : commands) ok += std::holds_alternative<Ok>(command->answer) ? 1 : 0;
    batch_.clear();
    return ok;
  }

  absl::Status Run(const std::string& sql) {
    return connection_->Write([&](soci::session& session) {
      session << sql;
      return absl::OkStatus();
    });
  }

  std::vector<std::string> Wrong() { return Violations(folder_.File("wallet.db")); }

  const TempDir folder_;
  const SystemClock clock_{};
  const std::unique_ptr<StepDomain> domain_ = NewWalletDomain(clock_, 10);
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Command>> batch_;
};

TEST_F(WalletBatchTest, CommandsOfOneBatchSeeEachOther) {
  Add("Hold", "o1", HoldOf("o1", "m1", 0, 100, 1000));  // before anything is there
  Add("Charge", "c1", ChargeOf("c1", "m1", 1000));
  Add("Charge", "c2", ChargeOf("c1", "m1", 1000));  // twice
  Add("Hold", "o2", HoldOf("o2", "m1", 0, 1000, 1000));
  Add("Hold", "o3", HoldOf("o3", "m1", 0, 1, 1000));  // nothing left
  Add("Settle", "o2", Of<v1::SettleRequest>("o2"));
  Add("Earn", "e", EarnOf("o2", "m1", 1000));
  Add("TakeBack", "x", Of<v1::TakeBackRequest>("o2"));
  Add("ReturnSettled", "x", Of<v1::ReturnSettledRequest>("o2"));
  Add("Hold", "o4", HoldOf("o4", "m1", 0, 1, 1000));
  Add("ResetWallets", "k", v1::ResetWalletsRequest());  // o4 holds something
  Add("Release", "o4", Of<v1::ReleaseRequest>("o4"));
  EXPECT_EQ(Apply(), 8);
  EXPECT_THAT(Wrong(), IsEmpty());
  Add("ResetWallets", "k", v1::ResetWalletsRequest());
  Add("Charge", "c1", ChargeOf("c1", "m1", 5));
  EXPECT_EQ(Apply(), 2);
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(WalletBatchTest, WhatAnAccountHoldsHasALimit) {
  for (int i = 0; i < 1000; ++i) Add("Charge", "k", ChargeOf(absl::StrCat("c", i), "m1", kAmountMinorMax));
  EXPECT_EQ(Apply(), 1000);
  Add("Charge", "k", ChargeOf("last", "m1", 1));
  EXPECT_EQ(Apply(), 0);
  Add("Hold", "o1", HoldOf("o1", "m1", 0, 1, 1));
  Add("Charge", "k", ChargeOf("last", "m1", 1));
  EXPECT_EQ(Apply(), 2);
  EXPECT_THAT(Wrong(), IsEmpty());
}

TEST_F(WalletBatchTest, TheBooksAgreeWhateverComes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 60 && !HasFailure(); ++round) {
    const int commands = 1 + draw(40);
    for (int i = 0; i < commands; ++i) {
      const std::string order = absl::StrCat("o", draw(60)), member = absl::StrCat("m", draw(5));
      switch (draw(14)) {
        case 0:
          Add("Charge", "k",
              ChargeOf(absl::StrCat("c", draw(400)), member, 1 + draw(2000), draw(5) == 0 ? "USD" : "KRW"));
          break;
        case 1:
        case 2:
          Add("Release", order, Of<v1::ReleaseRequest>(order));
          break;
        case 3:
        case 4:
        case 5:
          Add("Settle", "other", Of<v1::SettleRequest>(order));
          break;
        case 6:
          Add("ReturnSettled", "other", Of<v1::ReturnSettledRequest>(order));
          break;
        case 7:
        case 8:
          Add("Earn", "other", EarnOf(order, member, draw(3000)));
          break;
        case 9:
          Add("TakeBack", "x" + order, Of<v1::TakeBackRequest>(order));
          break;
        case 10:
          Add("UndoTakeBack", "x" + order, Of<v1::UndoTakeBackRequest>(order));
          break;
        case 11:
          if (draw(20) == 0) Add("ResetWallets", "k", v1::ResetWalletsRequest());
          break;
        default:
          Add("Hold", order, HoldOf(order, member, draw(60), draw(600), draw(1500)));
      }
    }
    Apply();
    EXPECT_THAT(Wrong(), IsEmpty());
  }
}

TEST_F(WalletBatchTest, NoAccountOfAMemberIsNegativeInTheTableEither) {
  Add("Charge", "c1", ChargeOf("c1", "m1", 1000));
  ASSERT_EQ(Apply(), 1);
  for (const char* const column : {"balance", "points", "balance_held", "points_held"}) {
    EXPECT_FALSE(Run(absl::StrCat("UPDATE purses SET ", column, " = -1")).ok()) << column;
  }
  EXPECT_TRUE(Run("UPDATE purses SET balance = 0").ok());
}

TEST_F(WalletBatchTest, EachRuleOfTheBooksSeesItsDamage) {
  Add("Charge", "c1", ChargeOf("c1", "m1", 1000));
  Add("Earn", "e", EarnOf("o1", "m1", 1000));
  Add("Hold", "o2", HoldOf("o2", "m1", 10, 20, 1000));
  Add("Hold", "o3", HoldOf("o3", "m1", 0, 30, 1000));
  Add("Settle", "o3", Of<v1::SettleRequest>("o3"));
  ASSERT_EQ(Apply(), 5);
  ASSERT_THAT(Wrong(), IsEmpty());
  const std::vector<std::tuple<const char*, std::string, std::string>> damages = {
      {"the ledger sums to zero", "UPDATE entries SET change_minor = change_minor + 1 WHERE account = 6",
       "UPDATE entries SET change_minor = change_minor - 1 WHERE account = 6"},
      {"the ledger sums to zero", "UPDATE entries SET account = 7 WHERE account = 6",
       "UPDATE entries SET account = 6 WHERE account = 7 AND cause_id = 'o3'"},
      {"every purse is the sum of its entries", "UPDATE purses SET balance = balance + 1",
       "UPDATE purses SET balance = balance - 1"},
      {"every purse is the sum of its entries", "UPDATE purses SET member_id = 'm2'",
       "UPDATE purses SET member_id = 'm1'"},
      {"what purses hold is what orders hold", "UPDATE holds SET points = points - 1 WHERE order_id = 'o2'",
       "UPDATE holds SET points = points + 1 WHERE order_id = 'o2'"},
      {"what purses hold is what orders hold", "UPDATE holds SET state = 3 WHERE state = 1",
       "UPDATE holds SET state = 1 WHERE order_id = 'o2'"},
      {"holds, earnings and charges have moved", "UPDATE holds SET state = 2 WHERE state = 3",
       "UPDATE holds SET state = 3 WHERE state = 2"},
      {"holds, earnings and charges have moved", "UPDATE earnings SET points = points + 1",
       "UPDATE earnings SET points = points - 1"},
      {"holds, earnings and charges have moved", "UPDATE charges SET charge_id = 'c2'",
       "UPDATE charges SET charge_id = 'c1'"},
  };
  for (const auto& [rule, damage, repair] : damages) {
    ASSERT_TRUE(Run(damage).ok()) << damage;
    EXPECT_THAT(Wrong(), testing::Contains(HasSubstr(rule))) << damage;
    ASSERT_TRUE(Run(repair).ok()) << repair;
    EXPECT_THAT(Wrong(), IsEmpty()) << repair;
  }
}

}  // namespace
}  // namespace unwind::wallet
