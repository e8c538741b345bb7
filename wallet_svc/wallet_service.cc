#include "wallet_svc/wallet_service.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/rpc/page_token.h"
#include "shop/wallet/v1/wallet_service.grpc.pb.h"
#include "wallet_svc/wallet.h"
#include "wallet_svc/wallet_store.h"

namespace unwind::wallet {
namespace {

namespace v1 = ::shop::wallet::v1;

void WriteMoney(std::int64_t minor_units, const std::string& currency_code, ::shop::type::v1::Money& to) {
  to.set_minor_units(minor_units);
  to.set_currency_code(currency_code);
}

v1::Entry::Account AccountOf(Account account) {
  switch (account) {
    case Account::kBalance:
      return v1::Entry::ACCOUNT_BALANCE;
    case Account::kPoints:
      return v1::Entry::ACCOUNT_POINTS;
    case Account::kBalanceHeld:
      return v1::Entry::ACCOUNT_BALANCE_HELD;
    case Account::kPointsHeld:
      return v1::Entry::ACCOUNT_POINTS_HELD;
    case Account::kCards:
    case Account::kSales:
    case Account::kPointsPool:
      break;  // no member's
  }
  return v1::Entry::ACCOUNT_UNSPECIFIED;
}

v1::Entry::Cause CauseOf(Cause cause) {
  switch (cause) {
    case Cause::kCharge:
      return v1::Entry::CAUSE_CHARGE;
    case Cause::kHold:
      return v1::Entry::CAUSE_HOLD;
    case Cause::kRelease:
      return v1::Entry::CAUSE_RELEASE;
    case Cause::kSettle:
      return v1::Entry::CAUSE_SETTLE;
    case Cause::kReturn:
      return v1::Entry::CAUSE_RETURN;
    case Cause::kEarn:
      return v1::Entry::CAUSE_EARN;
    case Cause::kTakeBack:
      return v1::Entry::CAUSE_TAKE_BACK;
    case Cause::kUndoTakeBack:
      return v1::Entry::CAUSE_UNDO_TAKE_BACK;
  }
  return v1::Entry::CAUSE_UNSPECIFIED;
}

void WriteEntry(const Entry& from, v1::Entry& to) {
  to.set_account(AccountOf(from.account));
  to.set_cause(CauseOf(from.cause));
  to.set_cause_id(from.cause_id);
  to.set_change_minor_units(from.change_minor);
  to.set_currency_code(from.currency_code);
  const std::int64_t micros = absl::ToUnixMicros(from.create_time);
  to.mutable_create_time()->set_seconds(micros / 1000000);
  to.mutable_create_time()->set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

absl::Status Get(soci::session& session, const v1::GetWalletRequest& request, v1::Wallet& response) {
  response.set_member_id(request.member_id());
  for (const auto& [key, purse] : LoadPurses(session, {request.member_id()}, Purpose::kRead)) {
    const std::string& currency = key.second;
    v1::Purse& to = *response.add_purses();
    WriteMoney(purse.balance, currency, *to.mutable_balance());
    WriteMoney(purse.points, currency, *to.mutable_points());
    WriteMoney(purse.balance_held, currency, *to.mutable_balance_held());
    WriteMoney(purse.points_held, currency, *to.mutable_points_held());
  }
  return absl::OkStatus();
}

std::vector<std::string> TokenFilters(const v1::ListEntriesRequest& request) {
  return {"entries", request.member_id()};
}

absl::StatusOr<EntryPosition> ReadPosition(const v1::ListEntriesRequest& request) {
  ASSIGN_OR_RETURN(const std::string position,
                   ReadPageToken(kErrorDomain, TokenFilters(request), request.page_token()));
  EntryPosition after;
  if (position.empty()) return after;
  const std::vector<std::string> parts = absl::StrSplit(position, ':');
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &after.create_time_us) ||
      !absl::SimpleAtoi(parts[2], &after.cause) || !absl::SimpleAtoi(parts[3], &after.line)) {
    return BadPageToken(kErrorDomain);
  }
  after.cause_id = parts[1];
  return after;
}

absl::Status List(soci::session& session, const v1::ListEntriesRequest& request, v1::ListEntriesResponse& response) {
  ASSIGN_OR_RETURN(const EntryPosition after, ReadPosition(request));
  const std::int64_t page = PageSize(request.page_size());
  // One more tells whether there are more.
  std::vector<Entry> entries = FindEntries(session, request.member_id(), after, page + 1);
  if (static_cast<std::int64_t>(entries.size()) > page) {
    entries.pop_back();
    const Entry& last = entries.back();
    response.set_next_page_token(
        WritePageToken(TokenFilters(request), absl::StrCat(absl::ToUnixMicros(last.create_time), ":", last.cause_id,
                                                           ":", static_cast<int>(last.cause), ":", last.line)));
  }
  for (const Entry& entry : entries) WriteEntry(entry, *response.add_entries());
  return absl::OkStatus();
}

}  // namespace

ServiceTable WalletTable() {
  return {.name = v1::WalletService::service_full_name(),
          .error_domain = std::string(kErrorDomain),
          .reads = {Reads("GetWallet", &Get), Reads("ListEntries", &List)}};
}

}  // namespace unwind::wallet
