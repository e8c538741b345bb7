#include "stock_svc/stock.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"

namespace unwind::stock {
namespace {

using Metadata = std::map<std::string, std::string>;

absl::Status Refuse(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata) {
  return MakeError(code, message, {std::string(reason), std::string(kErrorDomain), std::move(metadata)});
}

absl::string_view StateName(State state) {
  switch (state) {
    case State::kHeld:
      return "HELD";
    case State::kReleased:
      return "RELEASED";
    case State::kSold:
      return "SOLD";
    case State::kReturned:
      return "RETURNED";
  }
  return "UNKNOWN";
}

absl::Status ReservationNotFound(absl::string_view reservation_id) {
  return Refuse(absl::StatusCode::kNotFound, absl::StrCat("there is no reservation ", reservation_id),
                "RESERVATION_NOT_FOUND", {{"reservation_id", std::string(reservation_id)}});
}

// The reservation is in a state that the step does not start from.
absl::Status WrongState(const Reservation& reservation, State wanted) {
  return Refuse(absl::StatusCode::kFailedPrecondition,
                absl::StrCat("reservation ", reservation.reservation_id, " is ", StateName(reservation.state),
                             "; it must be ", StateName(wanted)),
                absl::StrCat("RESERVATION_NOT_", StateName(wanted)),
                {{"reservation_id", reservation.reservation_id}, {"state", std::string(StateName(reservation.state))}});
}

// Its order is paid and cancelled already, and the confirmation is still on its way.
absl::Status StillHeld(const Reservation& reservation) {
  return Refuse(absl::StatusCode::kUnavailable,
                absl::StrCat("reservation ", reservation.reservation_id, " is not confirmed yet"),
                "RESERVATION_IN_PROGRESS", {{"reservation_id", reservation.reservation_id}});
}

absl::Status Overflow(absl::string_view message, Metadata metadata) {
  return Refuse(absl::StatusCode::kOutOfRange, message, "AMOUNT_OVERFLOW", std::move(metadata));
}

// Our own rows: a reservation's products are there, by foreign key.
Product& ProductOf(Products& products, const Item& item) {
  const auto found = products.find(item.product_id);
  CHECK(found != products.end() && found->second.has_value());
  return *found->second;
}

absl::Status CheckProducts(const Products& products, const ReserveCall& call) {
  const Product* first = nullptr;
  for (const Item& item : call.items) {
    const auto found = products.find(item.product_id);
    if (found == products.end() || !found->second) return ProductNotFound(item.product_id);
  }
  for (const Item& item : call.items) {
    const Product& product = *products.at(item.product_id);
    if (first == nullptr) first = &product;
    if (product.price.currency_code == first->price.currency_code) continue;
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("product ", product.product_id, " is sold in ", product.price.currency_code, " and ",
                               first->product_id, " in ", first->price.currency_code, "; order them apart"),
                  "CURRENCY_MIXED", {{"product_id", product.product_id}, {"other_product_id", first->product_id}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> Total(const Products& products, const ReserveCall& call) {
  std::int64_t total = 0;
  for (const Item& item : call.items) {
    std::int64_t amount = 0;
    if (__builtin_mul_overflow(item.quantity, products.at(item.product_id)->price.minor_units, &amount) ||
        __builtin_add_overflow(total, amount, &total) || total > kAmountMinorMax) {
      return Overflow(absl::StrCat("the items cost more than ", kAmountMinorMax, " minor units; order less"),
                      {{"product_id", item.product_id}});
    }
  }
  return total;
}

absl::Status CheckStock(const Products& products, const ReserveCall& call) {
  for (const Item& item : call.items) {
    const Product& product = *products.at(item.product_id);
    if (item.quantity <= product.available()) continue;
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("product ", item.product_id, " has ", product.available(), " left, ", item.quantity,
                               " were asked for"),
                  "STOCK_NOT_ENOUGH",
                  {{"product_id", item.product_id},
                   {"requested", absl::StrCat(item.quantity)},
                   {"available", absl::StrCat(product.available())}});
  }
  return absl::OkStatus();
}

void Move(Reservation& reservation, State state, absl::Time now) {
  reservation.state = state;
  reservation.update_time = now;
}

}  // namespace

absl::Status ProductNotFound(absl::string_view product_id) {
  return Refuse(absl::StatusCode::kNotFound, absl::StrCat("there is no product ", product_id), "PRODUCT_NOT_FOUND",
                {{"product_id", std::string(product_id)}});
}

absl::Status Reserve(std::optional<Reservation>& reservation, Products& products, const ReserveCall& call,
                     absl::Time now) {
  if (reservation) {
    return Refuse(absl::StatusCode::kAlreadyExists,
                  absl::StrCat("reservation_id ", call.reservation_id, " is taken; choose another"),
                  "RESERVATION_EXISTS", {{"reservation_id", call.reservation_id}});
  }
  RETURN_IF_ERROR(CheckProducts(products, call));
  ASSIGN_OR_RETURN(const std::int64_t total, Total(products, call));
  RETURN_IF_ERROR(CheckStock(products, call));

  reservation = Reservation{.reservation_id = call.reservation_id,
                            .owner = call.owner,
                            .items = call.items,
                            .total = {total, ""},
                            .state = State::kHeld,
                            .create_time = now,
                            .update_time = now};
  for (Item& item : reservation->items) {
    Product& product = ProductOf(products, item);
    product.reserved += item.quantity;
    item.unit_price_minor = product.price.minor_units;
    reservation->total.currency_code = product.price.currency_code;
  }
  return absl::OkStatus();
}

absl::Status Release(std::optional<Reservation>& reservation, Products& products, absl::string_view owner,
                     absl::Time now) {
  if (!reservation) return absl::OkStatus();
  if (reservation->owner != owner) {
    return Refuse(absl::StatusCode::kFailedPrecondition,
                  absl::StrCat("another call made reservation ", reservation->reservation_id),
                  "RESERVATION_OWNED_BY_OTHER", {{"reservation_id", reservation->reservation_id}});
  }
  if (reservation->state == State::kReleased) return absl::OkStatus();
  if (reservation->state != State::kHeld) return WrongState(*reservation, State::kHeld);
  Move(*reservation, State::kReleased, now);
  for (const Item& item : reservation->items) ProductOf(products, item).reserved -= item.quantity;
  return absl::OkStatus();
}

absl::Status Confirm(std::optional<Reservation>& reservation, Products& products, absl::string_view reservation_id,
                     absl::Time now) {
  if (!reservation) return ReservationNotFound(reservation_id);
  if (reservation->state != State::kHeld) return WrongState(*reservation, State::kHeld);
  Move(*reservation, State::kSold, now);
  for (const Item& item : reservation->items) {
    Product& product = ProductOf(products, item);
    product.reserved -= item.quantity;
    product.sold += item.quantity;
  }
  return absl::OkStatus();
}

absl::Status ReturnSold(std::optional<Reservation>& reservation, Products& products, absl::string_view reservation_id,
                        absl::Time now) {
  if (!reservation) return ReservationNotFound(reservation_id);
  if (reservation->state == State::kHeld) return StillHeld(*reservation);
  if (reservation->state != State::kSold) return WrongState(*reservation, State::kSold);
  Move(*reservation, State::kReturned, now);
  for (const Item& item : reservation->items) ProductOf(products, item).sold -= item.quantity;
  return absl::OkStatus();
}

absl::Status Restock(std::optional<Product>& product, absl::string_view product_id, std::int64_t quantity,
                     const Money& price) {
  const auto capital = [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); };
  if (price.currency_code.size() != 3 ||
      !std::all_of(price.currency_code.begin(), price.currency_code.end(), capital)) {
    return MakeBadRequest(kErrorDomain, {{"price.currency_code", "must be three capital letters, such as KRW"}});
  }
  if (price.minor_units < 1) {  // a charge of nothing is refused, so it could never be sold
    return MakeBadRequest(kErrorDomain, {{"price.minor_units", "must be at least 1"}});
  }
  std::int64_t total = product ? product->total : 0;
  if (__builtin_add_overflow(total, quantity, &total) || total > kPiecesMax) {
    return Overflow(absl::StrCat("product ", product_id, " would have more than ", kPiecesMax, " pieces"),
                    {{"product_id", std::string(product_id)}});
  }
  if (!product) product.emplace().product_id = std::string(product_id);
  product->total = total;
  product->price = price;
  return absl::OkStatus();
}

}  // namespace unwind::stock
