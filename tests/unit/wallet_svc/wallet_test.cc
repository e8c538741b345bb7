#include "wallet_svc/wallet.h"

#include <functional>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace unwind::wallet {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(1);
constexpr char kOwner[] = "saga/hold_wallet";
constexpr char kTaker[] = "cancel/take_back";

// What m1 has in won.
Purse& Won(Ledger& ledger) { return ledger.purses[{"m1", "KRW"}]; }

Ledger With(std::int64_t balance, std::int64_t points) {
  Ledger ledger;
  Won(ledger) = {balance, points, 0, 0};
  return ledger;
}

HoldCall CallOf(std::int64_t points, std::int64_t balance, std::int64_t total) {
  return {"o1", kOwner, "m1", {points, "KRW"}, {balance, "KRW"}, {total, "KRW"}};
}

struct World {
  std::optional<Hold> hold;
  std::optional<Earning> earning;
  Ledger ledger = With(5000, 800);
};

// 300 points and 2000 of balance, held of an order of 10000 and brought to `state`.
World InState(HoldState state) {
  World world;
  EXPECT_TRUE(TakeHold(world.hold, world.ledger, CallOf(300, 2000, 10000), kNow).ok());
  if (state == HoldState::kReleased) {
    EXPECT_TRUE(Release(world.hold, world.ledger, kOwner, kNow).ok());
  }
  if (state == HoldState::kSettled || state == HoldState::kReturned) {
    EXPECT_TRUE(Settle(world.hold, world.ledger, "o1", kNow).ok());
  }
  if (state == HoldState::kReturned) {
    EXPECT_TRUE(ReturnSettled(world.hold, world.ledger, kNow).ok());
  }
  world.ledger.entries.clear();
  return world;
}

absl::Status EarnFor(World& world, std::int64_t paid, std::int64_t& earned) {
  return Earn(world.earning, world.hold, world.ledger, {"o1", "m1", {paid, "KRW"}}, 1, kNow, earned);
}

// An order of m1 that earned 77 points.
World Earned() {
  World world;
  std::int64_t earned = 0;
  EXPECT_TRUE(EarnFor(world, 7799, earned).ok());
  EXPECT_EQ(earned, 77);
  return world;
}

absl::Status Take(World& world, const char* owner = kTaker) {
  TakenBack taken;
  return TakeBack(world.earning, world.hold, world.ledger, "o1", owner, kLater, taken);
}
absl::Status Undo(World& world, const char* owner = kTaker) {
  return UndoTakeBack(world.earning, world.hold, world.ledger, owner, kLater);
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, absl::string_view reason,
                   const std::map<std::string, std::string>& metadata) {
  EXPECT_EQ(status.code(), code) << status;
  const ErrorInfo info = GetErrorInfo(status);
  EXPECT_EQ(info.reason, std::string(reason));
  EXPECT_EQ(info.domain, "wallet.shop.unwind");
  EXPECT_EQ(info.metadata, metadata);
}

std::string BadField(const absl::Status& status) {
  EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST") << status;
  google::rpc::BadRequest bad;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) bad.ParseFromString(std::string(*payload));
  return bad.field_violations_size() == 1 ? bad.field_violations(0).field() : "";
}

// `step` is refused and has changed nothing.
void ExpectNothingMoved(World world, const std::function<absl::Status(World&)>& step,
                        const std::function<void(const absl::Status&)>& check) {
  const World before = world;
  check(step(world));
  EXPECT_EQ(world.hold, before.hold);
  EXPECT_EQ(world.earning, before.earning);
  EXPECT_EQ(world.ledger.purses, before.ledger.purses);
  EXPECT_EQ(world.ledger.entries, before.ledger.entries);
}

// What came into an account, by the entries.
std::int64_t Sum(const Ledger& ledger, Account account) {
  std::int64_t sum = 0;
  for (const Entry& entry : ledger.entries) sum += entry.account == account ? entry.change_minor : 0;
  return sum;
}

std::int64_t SumOfAll(const Ledger& ledger) {
  std::int64_t sum = 0;
  for (const Entry& entry : ledger.entries) sum += entry.change_minor;
  return sum;
}

