// What every seed of a process shares: the production definitions, and the services' databases, which are cleared for
// each.
#ifndef UNWIND_TESTS_SIM_SHOP_H_
#define UNWIND_TESTS_SIM_SHOP_H_

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/core/follower.h"
#include "orchestrator/definition/definition.h"
#include "tests/sim/database.h"

namespace unwind::sim {

struct Product {
  const char* id;
  std::int64_t price;
  bool one_per_member;
};
inline constexpr Product kPlenty = {"plenty", 1500, false};
inline constexpr Product kScarce = {"scarce", 700, false};
inline constexpr Product kLimited = {"limited", 9900, true};
inline constexpr Product kProducts[] = {kPlenty, kScarce, kLimited};
inline constexpr char kCurrency[] = "KRW";

// Which definition files an instance was started with.
enum class Edition {
  kNewer,  // all of them, sale in version 2
  kOlder,  // sale in version 1, and nothing that follows it
};

class Shop {
 public:
  // Loads orchestrator/sagas/*.yaml and tests/sim/sagas/*.yaml; ends the process with a sentence if they are not there.
  Shop();

  // Of the newer edition, and the other version of sale.
  const DefinitionCatalog& catalog() const { return catalog_; }
  const std::vector<std::shared_ptr<const Definition>>& definitions() const { return all_; }
  const std::vector<std::shared_ptr<const Definition>>& definitions(Edition edition) const {
    return edition == Edition::kNewer ? newer_ : older_;
  }
  // Who follows whom, once an instance of the newer edition has said so.
  const std::vector<Follower>& followers() const { return followers_; }

  Database& orders() { return orders_; }
  Database& stock() { return stock_; }
  Database& payments() { return payments_; }
  Database& depot() { return depot_; }
  Database& coupons() { return coupons_; }
  Database& wallets() { return wallets_; }

  // Puts the products on the shelf: `scarce` pieces of the scarce one, enough of the others.
  void Stock(int scarce);

 private:
  absl::Status Load();

  std::vector<std::shared_ptr<const Definition>> all_, newer_, older_;
  DefinitionCatalog catalog_;
  std::vector<Follower> followers_;
  Database orders_;
  Database stock_;
  Database payments_;
  Database depot_;
  Database coupons_;
  Database wallets_;
};

inline constexpr int kEnough = 10000;

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_SHOP_H_
