// shop.wallet.v1.WalletService: its reads, and its table.
#ifndef UNWIND_WALLET_SVC_WALLET_SERVICE_H_
#define UNWIND_WALLET_SVC_WALLET_SERVICE_H_

#include "common/participant/table_service.h"

namespace unwind::wallet {

// The steps are NewWalletDomain's.
ServiceTable WalletTable();

}  // namespace unwind::wallet

#endif  // UNWIND_WALLET_SVC_WALLET_SERVICE_H_