TEST(TakeHold, TakesPointsAndBalanceAndSaysWhatIsDue) {
  World world;
  ASSERT_TRUE(TakeHold(world.hold, world.ledger, CallOf(300, 2000, 10000), kNow).ok());
  EXPECT_EQ(world.hold->points, 300);
  EXPECT_EQ(world.hold->balance, 2000);
  EXPECT_EQ(world.hold->due(), 7700);
  EXPECT_EQ(world.hold->owner, kOwner);
  EXPECT_EQ(Won(world.ledger), (Purse{3000, 500, 2000, 300}));
  EXPECT_THAT(world.ledger.entries,
              ElementsAre(Entry{"o1", Cause::kHold, 0, "m1", Account::kPoints, -300, "KRW", kNow},
                          Entry{"o1", Cause::kHold, 1, "m1", Account::kPointsHeld, 300, "KRW", kNow},
                          Entry{"o1", Cause::kHold, 2, "m1", Account::kBalance, -2000, "KRW", kNow},
                          Entry{"o1", Cause::kHold, 3, "m1", Account::kBalanceHeld, 2000, "KRW", kNow}));
}

TEST(TakeHold, TakesNoMoreThanIsDueAndPointsFirst) {
  World world;
  ASSERT_TRUE(TakeHold(world.hold, world.ledger, CallOf(800, 5000, 1000), kNow).ok());
  EXPECT_EQ(world.hold->points, 800);
  EXPECT_EQ(world.hold->balance, 200);
  EXPECT_EQ(world.hold->due(), 0);
  World of_points;
  ASSERT_TRUE(TakeHold(of_points.hold, of_points.ledger, CallOf(kAmountMinorMax, 5000, 500), kNow).ok());
  EXPECT_EQ(of_points.hold->points, 500);
  EXPECT_EQ(of_points.hold->balance, 0);
}

TEST(TakeHold, OfNothingMovesNothing) {
  World world;
  world.ledger = {};
  ASSERT_TRUE(TakeHold(world.hold, world.ledger, {"o1", kOwner, "m1", {}, {}, {700, "KRW"}}, kNow).ok());
  EXPECT_EQ(world.hold->due(), 700);
  EXPECT_TRUE(world.ledger.entries.empty());
  EXPECT_TRUE(world.ledger.purses.empty());
}

TEST(TakeHold, ToTheLastUnitAndNotOneMore) {
  World world;
  EXPECT_TRUE(TakeHold(world.hold, world.ledger, CallOf(800, 5000, 10000), kNow).ok());
  EXPECT_EQ(Won(world.ledger), (Purse{0, 0, 5000, 800}));
  const auto take = [](std::int64_t points, std::int64_t balance) {
    return [=](World& w) { return TakeHold(w.hold, w.ledger, CallOf(points, balance, 10000), kNow); };
  };
  ExpectNothingMoved({}, take(801, 5000), [](const absl::Status& status) {
    ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "POINTS_NOT_ENOUGH",
                  {{"requested", "801"}, {"available", "800"}, {"currency_code", "KRW"}});
  });
  ExpectNothingMoved({}, take(800, 5001), [](const absl::Status& status) {
    ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "BALANCE_NOT_ENOUGH",
                  {{"requested", "5001"}, {"available", "5000"}, {"currency_code", "KRW"}});
  });
}

TEST(TakeHold, WhoHasNothingHasNotEnough) {
  World world;
  world.ledger = {};
  ExpectNothingMoved(
      world, [](World& w) { return TakeHold(w.hold, w.ledger, CallOf(1, 0, 10), kNow); },
      [](const absl::Status& status) { EXPECT_EQ(GetErrorInfo(status).reason, "POINTS_NOT_ENOUGH"); });
}

TEST(TakeHold, AnotherCurrencyNamesItsField) {
  const auto field_of = [](const std::function<void(HoldCall&)>& change) {
    HoldCall call = CallOf(1, 1, 10);
    change(call);
    std::string field;
    ExpectNothingMoved(
        {}, [&](World& w) { return TakeHold(w.hold, w.ledger, call, kNow); },
        [&](const absl::Status& status) { field = BadField(status); });
    return field;
  };
  EXPECT_EQ(field_of([](HoldCall& call) { call.points.currency_code = "USD"; }), "use.points.currency_code");
  EXPECT_EQ(field_of([](HoldCall& call) { call.balance.currency_code = "USD"; }), "use.balance.currency_code");
  EXPECT_EQ(field_of([](HoldCall& call) { call.total.currency_code = "krw"; }), "total.currency_code");
}

