#include "tests/sim/shop.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "orchestrator/host/definition_files.h"
#include "soci/soci.h"

extern const unwind::Migrations kOrderMigrations;
extern const unwind::Migrations kStockMigrations;
extern const unwind::Migrations kPaymentMigrations;
extern const unwind::Migrations kCouponMigrations;
extern const unwind::Migrations kWalletMigrations;

namespace unwind::sim {
namespace {

void LoadInto(DefinitionCatalog& catalog) {
  const auto load = [&]() -> absl::Status {
    const auto descriptors = LoadDescriptors({}, UNWIND_PROTOSET);
    if (!descriptors.ok()) return descriptors.status();
    const auto definitions = LoadDefinitionFiles(
        {absl::StrCat(UNWIND_SAGAS, "/place_order.yaml"), absl::StrCat(UNWIND_SAGAS, "/cancel_order.yaml")},
        *descriptors);
    if (!definitions.ok()) return definitions.status();
    return ServeDefinitions(*definitions, catalog);
  };
  if (const absl::Status status = load(); !status.ok()) {
    std::fprintf(stderr, "the definitions cannot be loaded: %s\n", status.ToString().c_str());
    std::exit(2);
  }
}

}  // namespace

Shop::Shop()
    : orders_("order", kOrderMigrations),
      stock_("stock", kStockMigrations),
      payments_("payment", kPaymentMigrations),
      coupons_("coupon", kCouponMigrations),
      wallets_("wallet", kWalletMigrations) {
  LoadInto(catalog_);
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
