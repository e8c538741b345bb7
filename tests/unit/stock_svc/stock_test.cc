#include "stock_svc/stock.h"

#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::stock {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kLater = kNow + absl::Seconds(1);

std::optional<Product> Stocked(const std::string& id, std::int64_t price, std::int64_t total,
                               const std::string& currency = "KRW") {
  return Product{.product_id = id, .price = {price, currency}, .total = total, .reserved = 0, .sold = 0};
}

Products Shelf() { return {{"p1", Stocked("p1", 100, 10)}, {"p2", Stocked("p2", 250, 3)}, {"p9", std::nullopt}}; }

ReserveCall Call(std::vector<Item> items = {{"p1", 2, 0}, {"p2", 3, 0}}) {
  return {.reservation_id = "r1", .owner = "saga/reserve_stock", .items = std::move(items)};
}

struct Held {
  std::optional<Reservation> reservation;
  Products products = Shelf();
};

// p1 x 2 and p2 x 3, reserved and brought to `state`.
Held InState(State state) {
  Held held;
  EXPECT_TRUE(Reserve(held.reservation, held.products, Call(), kNow).ok());
  if (state == State::kReleased) {
    EXPECT_TRUE(Release(held.reservation, held.products, "saga/reserve_stock", kNow).ok());
  }
  if (state == State::kSold || state == State::kReturned) {
    EXPECT_TRUE(Confirm(held.reservation, held.products, "r1", kNow).ok());
  }
  if (state == State::kReturned) {
    EXPECT_TRUE(ReturnSold(held.reservation, held.products, "r1", kNow).ok());
  }
  return held;
}

void ExpectRefused(const absl::Status& status, absl::StatusCode code, absl::string_view reason,
                   const std::map<std::string, std::string>& metadata) {
  EXPECT_EQ(status.code(), code) << status;
  const ErrorInfo info = GetErrorInfo(status);
  EXPECT_EQ(info.reason, std::string(reason));
  EXPECT_EQ(info.domain, "stock.shop.unwind");
  EXPECT_EQ(info.metadata, metadata);
}

void ExpectReserveRefused(Products products, const ReserveCall& call, absl::StatusCode code, absl::string_view reason,
                          const std::map<std::string, std::string>& metadata) {
  const Products before = products;
  std::optional<Reservation> reservation;
  ExpectRefused(Reserve(reservation, products, call, kNow), code, reason, metadata);
  EXPECT_FALSE(reservation.has_value());
  EXPECT_EQ(products, before);
}

void ExpectPieces(const Products& products, const std::string& id, std::int64_t available, std::int64_t reserved,
                  std::int64_t sold) {
  const Product& product = *products.at(id);
  EXPECT_EQ(product.available(), available) << id;
  EXPECT_EQ(product.reserved, reserved) << id;
  EXPECT_EQ(product.sold, sold) << id;
}

using Step = std::function<absl::Status(std::optional<Reservation>&, Products&)>;

// Every state that `step` does not start from: refused with this, and nothing has changed.
void ExpectRefusedIn(const std::map<State, std::string>& states, absl::string_view reason, const Step& step) {
  for (const auto& [state, name] : states) {
    SCOPED_TRACE(name);
    Held held = InState(state);
    const Held before = held;
    ExpectRefused(step(held.reservation, held.products), absl::StatusCode::kFailedPrecondition, reason,
                  {{"reservation_id", "r1"}, {"state", name}});
    EXPECT_EQ(held.reservation, before.reservation);
    EXPECT_EQ(held.products, before.products);
  }
}

TEST(Reserve, TakesTheItemsOffTheShelfAtOurPrices) {
  Held held;
  ASSERT_TRUE(Reserve(held.reservation, held.products, Call({{"p1", 2, 1}, {"p2", 3, 1}}), kNow).ok());
  EXPECT_EQ(held.reservation->state, State::kHeld);
  EXPECT_EQ(held.reservation->owner, "saga/reserve_stock");
  EXPECT_EQ(held.reservation->total, (Money{2 * 100 + 3 * 250, "KRW"}));
  EXPECT_THAT(held.reservation->items, ElementsAre(Item{"p1", 2, 100}, Item{"p2", 3, 250}));
  EXPECT_EQ(held.reservation->create_time, kNow);
  ExpectPieces(held.products, "p1", 8, 2, 0);
  ExpectPieces(held.products, "p2", 0, 3, 0);
}

TEST(Reserve, TheLastPieceGoesAndThenNone) {
  Products products = Shelf();
  std::optional<Reservation> first, second;
  ASSERT_TRUE(Reserve(first, products, Call({{"p2", 3, 0}}), kNow).ok());
  ExpectRefused(Reserve(second, products, Call({{"p2", 1, 0}}), kNow), absl::StatusCode::kFailedPrecondition,
                "STOCK_NOT_ENOUGH", {{"product_id", "p2"}, {"requested", "1"}, {"available", "0"}});
  ExpectPieces(products, "p2", 0, 3, 0);
}