TEST(TakeHold, OncePerOrder) {
  for (const HoldState state : {HoldState::kHeld, HoldState::kReleased, HoldState::kSettled, HoldState::kReturned}) {
    ExpectNothingMoved(
        InState(state), [](World& w) { return TakeHold(w.hold, w.ledger, CallOf(1, 1, 10), kLater); },
        [](const absl::Status& status) {
          ExpectRefused(status, absl::StatusCode::kAlreadyExists, "HOLD_EXISTS", {{"order_id", "o1"}});
        });
  }
}

TEST(Release, GivesBackWhatIsHeld) {
  World world = InState(HoldState::kHeld);
  ASSERT_TRUE(Release(world.hold, world.ledger, kOwner, kLater).ok());
  EXPECT_EQ(world.hold->state, HoldState::kReleased);
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 800, 0, 0}));
  EXPECT_EQ(SumOfAll(world.ledger), 0);
  EXPECT_EQ(Sum(world.ledger, Account::kBalance), 2000);
  EXPECT_TRUE(Release(world.hold, world.ledger, kOwner, kLater).ok());  // again
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 800, 0, 0}));
}

TEST(Release, WhatNeverCameIsNothingToUndo) {
  World world;
  EXPECT_TRUE(Release(world.hold, world.ledger, kOwner, kLater).ok());
  EXPECT_FALSE(world.hold.has_value());
  EXPECT_TRUE(world.ledger.entries.empty());
}

TEST(Release, OnlyByTheCallThatTookIt) {
  ExpectNothingMoved(
      InState(HoldState::kHeld), [](World& w) { return Release(w.hold, w.ledger, "other/hold_wallet", kLater); },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "HOLD_OWNED_BY_OTHER", {{"order_id", "o1"}});
      });
}

using Step = std::function<absl::Status(World&)>;

void ExpectRefusedIn(const std::map<HoldState, std::string>& states, absl::string_view reason, const Step& step) {
  for (const auto& [state, name] : states) {
    SCOPED_TRACE(name);
    ExpectNothingMoved(InState(state), step, [&, &name = name](const absl::Status& status) {
      ExpectRefused(status, absl::StatusCode::kFailedPrecondition, reason, {{"order_id", "o1"}, {"state", name}});
    });
  }
}

TEST(Release, WhatWasSpentIsRefused) {
  ExpectRefusedIn({{HoldState::kSettled, "SETTLED"}, {HoldState::kReturned, "RETURNED"}}, "HOLD_NOT_HELD",
                  [](World& w) { return Release(w.hold, w.ledger, kOwner, kLater); });
}

TEST(Settle, WhatIsHeldIsSpent) {
  World world = InState(HoldState::kHeld);
  ASSERT_TRUE(Settle(world.hold, world.ledger, "o1", kLater).ok());
  EXPECT_EQ(world.hold->state, HoldState::kSettled);
  EXPECT_EQ(Won(world.ledger), (Purse{3000, 500, 0, 0}));
  EXPECT_EQ(Sum(world.ledger, Account::kSales), 2000);
  EXPECT_EQ(Sum(world.ledger, Account::kPointsPool), 300);
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(Settle, AnUnknownOrderAndOtherStatesAreRefused) {
  ExpectNothingMoved(
      {}, [](World& w) { return Settle(w.hold, w.ledger, "o1", kLater); },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kNotFound, "HOLD_NOT_FOUND", {{"order_id", "o1"}});
      });
  ExpectRefusedIn(
      {{HoldState::kReleased, "RELEASED"}, {HoldState::kSettled, "SETTLED"}, {HoldState::kReturned, "RETURNED"}},
      "HOLD_NOT_HELD", [](World& w) { return Settle(w.hold, w.ledger, "o1", kLater); });
}

TEST(ReturnSettled, WhatWasSpentIsTheMembersAgain) {
  World world = InState(HoldState::kSettled);
  ASSERT_TRUE(ReturnSettled(world.hold, world.ledger, kLater).ok());
  EXPECT_EQ(world.hold->state, HoldState::kReturned);
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 800, 0, 0}));
  EXPECT_EQ(Sum(world.ledger, Account::kSales), -2000);
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(ReturnSettled, AnOrderThatSpentNothingIsNothingToReturn) {
  World world;
  EXPECT_TRUE(ReturnSettled(world.hold, world.ledger, kLater).ok());
  EXPECT_TRUE(world.ledger.entries.empty());
}

TEST(ReturnSettled, AHoldOnItsWayToBeSettledIsAskedForAgain) {
  ExpectNothingMoved(
      InState(HoldState::kHeld), [](World& w) { return ReturnSettled(w.hold, w.ledger, kLater); },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kUnavailable, "HOLD_IN_PROGRESS", {{"order_id", "o1"}});
      });
}

