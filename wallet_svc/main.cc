// wallet_svc: members' charged money and points, and the ledger behind them.
#include "absl/flags/flag.h"
#include "common/base/checked_flag.h"
#include "common/participant/service_main.h"
#include "wallet_svc/wallet_domain.h"
#include "wallet_svc/wallet_service.h"

RANGED_FLAG(int, earn_percent, unwind::wallet::kEarnPercentDefault, 0, 100,
            "How many percent of what is paid for an order its buyer earns in points.");

extern const unwind::Migrations kWalletMigrations;  // embedded by the build

namespace unwind::wallet {
namespace {

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  return ServeParticipant(NewWalletDomain(clock, absl::GetFlag(FLAGS_earn_percent)), WalletTable(), open, clock);
}

}  // namespace
}  // namespace unwind::wallet

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "wallet_svc",
                              .usage = "members' charged money and points, in a ledger of double entries.",
                              .component = "wallet",
                              .migrations = kWalletMigrations,
                              .start = unwind::wallet::Start});
}
