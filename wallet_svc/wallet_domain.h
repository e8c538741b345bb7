// Wallets as a saga participant: a batch loads rows, wallet.h decides, each table is written once.
#ifndef UNWIND_WALLET_SVC_WALLET_DOMAIN_H_
#define UNWIND_WALLET_SVC_WALLET_DOMAIN_H_

#include <memory>

#include "common/base/clock.h"
#include "common/participant/method_table.h"

namespace unwind::wallet {

inline constexpr int kEarnPercentDefault = 1;

// The changing methods of shop.wallet.v1.WalletService. Orders earn `earn_percent` of what was paid. `clock` must
// outlive the domain.
std::unique_ptr<StepDomain> NewWalletDomain(const Clock& clock, int earn_percent);
std::unique_ptr<StepDomain> NewWalletDomain(const Clock& clock);

}  // namespace unwind::wallet

#endif  // UNWIND_WALLET_SVC_WALLET_DOMAIN_H_
