#include "wallet_svc/wallet_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "shop/wallet/v1/wallet_service.pb.h"
#include "wallet_svc/wallet.h"
#include "wallet_svc/wallet_store.h"

namespace unwind::wallet {
namespace {

namespace v1 = ::shop::wallet::v1;
using enum barrier::Phase;

Money Read(const ::shop::type::v1::Money& from) { return {from.minor_units(), from.currency_code()}; }

void Write(std::int64_t minor_units, const std::string& currency_code, ::shop::type::v1::Money& to) {
  to.set_minor_units(minor_units);
  to.set_currency_code(currency_code);
}

// The rows that one batch touches, as they become.
class WalletBatch {
 public:
  WalletBatch(soci::session& session, absl::Time now, int earn_percent)
      : session_(session), now_(now), earn_percent_(earn_percent) {}

  template <class Request>
  void Want(const Request& request) {
    hold_ids_.insert(request.order_id());
  }
  void Want(const v1::HoldRequest& request) {
    hold_ids_.insert(request.order_id());
    member_ids_.insert(request.member_id());
  }
  void Want(const v1::EarnRequest& request) {
    hold_ids_.insert(request.order_id());
    earning_ids_.insert(request.order_id());
    member_ids_.insert(request.member_id());
  }
  void Want(const v1::TakeBackRequest& request) {
    hold_ids_.insert(request.order_id());
    earning_ids_.insert(request.order_id());
  }
  void Want(const v1::UndoTakeBackRequest& request) {
    hold_ids_.insert(request.order_id());
    earning_ids_.insert(request.order_id());
  }
  void Want(const v1::ChargeRequest& request) {
    charge_ids_.insert(request.charge_id());
    member_ids_.insert(request.member_id());
  }
  void Want(const v1::ResetWalletsRequest&) {}

  void Load() {
    holds_ = LoadHolds(session_, hold_ids_);
    earnings_ = LoadEarnings(session_, earning_ids_);
    charges_ = LoadCharges(session_, charge_ids_);
    for (const auto& [id, hold] : holds_) {
      if (hold) member_ids_.insert(hold->member_id);
    }
    for (const auto& [id, earning] : earnings_) {
      if (earning && !earning->member_id.empty()) member_ids_.insert(earning->member_id);
    }
    ledger_.purses = LoadPurses(session_, member_ids_, Purpose::kWrite);
    KeepAll();
  }

  absl::Status Hold(const CallKey& key, const v1::HoldRequest& request, v1::HoldResponse& response) {
    HoldCall call{request.order_id(), OwnerOf(key), request.member_id(), {}, {}, Read(request.total())};
    if (request.use().has_points()) call.points = Read(request.use().points());
    if (request.use().has_balance()) call.balance = Read(request.use().balance());
    std::optional<wallet::Hold>& hold = holds_[call.order_id];
    RETURN_IF_ERROR(TakeHold(hold, ledger_, call, now_));
    Write(hold->points, hold->currency_code, *response.mutable_points());
    Write(hold->balance, hold->currency_code, *response.mutable_balance());
    Write(hold->due(), hold->currency_code, *response.mutable_due());
    return absl::OkStatus();
  }

  absl::Status Release(const CallKey& key, const v1::ReleaseRequest& request, v1::ReleaseResponse&) {
    return wallet::Release(holds_[request.order_id()], ledger_, OwnerOf(key), now_);
  }

  absl::Status Settle(const CallKey&, const v1::SettleRequest& request, v1::SettleResponse&) {
    return wallet::Settle(holds_[request.order_id()], ledger_, request.order_id(), now_);
  }

  absl::Status ReturnSettled(const CallKey&, const v1::ReturnSettledRequest& request,
                             v1::ReturnSettledResponse& response) {
    std::optional<wallet::Hold>& hold = holds_[request.order_id()];
    RETURN_IF_ERROR(wallet::ReturnSettled(hold, ledger_, now_));
    if (!hold) return absl::OkStatus();
    if (hold->points > 0) Write(hold->points, hold->currency_code, *response.mutable_points());
    if (const std::int64_t balance = hold->balance - hold->kept; balance > 0) {
      Write(balance, hold->currency_code, *response.mutable_balance());
    }
    return absl::OkStatus();
  }

  absl::Status Earn(const CallKey&, const v1::EarnRequest& request, v1::EarnResponse& response) {
    const EarnCall call{request.order_id(), request.member_id(), Read(request.paid())};
    std::int64_t earned = 0;
    const std::string& id = call.order_id;
    RETURN_IF_ERROR(wallet::Earn(earnings_[id], holds_[id], ledger_, call, earn_percent_, now_, earned));
    Write(earned, call.paid.currency_code, *response.mutable_points());
    return absl::OkStatus();
  }

  absl::Status TakeBack(const CallKey& key, const v1::TakeBackRequest& request, v1::TakeBackResponse& response) {
    const std::string& id = request.order_id();
    std::optional<Earning>& earning = earnings_[id];
    TakenBack taken;
    RETURN_IF_ERROR(wallet::TakeBack(earning, holds_[id], ledger_, id, OwnerOf(key), now_, taken));
    const std::string& currency = earning->currency_code;
    if (taken.taken > 0) Write(taken.taken, currency, *response.mutable_taken());
    if (taken.kept_from_balance > 0) {
      Write(taken.kept_from_balance, currency, *response.mutable_kept_from_balance());
    }
    if (taken.keep_from_refund > 0) Write(taken.keep_from_refund, currency, *response.mutable_keep_from_refund());
    return absl::OkStatus();
  }

