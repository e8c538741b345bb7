// The rows of products, stocks and reservations. Every function runs inside the caller's transaction and lets
// soci_error pass.
#ifndef UNWIND_STOCK_SVC_STOCK_STORE_H_
#define UNWIND_STOCK_SVC_STOCK_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "soci/session.h"
#include "stock_svc/stock.h"

namespace unwind::stock {

// By id. An id that was asked for and has no row is there without a value.
using Reservations = std::map<std::string, std::optional<Reservation>>;

Reservations LoadReservations(soci::session& session, const std::set<std::string>& reservation_ids);
Products LoadProducts(soci::session& session, const std::set<std::string>& product_ids);

// Inserts or overwrites the name and price.
void SavePrices(soci::session& session, const std::vector<const Product*>& products);

// Inserts or overwrites the numbers; the products must be saved before.
void SaveStocks(soci::session& session, const std::vector<const Product*>& products);

// Inserts or overwrites `reservations`; of those in `created`, the items too.
void SaveReservations(soci::session& session, const std::vector<const Reservation*>& reservations,
                      const std::set<std::string>& created);

std::int64_t CountHeld(soci::session& session);

// Puts every product's pieces back on the shelf, removes all reservations, and says how many products there are.
std::int64_t ClearReservations(soci::session& session);

// At most `limit`, by id, those after `after`.
std::vector<Product> FindProducts(soci::session& session, const std::string& after, std::int64_t limit);

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_STORE_H_
