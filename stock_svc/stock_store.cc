#include "stock_svc/stock_store.h"

#include "absl/strings/str_cat.h"
#include "common/db/row_list.h"
#include "soci/soci.h"

namespace unwind::stock {
namespace {

constexpr char kLoadProducts[] =
    "SELECT p.product_id, p.price_minor, p.currency_code, s.total, s.reserved, s.sold"
    " FROM products AS p JOIN stocks AS s ON s.product_id = p.product_id"
    " WHERE p.product_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY p.product_id";
constexpr char kLockStocks[] = " FOR UPDATE OF s";

constexpr char kFindProducts[] =
    "SELECT p.product_id, p.price_minor, p.currency_code, s.total, s.reserved, s.sold"
    " FROM products AS p JOIN stocks AS s ON s.product_id = p.product_id"
    " WHERE p.product_id > :after ORDER BY p.product_id LIMIT :limit";

constexpr char kInsertProducts[] =
    "INSERT INTO products (product_id, price_minor, currency_code)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), r.value ->> 2 FROM ROWS(:rows) AS r WHERE TRUE"
    " ON CONFLICT DO NOTHING RETURNING price_minor";

constexpr char kInsertStocks[] =
    "INSERT INTO stocks (product_id, total, reserved, sold, version)"
    " SELECT r.value ->> 0, CAST(r.value ->> 1 AS BIGINT), CAST(r.value ->> 2 AS BIGINT),"
    " CAST(r.value ->> 3 AS BIGINT), 1 FROM ROWS(:rows) AS r";

constexpr char kUpdatePrices[] =
    "UPDATE products SET price_minor = CAST(r.value ->> 1 AS BIGINT), currency_code = r.value ->> 2"
    " FROM ROWS(:rows) AS r WHERE product_id = r.value ->> 0";

constexpr char kUpdateStocks[] =
    "UPDATE stocks SET total = CAST(r.value ->> 1 AS BIGINT), reserved = CAST(r.value ->> 2 AS BIGINT),"
    " sold = CAST(r.value ->> 3 AS BIGINT), version = version + 1"
    " FROM ROWS(:rows) AS r WHERE product_id = r.value ->> 0";

// One row an item; a reservation has at least one.
constexpr char kLoadReservations[] =
    "SELECT v.reservation_id, v.owner, v.state, v.total_minor, v.currency_code, v.create_time_us, v.update_time_us,"
    " i.product_id, i.quantity, i.unit_price_minor"
    " FROM reservations AS v JOIN reservation_items AS i ON i.reservation_id = v.reservation_id"
    " WHERE v.reservation_id IN (SELECT r.value ->> 0 FROM ROWS(:ids) AS r) ORDER BY v.reservation_id, i.product_id"
    " FOR UPDATE OF v";

constexpr char kInsertReservations[] =
    "INSERT INTO reservations (reservation_id, owner, state, total_minor, currency_code, create_time_us,"
    " update_time_us)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT),"
    " r.value ->> 4, CAST(r.value ->> 5 AS BIGINT), CAST(r.value ->> 6 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE TRUE ON CONFLICT DO NOTHING RETURNING state";

constexpr char kUpdateReservations[] =
    "UPDATE reservations SET state = CAST(r.value ->> 1 AS BIGINT), update_time_us = CAST(r.value ->> 2 AS BIGINT)"
    " FROM ROWS(:rows) AS r WHERE reservation_id = r.value ->> 0";

constexpr char kInsertItems[] =
    "INSERT INTO reservation_items (reservation_id, product_id, quantity, unit_price_minor)"
    " SELECT r.value ->> 0, r.value ->> 1, CAST(r.value ->> 2 AS BIGINT), CAST(r.value ->> 3 AS BIGINT)"
    " FROM ROWS(:rows) AS r";

constexpr char kCountHeld[] = "SELECT count(*) FROM reservations WHERE state = 1";
constexpr char kReturnAll[] = "UPDATE stocks SET reserved = 0, sold = 0, version = version + 1";

// A product on its way out of SOCI.
struct ProductRow {
  Product product;
  long long price_minor = 0, total = 0, reserved = 0, sold = 0;

  // Calls `take` after each row.
  template <class Take, class... Uses>
  void Select(soci::session& session, absl::string_view sql, Take take, const Uses&... uses) {
    Statement select(session, sql, uses..., soci::into(product.product_id), soci::into(price_minor),
                     soci::into(product.price.currency_code), soci::into(total), soci::into(reserved),
                     soci::into(sold));
    select.Execute();
    while (select.Fetch()) take();
  }

