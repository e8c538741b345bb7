#include "stock_svc/stock_store.h"

#include "nlohmann/json.hpp"
#include "soci/soci.h"

namespace unwind::stock {
namespace {

using Json = nlohmann::json;

constexpr char kLoadProducts[] =
    "SELECT p.product_id, p.price_minor, p.currency_code, s.total, s.reserved, s.sold"
    " FROM products AS p JOIN stocks AS s ON s.product_id = p.product_id"
    " WHERE p.product_id IN (SELECT value FROM json_each(:ids))";

constexpr char kFindProducts[] =
    "SELECT p.product_id, p.price_minor, p.currency_code, s.total, s.reserved, s.sold"
    " FROM products AS p JOIN stocks AS s ON s.product_id = p.product_id"
    " WHERE p.product_id > :after ORDER BY p.product_id LIMIT :limit";

constexpr char kSavePrices[] =
    "INSERT INTO products (product_id, price_minor, currency_code)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')"
    " FROM json_each(:rows) WHERE true"
    " ON CONFLICT (product_id) DO UPDATE SET price_minor = excluded.price_minor,"
    " currency_code = excluded.currency_code";

constexpr char kSaveStocks[] =
    "INSERT INTO stocks (product_id, total, reserved, sold, version)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
    " json_extract(value, '$[3]'), 1 FROM json_each(:rows) WHERE true"
    " ON CONFLICT (product_id) DO UPDATE SET total = excluded.total, reserved = excluded.reserved,"
    " sold = excluded.sold, version = stocks.version + 1";

// One row an item; a reservation has at least one.
constexpr char kLoadReservations[] =
    "SELECT r.reservation_id, r.owner, r.state, r.total_minor, r.currency_code, r.create_time_us, r.update_time_us,"
    " i.product_id, i.quantity, i.unit_price_minor"
    " FROM reservations AS r JOIN reservation_items AS i ON i.reservation_id = r.reservation_id"
    " WHERE r.reservation_id IN (SELECT value FROM json_each(:ids)) ORDER BY r.reservation_id, i.product_id";

constexpr char kSaveReservations[] =
    "INSERT INTO reservations (reservation_id, owner, state, total_minor, currency_code, create_time_us, "
    "update_time_us)"
    " SELECT json_extract(value, '$.reservation_id'), json_extract(value, '$.owner'), json_extract(value, '$.state'),"
    " json_extract(value, '$.total_minor'), json_extract(value, '$.currency_code'),"
    " json_extract(value, '$.create_time_us'), json_extract(value, '$.update_time_us')"
    " FROM json_each(:rows) WHERE true"
    " ON CONFLICT (reservation_id) DO UPDATE SET state = excluded.state, update_time_us = excluded.update_time_us";

constexpr char kInsertItems[] =
    "INSERT INTO reservation_items (reservation_id, product_id, quantity, unit_price_minor)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
    " json_extract(value, '$[3]') FROM json_each(:rows)";

constexpr char kCountHeld[] = "SELECT count(*) FROM reservations WHERE state = 1";
constexpr char kReturnAll[] = "UPDATE stocks SET reserved = 0, sold = 0, version = version + 1";

// Every text in it came over gRPC or from a row, so it is UTF-8; if it is not, it must not end the process.
std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// A product on its way out of SOCI.
struct ProductRow {
  Product product;
  long long price_minor = 0, total = 0, reserved = 0, sold = 0;

  template <class Prepared>
  void Into(Prepared& prepared) {
    prepared, soci::into(product.product_id), soci::into(price_minor), soci::into(product.price.currency_code),
        soci::into(total), soci::into(reserved), soci::into(sold);
  }

  Product Get() {
    product.price.minor_units = price_minor;
    product.total = total;
    product.reserved = reserved;
    product.sold = sold;
    return product;
  }
};

Json ToJson(const Reservation& reservation) {
  return {{"reservation_id", reservation.reservation_id},
          {"owner", reservation.owner},
          {"state", static_cast<int>(reservation.state)},
          {"total_minor", reservation.total.minor_units},
          {"currency_code", reservation.total.currency_code},
          {"create_time_us", absl::ToUnixMicros(reservation.create_time)},
          {"update_time_us", absl::ToUnixMicros(reservation.update_time)}};
}

}  // namespace

Products LoadProducts(soci::session& session, const std::set<std::string>& product_ids) {
  Products products;
  for (const std::string& id : product_ids) products.try_emplace(id);
  if (products.empty()) return products;
  const std::string ids = Dump(product_ids);
  ProductRow row;
  auto prepared = (session.prepare << kLoadProducts, soci::use(ids));
  row.Into(prepared);
  soci::statement select(prepared);
  select.execute();
  while (select.fetch()) products[row.product.product_id] = row.Get();
  return products;
}

std::vector<Product> FindProducts(soci::session& session, const std::string& after, std::int64_t limit) {
  const long long rows = limit;
  ProductRow row;
  auto prepared = (session.prepare << kFindProducts, soci::use(after), soci::use(rows));
  row.Into(prepared);
  soci::statement select(prepared);
  select.execute();
  std::vector<Product> products;
  while (select.fetch()) products.push_back(row.Get());
  return products;
}

void SavePrices(soci::session& session, const std::vector<const Product*>& products) {
  if (products.empty()) return;
  Json rows = Json::array();
  for (const Product* product : products) {
    rows.push_back({product->product_id, product->price.minor_units, product->price.currency_code});
  }
  const std::string param = Dump(rows);
  session << kSavePrices, soci::use(param);
}

void SaveStocks(soci::session& session, const std::vector<const Product*>& products) {
  if (products.empty()) return;
  Json rows = Json::array();
  for (const Product* product : products) {
    rows.push_back({product->product_id, product->total, product->reserved, product->sold});
  }
  const std::string param = Dump(rows);
  session << kSaveStocks, soci::use(param);
}

Reservations LoadReservations(soci::session& session, const std::set<std::string>& reservation_ids) {
  Reservations reservations;
  for (const std::string& id : reservation_ids) reservations.try_emplace(id);
  if (reservations.empty()) return reservations;
  const std::string ids = Dump(reservation_ids);
  Reservation row;
  Item item;
  long long state = 0, total = 0, created = 0, updated = 0, quantity = 0, unit_price = 0;
  soci::statement select =
      (session.prepare << kLoadReservations, soci::use(ids), soci::into(row.reservation_id), soci::into(row.owner),
       soci::into(state), soci::into(total), soci::into(row.total.currency_code), soci::into(created),
       soci::into(updated), soci::into(item.product_id), soci::into(quantity), soci::into(unit_price));
  select.execute();
  while (select.fetch()) {
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

void SaveReservations(soci::session& session, const std::vector<const Reservation*>& reservations,
                      const std::set<std::string>& created) {
  if (reservations.empty()) return;
  Json rows = Json::array(), items = Json::array();
  for (const Reservation* reservation : reservations) {
    rows.push_back(ToJson(*reservation));
    if (created.count(reservation->reservation_id) == 0) continue;
    for (const Item& item : reservation->items) {
      items.push_back({reservation->reservation_id, item.product_id, item.quantity, item.unit_price_minor});
    }
  }
  const std::string rows_param = Dump(rows), items_param = Dump(items);
  session << kSaveReservations, soci::use(rows_param);
  if (!items.empty()) session << kInsertItems, soci::use(items_param);
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