TEST(ReturnSettled, OtherStatesAreRefused) {
  ExpectRefusedIn({{HoldState::kReleased, "RELEASED"}, {HoldState::kReturned, "RETURNED"}}, "HOLD_NOT_SETTLED",
                  [](World& w) { return ReturnSettled(w.hold, w.ledger, kLater); });
}

TEST(Earn, IsAPercentageRoundedDown) {
  World world = Earned();
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 877, 0, 0}));
  EXPECT_EQ(world.earning->state, EarningState::kEarned);
  EXPECT_EQ(world.earning->member_id, "m1");
  EXPECT_EQ(Sum(world.ledger, Account::kPointsPool), -77);
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(Earn, OfTheLargestAmountIsExact) {
  World world;
  std::int64_t earned = 0;
  const EarnCall call = {"o1", "m1", {kAmountMinorMax, "KRW"}};
  ASSERT_TRUE(Earn(world.earning, world.hold, world.ledger, call, 100, kNow, earned).ok());
  EXPECT_EQ(earned, kAmountMinorMax);
}

TEST(Earn, CountsTheBalanceThatTheOrderSpentAndNotItsPoints) {
  for (const HoldState state : {HoldState::kHeld, HoldState::kSettled, HoldState::kReturned}) {
    World world = InState(state);
    std::int64_t earned = 0;
    ASSERT_TRUE(EarnFor(world, 7700, earned).ok());
    EXPECT_EQ(earned, 97);
  }
  World released = InState(HoldState::kReleased);
  std::int64_t earned = 0;
  ASSERT_TRUE(EarnFor(released, 7700, earned).ok());
  EXPECT_EQ(earned, 77);
  World dollars = InState(HoldState::kSettled);
  const EarnCall call = {"o1", "m1", {7700, "USD"}};
  ASSERT_TRUE(Earn(dollars.earning, dollars.hold, dollars.ledger, call, 1, kNow, earned).ok());
  EXPECT_EQ(earned, 77);
}

TEST(Earn, OncePerOrderAlsoWhenItWasWorthNothing) {
  for (const std::int64_t paid : {std::int64_t{7799}, std::int64_t{50}}) {
    World world;
    std::int64_t earned = 0;
    ASSERT_TRUE(EarnFor(world, paid, earned).ok());
    ExpectNothingMoved(
        world,
        [](World& w) {
          std::int64_t e = 0;
          return EarnFor(w, 7799, e);
        },
        [](const absl::Status& status) {
          ExpectRefused(status, absl::StatusCode::kAlreadyExists, "EARNING_EXISTS", {{"order_id", "o1"}});
        });
  }
}

TEST(Earn, NoMoreThanAnAccountHolds) {
  World world;
  Won(world.ledger).points = kPurseMinorMax - 76;
  ExpectNothingMoved(
      world,
      [](World& w) {
        std::int64_t e = 0;
        return EarnFor(w, 7799, e);
      },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW", {{"member_id", "m1"}});
      });
  Won(world.ledger).points = kPurseMinorMax - 77;
  std::int64_t earned = 0;
  EXPECT_TRUE(EarnFor(world, 7799, earned).ok());
}

TEST(TakeBack, TakesWhatTheOrderEarned) {
  World world = Earned();
  ASSERT_TRUE(Take(world).ok());
  EXPECT_EQ(world.earning->state, EarningState::kTakenBack);
  EXPECT_EQ(world.earning->kept, 0);
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 800, 0, 0}));
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(TakeBack, BeforeTheEarningLeavesATombstone) {
  World world;
  ASSERT_TRUE(Take(world).ok());
  EXPECT_TRUE(world.ledger.entries.empty());
  std::int64_t earned = -1;
  ASSERT_TRUE(EarnFor(world, 7799, earned).ok());
  EXPECT_EQ(earned, 0);
  EXPECT_EQ(world.earning->state, EarningState::kTakenBack);
  EXPECT_EQ(Won(world.ledger), (Purse{5000, 800, 0, 0}));
  EXPECT_TRUE(world.ledger.entries.empty());
}

