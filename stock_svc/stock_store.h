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

#include "common/db/statement.h"
#include "soci/session.h"
#include "stock_svc/stock.h"

namespace unwind::stock {

// By id. An id that was asked for and has no row is there without a value.
using Reservations = std::map<std::string, std::optional<Reservation>>;

// To be written. Before LoadProducts: the order in which rows are locked.
Reservations LoadReservations(soci::session& session, const std::set<std::string>& reservation_ids);
Products LoadProducts(soci::session& session, const std::set<std::string>& product_ids, Purpose purpose);

// False: another process has inserted one of them meanwhile; roll back.
bool InsertProducts(soci::session& session, const std::vector<const Product*>& products);
bool InsertReservations(soci::session& session, const std::vector<const Reservation*>& reservations);

void UpdatePrices(soci::session& session, const std::vector<const Product*>& products);
void UpdateStocks(soci::session& session, const std::vector<const Product*>& products);
void UpdateReservations(soci::session& session, const std::vector<const Reservation*>& reservations);

std::int64_t CountHeld(soci::session& session);

// Puts every product's pieces back on the shelf, removes all reservations, and says how many products there are.
std::int64_t ClearReservations(soci::session& session);

// At most `limit`, by id, those after `after`.
std::vector<Product> FindProducts(soci::session& session, const std::string& after, std::int64_t limit);

}  // namespace unwind::stock

#endif  // UNWIND_STOCK_SVC_STOCK_STORE_H_
