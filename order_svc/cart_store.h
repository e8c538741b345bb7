// The rows of carts. Every function runs inside the caller's transaction and lets soci_error pass.
#ifndef UNWIND_ORDER_SVC_CART_STORE_H_
#define UNWIND_ORDER_SVC_CART_STORE_H_

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "order_svc/cart.h"
#include "soci/session.h"

namespace unwind::order {

// By member.
using Carts = std::map<std::string, Cart>;
using MemberLines = std::set<std::pair<std::string, std::string>>;  // member and product

// To be written: nobody else changes these carts, nor makes them, until the transaction ends. One that is empty is
// there too.
Carts LockCarts(soci::session& session, const std::set<std::string>& member_ids);

// Makes the rows of these lines what `carts` has of them.
void SaveCartLines(soci::session& session, const Carts& carts, const MemberLines& changed);

// Those of `order_ids` whose items have left the cart.
std::set<std::string> LoadCleared(soci::session& session, const std::set<std::string>& order_ids);

// False: another process has cleared one of them meanwhile; roll back.
bool InsertCleared(soci::session& session, const std::set<std::string>& order_ids, absl::Time now);

// Empties all carts, and forgets which orders were cleared.
void ClearCarts(soci::session& session);

// To be shown.
Cart FindCart(soci::session& session, const std::string& member_id);

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_CART_STORE_H_