TEST(TakeBack, WhatIsSpentIsKeptInMoney) {
  World world = Earned();
  Won(world.ledger).points = 30;  // the others are spent
  TakenBack taken;
  ASSERT_TRUE(TakeBack(world.earning, world.hold, world.ledger, "o1", kTaker, kLater, taken).ok());
  EXPECT_EQ(taken.taken, 30);
  EXPECT_EQ(taken.kept_from_balance, 0);
  EXPECT_EQ(taken.keep_from_refund, 47);
  EXPECT_EQ(world.earning->kept, 47);
  EXPECT_EQ(Won(world.ledger).points, 0);
}

TEST(TakeBack, IsKeptFromTheBalanceFirst) {
  World world = InState(HoldState::kSettled);  // 2000 of balance
  std::int64_t earned = 0;
  ASSERT_TRUE(EarnFor(world, 5700, earned).ok());
  Won(world.ledger).points = 0;
  ASSERT_TRUE(Take(world).ok());
  EXPECT_EQ(world.earning->kept, 77);
  EXPECT_EQ(world.hold->kept, 77);
  ASSERT_TRUE(ReturnSettled(world.hold, world.ledger, kLater).ok());
  EXPECT_EQ(Won(world.ledger), (Purse{5000 - 77, 300, 0, 0}));
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(TakeBack, AndFromTheRefundWhatTheBalanceDoesNotCover) {
  World world;
  ASSERT_TRUE(TakeHold(world.hold, world.ledger, CallOf(0, 50, 7750), kNow).ok());
  ASSERT_TRUE(Settle(world.hold, world.ledger, "o1", kNow).ok());
  std::int64_t earned = 0;
  ASSERT_TRUE(EarnFor(world, 7700, earned).ok());
  Won(world.ledger).points = 0;
  TakenBack taken;
  ASSERT_TRUE(TakeBack(world.earning, world.hold, world.ledger, "o1", kTaker, kLater, taken).ok());
  EXPECT_EQ(taken.taken, 0);
  EXPECT_EQ(taken.kept_from_balance, 50);
  EXPECT_EQ(taken.keep_from_refund, 27);
  EXPECT_EQ(world.hold->kept, 50);
}

TEST(TakeBack, NothingIsKeptFromABalanceThatIsNotReturned) {
  for (const HoldState state : {HoldState::kReleased, HoldState::kReturned}) {
    World world = InState(state);
    std::int64_t earned = 0;
    ASSERT_TRUE(EarnFor(world, state == HoldState::kReleased ? 7700 : 5700, earned).ok());
    Won(world.ledger).points = 0;
    TakenBack taken;
    ASSERT_TRUE(TakeBack(world.earning, world.hold, world.ledger, "o1", kTaker, kLater, taken).ok());
    EXPECT_EQ(taken.keep_from_refund, 77);
    EXPECT_EQ(world.hold->kept, 0);
  }
}

TEST(TakeBack, OnlyOnce) {
  World world = Earned();
  ASSERT_TRUE(Take(world).ok());
  ExpectNothingMoved(
      world, [](World& w) { return Take(w, "other/take_back"); },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "TAKEN_BACK_ALREADY", {{"order_id", "o1"}});
      });
}

TEST(UndoTakeBack, GivesThePointsAgainAndKeepsNothing) {
  World world = InState(HoldState::kSettled);
  std::int64_t earned = 0;
  ASSERT_TRUE(EarnFor(world, 7700, earned).ok());
  Won(world.ledger).points = 30;
  ASSERT_TRUE(Take(world).ok());
  ASSERT_TRUE(Undo(world).ok());
  EXPECT_EQ(world.earning->state, EarningState::kEarned);
  EXPECT_EQ(world.earning->kept, 0);
  EXPECT_EQ(world.hold->kept, 0);
  EXPECT_EQ(Won(world.ledger).points, 30);
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(UndoTakeBack, OfATombstoneLetsTheOrderEarn) {
  World world;
  ASSERT_TRUE(Take(world).ok());
  ASSERT_TRUE(Undo(world).ok());
  EXPECT_EQ(world.earning->state, EarningState::kOpen);
  std::int64_t earned = 0;
  ASSERT_TRUE(EarnFor(world, 7799, earned).ok());
  EXPECT_EQ(earned, 77);
  EXPECT_EQ(world.earning->state, EarningState::kEarned);
}

TEST(UndoTakeBack, OfATombstoneThatAnEarningMetGivesItsPoints) {
  World world;
  std::int64_t earned = 0;
  ASSERT_TRUE(Take(world).ok());
  ASSERT_TRUE(EarnFor(world, 7799, earned).ok());
  ASSERT_TRUE(Undo(world).ok());
  EXPECT_EQ(world.earning->state, EarningState::kEarned);
  EXPECT_EQ(Won(world.ledger).points, 877);
  EXPECT_EQ(SumOfAll(world.ledger), 0);
}

TEST(UndoTakeBack, EntriesOfSeveralTakeBacksAreToldApart) {
  World world = Earned();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Take(world).ok());
    ASSERT_TRUE(Undo(world).ok());
  }
  std::map<std::pair<Cause, std::int64_t>, int> seen;
  for (const Entry& entry : world.ledger.entries) EXPECT_EQ(++seen[std::pair(entry.cause, entry.line)], 1);
  EXPECT_EQ(seen.size(), 10U);
}