  absl::Status UndoTakeBack(const CallKey& key, const v1::UndoTakeBackRequest& request, v1::UndoTakeBackResponse&) {
    const std::string& id = request.order_id();
    return wallet::UndoTakeBack(earnings_[id], holds_[id], ledger_, OwnerOf(key), now_);
  }

  absl::Status Charge(const CallKey&, const v1::ChargeRequest& request, v1::ChargeResponse& response) {
    const wallet::Charge call{request.charge_id(), request.member_id(), Read(request.amount()), now_};
    RETURN_IF_ERROR(MakeCharge(charges_[call.charge_id], ledger_, call, now_));
    const std::string& currency = call.amount.currency_code;
    Write(ledger_.purses[{call.member_id, currency}].balance, currency, *response.mutable_balance());
    return absl::OkStatus();
  }

  absl::Status ResetWallets(const CallKey&, const v1::ResetWalletsRequest&, v1::ResetWalletsResponse& response) {
    WriteChanges();
    if (const std::int64_t held = CountHeld(session_); held > 0) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "orders hold something of wallets; let their sagas end before the reset",
                       {"RESET_REFUSED", std::string(kErrorDomain), {{"held", absl::StrCat(held)}}});
    }
    response.set_wallets_removed(ClearWallets(session_));
    for (auto& [id, hold] : holds_) hold.reset();
    for (auto& [id, earning] : earnings_) earning.reset();
    for (auto& [id, charge] : charges_) charge.reset();
    ledger_.purses.clear();
    KeepAll();
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  template <class Row>
  using Rows = std::map<std::string, std::optional<Row>>;

  // What of `rows` is new, and what has changed, since they were as `stored` says.
  template <class Row>
  struct Difference {
    std::vector<const Row*> created, changed;

    Difference(const Rows<Row>& rows, const Rows<Row>& stored) {
      for (const auto& [id, row] : rows) {
        if (!row) continue;
        const auto found = stored.find(id);
        if (found == stored.end() || !found->second) {
          created.push_back(&*row);
        } else if (*found->second != *row) {
          changed.push_back(&*row);
        }
      }
    }
  };

  void KeepAll() {
    stored_holds_ = holds_;
    stored_earnings_ = earnings_;
    stored_charges_ = charges_;
    stored_purses_ = ledger_.purses;
  }

  void WriteChanges() {
    const Difference holds(holds_, stored_holds_);
    const Difference earnings(earnings_, stored_earnings_);
    const Difference charges(charges_, stored_charges_);
    Purses created, changed;
    for (const auto& [key, purse] : ledger_.purses) {
      const auto stored = stored_purses_.find(key);
      if (stored == stored_purses_.end()) {
        created.emplace(key, purse);
      } else if (stored->second != purse) {
        changed.emplace(key, purse);
      }
    }
    UpdateHolds(session_, holds.changed);
    UpdateEarnings(session_, earnings.changed);
    UpdatePurses(session_, changed);
    if (!InsertHolds(session_, holds.created) || !InsertEarnings(session_, earnings.created) ||
        !InsertCharges(session_, charges.created) || !InsertPurses(session_, created)) {
      lost_ = true;
      return;
    }
    InsertEntries(session_, ledger_.entries);
    ledger_.entries.clear();
    KeepAll();
  }

  soci::session& session_;
  const absl::Time now_;
  const int earn_percent_;
  std::set<std::string> hold_ids_, earning_ids_, charge_ids_, member_ids_;
  bool lost_ = false;
  Holds holds_;
  Earnings earnings_;
  Charges charges_;
  Ledger ledger_;
  // As the tables have them.
  Holds stored_holds_;
  Earnings stored_earnings_;
  Charges stored_charges_;
  Purses stored_purses_;
};

}  // namespace

std::unique_ptr<StepDomain> NewWalletDomain(const Clock& clock, int earn_percent) {
  return std::make_unique<TableDomain<WalletBatch>>(
      clock,
      std::vector<StepRow<WalletBatch>>{
          Changes("Hold", kAction, &WalletBatch::Hold),
          Changes("Release", kCompensation, &WalletBatch::Release),
          Changes("Settle", kAction, &WalletBatch::Settle),
          Changes("ReturnSettled", kAction, &WalletBatch::ReturnSettled),
          Changes("Earn", kAction, &WalletBatch::Earn),
          Changes("TakeBack", kAction, &WalletBatch::TakeBack),
          Changes("UndoTakeBack", kCompensation, &WalletBatch::UndoTakeBack),
          Changes("Charge", kAction, &WalletBatch::Charge),
          ForTests(Changes("ResetWallets", kAction, &WalletBatch::ResetWallets)),
      },
      [earn_percent](soci::session& session, absl::Time now) { return WalletBatch(session, now, earn_percent); });
}

std::unique_ptr<StepDomain> NewWalletDomain(const Clock& clock) { return NewWalletDomain(clock, kEarnPercentDefault); }

}  // namespace unwind::wallet
