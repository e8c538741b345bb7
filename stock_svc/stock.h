// Products, their stock and reservations, and the decisions over them, without I/O. A reservation is HELD -> RELEASED |
// SOLD; SOLD -> RETURNED. Every other step is refused, and a refusal changes nothing. total = available + reserved +
// sold, always.
#ifndef UNWIND_STOCK_SVC_STOCK_H_
#define UNWIND_STOCK_SVC_STOCK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::stock {

inline constexpr absl::string_view kErrorDomain = "stock.shop.unwind";
inline constexpr std::int64_t kAmountMinorMax = 1'000'000'000'000'000;
inline constexpr std::int64_t kPiecesMax = 1'000'000'000'000'000;  // of one product

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

struct Product {
  std::string product_id;
  Money price;
  std::int64_t total = 0;
  std::int64_t reserved = 0;
  std::int64_t sold = 0;

  std::int64_t available() const { return total - reserved - sold; }
  bool operator==(const Product&) const = default;
};

// By id. An id that was asked for and has no row is there without a value.
using Products = std::map<std::string, std::optional<Product>>;

// Stored: never renumber.
enum class State : std::uint8_t { kHeld = 1, kReleased = 2, kSold = 3, kReturned = 4 };

struct Item {
  std::string product_id;
  std::int64_t quantity = 0;
  std::int64_t unit_price_minor = 0;  // when it was reserved

  bool operator==(const Item&) const = default;
};

struct Reservation {
  std::string reservation_id;
  std::string owner;  // the call that made it; only its compensation releases it
  std::vector<Item> items;
  Money total;
  State state = State::kHeld;
  absl::Time create_time;
  absl::Time update_time;

  bool operator==(const Reservation&) const = default;
};

struct ReserveCall {
  std::string reservation_id;
  std::string owner;
  std::vector<Item> items;  // each product once; the prices are ours
};

// `reservation` is the row of the call's reservation_id, if there is one. `products` holds those of the call's items,
// or of the reservation's: what moves is what our own row says, never what a request says.
absl::Status Reserve(std::optional<Reservation>& reservation, Products& products, const ReserveCall& call,
                     absl::Time now);

// A reservation that never came is nothing to undo.
absl::Status Release(std::optional<Reservation>& reservation, Products& products, absl::string_view owner,
                     absl::Time now);

absl::Status Confirm(std::optional<Reservation>& reservation, Products& products, absl::string_view reservation_id,
                     absl::Time now);

absl::Status ReturnSold(std::optional<Reservation>& reservation, Products& products, absl::string_view reservation_id,
                        absl::Time now);

// Makes the product if it is new.
absl::Status Restock(std::optional<Product>& product, absl::string_view product_id, std::int64_t quantity,
                     const Money& price);

absl::Status ProductNotFound(absl::string_view product_id);

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_H_