TEST(UndoTakeBack, WhatNeverCameOrIsUndoneIsNothingToUndo) {
  World world;
  EXPECT_TRUE(Undo(world).ok());
  EXPECT_FALSE(world.earning.has_value());
  World earned = Earned();
  const Ledger before = earned.ledger;
  EXPECT_TRUE(Undo(earned).ok());
  EXPECT_EQ(earned.ledger.purses, before.purses);
}

TEST(UndoTakeBack, OnlyByTheCallThatTookThem) {
  World world = Earned();
  ASSERT_TRUE(Take(world).ok());
  ExpectNothingMoved(
      world, [](World& w) { return Undo(w, "other/take_back"); },
      [](const absl::Status& status) {
        ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "TAKE_BACK_OWNED_BY_OTHER", {{"order_id", "o1"}});
      });
}

TEST(MakeCharge, BecomesBalance) {
  std::optional<Charge> charge;
  Ledger ledger;
  ASSERT_TRUE(MakeCharge(charge, ledger, {"c1", "m1", {4000, "KRW"}, {}}, kNow).ok());
  EXPECT_EQ(Won(ledger), (Purse{4000, 0, 0, 0}));
  EXPECT_EQ(charge->create_time, kNow);
  EXPECT_THAT(ledger.entries, ElementsAre(Entry{"c1", Cause::kCharge, 0, "m1", Account::kCards, -4000, "KRW", kNow},
                                          Entry{"c1", Cause::kCharge, 1, "m1", Account::kBalance, 4000, "KRW", kNow}));
}

TEST(MakeCharge, OfNothingOrOfNoCurrencyNamesItsField) {
  std::optional<Charge> charge;
  Ledger ledger;
  for (const std::int64_t amount : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(BadField(MakeCharge(charge, ledger, {"c1", "m1", {amount, "KRW"}, {}}, kNow)), "amount.minor_units");
  }
  EXPECT_EQ(BadField(MakeCharge(charge, ledger, {"c1", "m1", {1, "K"}, {}}, kNow)), "amount.currency_code");
  EXPECT_FALSE(charge.has_value());
  EXPECT_TRUE(ledger.entries.empty());
}

TEST(MakeCharge, OnceAndNoMoreThanAnAccountHolds) {
  std::optional<Charge> charge, second;
  Ledger ledger = With(kPurseMinorMax - 5, 0);
  ExpectRefused(MakeCharge(second, ledger, {"c2", "m1", {6, "KRW"}, {}}, kNow), absl::StatusCode::kOutOfRange,
                "AMOUNT_OVERFLOW", {{"member_id", "m1"}});
  ASSERT_TRUE(MakeCharge(charge, ledger, {"c1", "m1", {5, "KRW"}, {}}, kNow).ok());
  ExpectRefused(MakeCharge(charge, ledger, {"c1", "m1", {5, "KRW"}, {}}, kNow), absl::StatusCode::kAlreadyExists,
                "CHARGE_EXISTS", {{"charge_id", "c1"}});
  EXPECT_EQ(Won(ledger).balance, kPurseMinorMax);
  EXPECT_FALSE(second.has_value());
}

TEST(WhatComesBack, IsRefusedWhereItCouldNotBeCounted) {
  for (const HoldState state : {HoldState::kHeld, HoldState::kSettled}) {
    World world = InState(state);
    Won(world.ledger).balance = std::numeric_limits<std::int64_t>::max() - 1999;
    ExpectNothingMoved(
        world,
        [state](World& w) {
          return state == HoldState::kHeld ? Release(w.hold, w.ledger, kOwner, kLater)
                                           : ReturnSettled(w.hold, w.ledger, kLater);
        },
        [](const absl::Status& status) {
          ExpectRefused(status, absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW", {{"member_id", "m1"}});
        });
  }
}

}  // namespace
}  // namespace unwind::wallet