TEST(Reserve, AllOrNone) {
  ExpectReserveRefused(Shelf(), Call({{"p1", 2, 0}, {"p2", 4, 0}}), absl::StatusCode::kFailedPrecondition,
                       "STOCK_NOT_ENOUGH", {{"product_id", "p2"}, {"requested", "4"}, {"available", "3"}});
}

TEST(Reserve, AnUnknownProductIsNotFound) {
  ExpectReserveRefused(Shelf(), Call({{"p1", 2, 0}, {"p9", 1, 0}}), absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND",
                       {{"product_id", "p9"}});
  ExpectReserveRefused(Shelf(), Call({{"never-loaded", 1, 0}}), absl::StatusCode::kNotFound, "PRODUCT_NOT_FOUND",
                       {{"product_id", "never-loaded"}});
}

TEST(Reserve, TwoCurrenciesAreRefused) {
  Products products = Shelf();
  products["p3"] = Stocked("p3", 5, 5, "USD");
  ExpectReserveRefused(products, Call({{"p1", 1, 0}, {"p3", 1, 0}}), absl::StatusCode::kFailedPrecondition,
                       "CURRENCY_MIXED", {{"product_id", "p3"}, {"other_product_id", "p1"}});
}

TEST(Reserve, TheTotalMayBeTheLargestAmountAndNoMore) {
  Products products = {{"p1", Stocked("p1", kAmountMinorMax / 2, 10)}, {"p2", Stocked("p2", 1, 10)}};
  Products copy = products;
  std::optional<Reservation> reservation;
  ASSERT_TRUE(Reserve(reservation, copy, Call({{"p1", 2, 0}}), kNow).ok());
  EXPECT_EQ(reservation->total.minor_units, kAmountMinorMax);
  ExpectReserveRefused(products, Call({{"p1", 2, 0}, {"p2", 1, 0}}), absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW",
                       {{"product_id", "p2"}});
}

TEST(Reserve, AmountsThatDoNotFitInto64BitsAreRefused) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max() / 2;
  const Products products = {{"p1", Stocked("p1", kHuge, 10)}};
  ExpectReserveRefused(products, Call({{"p1", 3, 0}}), absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW",
                       {{"product_id", "p1"}});
}

TEST(Reserve, ATakenIdIsRefusedInEveryState) {
  for (const State state : {State::kHeld, State::kReleased, State::kSold, State::kReturned}) {
    Held held = InState(state);
    const Held before = held;
    ExpectRefused(Reserve(held.reservation, held.products, Call({{"p1", 1, 0}}), kLater),
                  absl::StatusCode::kAlreadyExists, "RESERVATION_EXISTS", {{"reservation_id", "r1"}});
    EXPECT_EQ(held.reservation, before.reservation);
    EXPECT_EQ(held.products, before.products);
  }
}

TEST(Release, PutsBackWhatIsHeld) {
  Held held = InState(State::kHeld);
  ASSERT_TRUE(Release(held.reservation, held.products, "saga/reserve_stock", kLater).ok());
  EXPECT_EQ(held.reservation->state, State::kReleased);
  EXPECT_EQ(held.reservation->update_time, kLater);
  EXPECT_EQ(held.products, Shelf());
}

TEST(Release, WhatNeverCameIsNothingToUndo) {
  Held held;
  EXPECT_TRUE(Release(held.reservation, held.products, "saga/reserve_stock", kLater).ok());
  EXPECT_FALSE(held.reservation.has_value());
  EXPECT_EQ(held.products, Shelf());
}

TEST(Release, TwiceChangesNothingMore) {
  Held held = InState(State::kReleased);
  const Held before = held;
  EXPECT_TRUE(Release(held.reservation, held.products, "saga/reserve_stock", kLater).ok());
  EXPECT_EQ(held.reservation, before.reservation);
  EXPECT_EQ(held.products, Shelf());
}

TEST(Release, OnlyByTheCallThatMadeIt) {
  Held held = InState(State::kHeld);
  const Held before = held;
  ExpectRefused(Release(held.reservation, held.products, "other/reserve_stock", kLater),
                absl::StatusCode::kFailedPrecondition, "RESERVATION_OWNED_BY_OTHER", {{"reservation_id", "r1"}});
  EXPECT_EQ(held.reservation, before.reservation);
  EXPECT_EQ(held.products, before.products);
}

