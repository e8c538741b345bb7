#include "tests/sim/shop.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/host/definition_files.h"
#include "orchestrator/host/follower_table.h"
#include "soci/soci.h"
#include "tests/sim/depot.h"
#include "tests/support/memory_saga_store.h"

extern const unwind::Migrations kOrderMigrations;
extern const unwind::Migrations kStockMigrations;
extern const unwind::Migrations kPaymentMigrations;
extern const unwind::Migrations kCouponMigrations;
extern const unwind::Migrations kWalletMigrations;

namespace unwind::sim {
namespace {

constexpr char kOlderSale[] = "sale_v1.yaml";
constexpr const char* kNewer[] = {"sale_v2.yaml", "after_sale.yaml", "after_shelf.yaml", "after_unpaid.yaml",
                                  "after_after_sale.yaml"};

std::string SaleFile(const char* name) { return absl::StrCat(UNWIND_SIM_SAGAS, "/", name); }

}  // namespace

absl::Status Shop::Load() {
  ASSIGN_OR_RETURN(const DescriptorSets descriptors, LoadDescriptors({UNWIND_SIM_PROTOSET}, UNWIND_PROTOSET));
  std::vector<std::string> shared = {absl::StrCat(UNWIND_SAGAS, "/place_order.yaml"),
                                     absl::StrCat(UNWIND_SAGAS, "/cancel_order.yaml")};
  std::vector<std::string> newer = shared, older = shared;
  for (const char* const name : kNewer) newer.push_back(SaleFile(name));
  older.push_back(SaleFile(kOlderSale));
  ASSIGN_OR_RETURN(newer_, LoadDefinitionFiles(newer, descriptors));
  ASSIGN_OR_RETURN(older_, LoadDefinitionFiles(older, descriptors));
  RETURN_IF_ERROR(ServeDefinitions(newer_, catalog_));
  RETURN_IF_ERROR(catalog_.Add(older_.back()));
  all_ = newer_;
  all_.push_back(older_.back());
  // The older version is stored and not in use, so that what its sagas lack is no error.
  MemorySagaStore store;
  RETURN_IF_ERROR(StoreDefinitions(store, all_));
  RETURN_IF_ERROR(UpdateFollowers(store, newer_));
  ASSIGN_OR_RETURN(const FollowerSet set, store.Followers());
  followers_ = set.followers;
  return absl::OkStatus();
}

Shop::Shop()
    : orders_("order", kOrderMigrations),
      stock_("stock", kStockMigrations),
      payments_("payment", kPaymentMigrations),
      depot_("depot", kDepotMigrations),
      coupons_("coupon", kCouponMigrations),
      wallets_("wallet", kWalletMigrations) {
  if (const absl::Status status = Load(); !status.ok()) {
    std::fprintf(stderr, "the definitions cannot be loaded: %s\n", status.ToString().c_str());
    std::exit(2);
  }
}

void Shop::Stock(int scarce) {
  for (const Product& product : kProducts) {
    const std::string id = product.id;
    const long long pieces = id == kScarce.id ? scarce : kEnough;
    stock_.Execute(
        absl::StrCat("INSERT INTO products VALUES ('", id, "', ", product.price, ", '", kCurrency, "')").c_str());
    stock_.Execute(absl::StrCat("INSERT INTO stocks VALUES ('", id, "', ", pieces, ", 0, 0, 1)").c_str());
    if (!product.one_per_member) continue;
    orders_.Execute(absl::StrCat("INSERT INTO purchase_limits VALUES ('", id, "', 1)").c_str());
  }
}

}  // namespace unwind::sim