  Product Get() {
    product.price.minor_units = price_minor;
    product.total = total;
    product.reserved = reserved;
    product.sold = sold;
    return product;
  }
};

}  // namespace

Products LoadProducts(soci::session& session, const std::set<std::string>& product_ids, Purpose purpose) {
  Products products;
  for (const std::string& id : product_ids) products.try_emplace(id);
  if (products.empty()) return products;
  const std::string ids = IdRows(product_ids);
  ProductRow row;
  const std::string sql = absl::StrCat(kLoadProducts, purpose == Purpose::kWrite ? kLockStocks : "");
  row.Select(
      session, sql, [&] { products[row.product.product_id] = row.Get(); }, soci::use(ids));
  return products;
}

std::vector<Product> FindProducts(soci::session& session, const std::string& after, std::int64_t limit) {
  const long long rows = limit;
  ProductRow row;
  std::vector<Product> products;
  row.Select(
      session, kFindProducts, [&] { products.push_back(row.Get()); }, soci::use(after), soci::use(rows));
  return products;
}

bool InsertProducts(soci::session& session, const std::vector<const Product*>& products) {
  RowList prices, stocks;
  for (const Product* product : products) {
    prices.Add(product->product_id, product->price.minor_units, product->price.currency_code);
    stocks.Add(product->product_id, product->total, product->reserved, product->sold);
  }
  if (!InsertRows(session, kInsertProducts, prices)) return false;
  PutRows(session, kInsertStocks, stocks);
  return true;
}

void UpdatePrices(soci::session& session, const std::vector<const Product*>& products) {
  RowList rows;
  for (const Product* product : products) {
    rows.Add(product->product_id, product->price.minor_units, product->price.currency_code);
  }
  PutRows(session, kUpdatePrices, rows);
}

void UpdateStocks(soci::session& session, const std::vector<const Product*>& products) {
  RowList rows;
  for (const Product* product : products) {
    rows.Add(product->product_id, product->total, product->reserved, product->sold);
  }
  PutRows(session, kUpdateStocks, rows);
}

Reservations LoadReservations(soci::session& session, const std::set<std::string>& reservation_ids) {
  Reservations reservations;
  for (const std::string& id : reservation_ids) reservations.try_emplace(id);
  if (reservations.empty()) return reservations;
  const std::string ids = IdRows(reservation_ids);
  Reservation row;
  Item item;
  long long state = 0, total = 0, created = 0, updated = 0, quantity = 0, unit_price = 0;
  Statement select(session, kLoadReservations, soci::use(ids), soci::into(row.reservation_id), soci::into(row.owner),
                   soci::into(state), soci::into(total), soci::into(row.total.currency_code), soci::into(created),
                   soci::into(updated), soci::into(item.product_id), soci::into(quantity), soci::into(unit_price));
  select.Execute();
  while (select.Fetch()) {
    std::optional<Reservation>& reservation = reservations[row.reservation_id];
    if (!reservation) {
      row.state = static_cast<State>(state);
      row.total.minor_units = total;
      row.create_time = absl::FromUnixMicros(created);
      row.update_time = absl::FromUnixMicros(updated);
      reservation = row;
    }
    item.quantity = quantity;
    item.unit_price_minor = unit_price;
    reservation->items.push_back(item);
  }
  return reservations;
}

bool InsertReservations(soci::session& session, const std::vector<const Reservation*>& reservations) {
  RowList rows, items;
  for (const Reservation* reservation : reservations) {
    rows.Add(reservation->reservation_id, reservation->owner, static_cast<int>(reservation->state),
             reservation->total.minor_units, reservation->total.currency_code,
             absl::ToUnixMicros(reservation->create_time), absl::ToUnixMicros(reservation->update_time));
    for (const Item& item : reservation->items) {
      items.Add(reservation->reservation_id, item.product_id, item.quantity, item.unit_price_minor);
    }
  }
  if (!InsertRows(session, kInsertReservations, rows)) return false;
  PutRows(session, kInsertItems, items);
  return true;
}

void UpdateReservations(soci::session& session, const std::vector<const Reservation*>& reservations) {
  RowList rows;
  for (const Reservation* reservation : reservations) {
    rows.Add(reservation->reservation_id, static_cast<int>(reservation->state),
             absl::ToUnixMicros(reservation->update_time));
  }
  PutRows(session, kUpdateReservations, rows);
}

std::int64_t CountHeld(soci::session& session) {
  long long count = 0;
  session << kCountHeld, soci::into(count);
  return count;
}

std::int64_t ClearReservations(soci::session& session) {
  session << "DELETE FROM reservation_items";
  session << "DELETE FROM reservations";
  session << kReturnAll;
  long long count = 0;
  session << "SELECT count(*) FROM stocks", soci::into(count);
  return count;
}

}  // namespace unwind::stock