TEST(Release, WhatWasSoldIsRefused) {
  ExpectRefusedIn({{State::kSold, "SOLD"}, {State::kReturned, "RETURNED"}}, "RESERVATION_NOT_HELD",
                  [](std::optional<Reservation>& reservation, Products& products) {
                    return Release(reservation, products, "saga/reserve_stock", kLater);
                  });
}

TEST(Confirm, WhatIsHeldIsSold) {
  Held held = InState(State::kHeld);
  ASSERT_TRUE(Confirm(held.reservation, held.products, "r1", kLater).ok());
  EXPECT_EQ(held.reservation->state, State::kSold);
  EXPECT_EQ(held.reservation->update_time, kLater);
  ExpectPieces(held.products, "p1", 8, 0, 2);
  ExpectPieces(held.products, "p2", 0, 0, 3);
}

TEST(Confirm, AnUnknownReservationIsNotFound) {
  Held held;
  ExpectRefused(Confirm(held.reservation, held.products, "r7", kLater), absl::StatusCode::kNotFound,
                "RESERVATION_NOT_FOUND", {{"reservation_id", "r7"}});
}

TEST(Confirm, OtherStatesAreRefused) {
  ExpectRefusedIn({{State::kReleased, "RELEASED"}, {State::kSold, "SOLD"}, {State::kReturned, "RETURNED"}},
                  "RESERVATION_NOT_HELD", [](std::optional<Reservation>& reservation, Products& products) {
                    return Confirm(reservation, products, "r1", kLater);
                  });
}

TEST(ReturnSold, WhatWasSoldIsForSaleAgain) {
  Held held = InState(State::kSold);
  ASSERT_TRUE(ReturnSold(held.reservation, held.products, "r1", kLater).ok());
  EXPECT_EQ(held.reservation->state, State::kReturned);
  EXPECT_EQ(held.products, Shelf());
}

TEST(ReturnSold, AnUnknownReservationIsNotFound) {
  Held held;
  ExpectRefused(ReturnSold(held.reservation, held.products, "r7", kLater), absl::StatusCode::kNotFound,
                "RESERVATION_NOT_FOUND", {{"reservation_id", "r7"}});
}

TEST(ReturnSold, AReservationOnItsWayToBeSoldIsAskedForAgain) {
  Held held = InState(State::kHeld);
  const absl::Status status = ReturnSold(held.reservation, held.products, "r1", kLater);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorInfo(status).reason, "RESERVATION_IN_PROGRESS");
  EXPECT_EQ(held.reservation->state, State::kHeld);
}

TEST(ReturnSold, OtherStatesAreRefused) {
  ExpectRefusedIn({{State::kReleased, "RELEASED"}, {State::kReturned, "RETURNED"}}, "RESERVATION_NOT_SOLD",
                  [](std::optional<Reservation>& reservation, Products& products) {
                    return ReturnSold(reservation, products, "r1", kLater);
                  });
}

TEST(Restock, MakesANewProduct) {
  std::optional<Product> product;
  ASSERT_TRUE(Restock(product, "p3", 7, {120, "KRW"}).ok());
  EXPECT_EQ(product, Stocked("p3", 120, 7));
}

TEST(Restock, AddsPiecesAndSetsThePrice) {
  Held held = InState(State::kHeld);
  ASSERT_TRUE(Restock(held.products["p2"], "p2", 5, {300, "USD"}).ok());
  EXPECT_EQ(held.products["p2"]->total, 8);
  EXPECT_EQ(held.products["p2"]->price, (Money{300, "USD"}));
  ExpectPieces(held.products, "p2", 5, 3, 0);
}

TEST(Restock, ZeroOnlySetsThePrice) {
  Products products = Shelf();
  ASSERT_TRUE(Restock(products["p1"], "p1", 0, {90, "KRW"}).ok());
  EXPECT_EQ(products["p1"], Stocked("p1", 90, 10));
}

TEST(Restock, TooManyPiecesAreRefused) {
  for (const std::int64_t quantity : {std::int64_t{1}, std::numeric_limits<std::int64_t>::max()}) {
    std::optional<Product> product = Stocked("p1", 100, kPiecesMax);
    ExpectRefused(Restock(product, "p1", quantity, {100, "KRW"}), absl::StatusCode::kOutOfRange, "AMOUNT_OVERFLOW",
                  {{"product_id", "p1"}});
    EXPECT_EQ(product, Stocked("p1", 100, kPiecesMax));
  }
}

TEST(Restock, ACurrencyIsThreeCapitals) {
  for (const char* code : {"", "KR", "krw", "KR1", "KRWW", "K_W"}) {
    std::optional<Product> product;
    const absl::Status status = Restock(product, "p1", 1, {100, code});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << code;
    EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
    EXPECT_FALSE(product.has_value());
  }
}

}  // namespace
}  // namespace unwind::stock
