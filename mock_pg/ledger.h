// A payment gateway's ledger and the decisions over it, without I/O. At most one entry per idempotency key, for ever; a
// repeat gets the entry's answer.
#ifndef UNWIND_MOCK_PG_LEDGER_H_
#define UNWIND_MOCK_PG_LEDGER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mock_pg/scenario.h"

namespace unwind::pg {

inline constexpr absl::string_view kErrorDomain = "pg.unwind";

// Stored: never renumber. The numbers of pg.v1.Transaction.Kind.
enum class Kind : std::uint8_t {
  kCapture = 1,
  kRefund = 2,
  kDecline = 3,
  kFence = 4,
  kPending = 5,  // of what is shown, never of an entry: an Intent
};

struct Entry {
  std::string transaction_id;
  std::string idempotency_key;
  Kind kind = Kind::kFence;
  std::int64_t amount_minor = 0;
  std::string currency_code;
  std::string captured_transaction_id;  // of a refund
  std::string decline_reason;           // of a decline
  std::string request;  // what was asked under the key, to tell a repeat from a reuse; empty for a fence
  absl::Time create_time;
  bool may_change = false;  // there is an Intent of this key

  bool operator==(const Entry&) const = default;
};

// A capture that was accepted and is finished later.
struct Intent {
  Entry pending;               // as it is shown until then
  std::string decline_reason;  // empty: it will be captured
  absl::Time due;
  bool survives_fence = false;
  absl::Duration after_fence = absl::ZeroDuration();  // from its fence to its end; zero: that is when it is due
  Webhook webhook;

  bool operator==(const Intent&) const = default;
};

enum class Verb : std::uint8_t { kConfirm, kCancel, kFence };

struct Operation {
  Verb verb = Verb::kFence;
  std::string key;
  std::int64_t amount_minor = 0;  // Confirm; Cancel: what is paid back, 0 for all of it
  std::string currency_code;      // Confirm
  std::string captured;           // Cancel: the transaction to be paid back; Fence: that its key was to pay back
  std::string transaction_id;     // of the entry, if one is made
  absl::Time now;
};

// The entries that a batch of operations can see.
class Ledger {
 public:
  void Add(Entry entry);
  void Accept(Intent intent);
  void Drop(const std::string& key);  // the intent of the key
  const Intent* IntentOf(const std::string& key) const;
  const Entry* ByKey(const std::string& key) const;
  const Entry* CaptureOf(const std::string& transaction_id) const;  // null if it is not a capture
  bool IsRefunded(const std::string& transaction_id) const;

 private:
  std::map<std::string, Entry> by_key_;
  std::map<std::string, Intent> intents_;
  std::map<std::string, const Entry*> captures_;
  std::map<std::string, const Entry*> refunds_;  // by the capture they pay back
};

struct Verdict {
  absl::Status status;  // what the caller is told; with OK also `entry`
  Entry entry;
  std::optional<Entry> write;     // the new entry, if any
  bool hang = false;              // write, then never answer
  std::optional<Intent> accept;   // the new intent, if any
  bool drop = false;              // the key's intent ends here
  std::optional<absl::Time> due;  // of the key's intent from now on
  std::optional<Webhook> tell;    // that `write` is the end, and answer only once that was tried
};

// Decides `operation`. Adds nothing to `ledger`; counts `scenario` down. Total.
Verdict Decide(const Ledger& ledger, Scenario& scenario, const Operation& operation);

// The entry that an intent ends as.
Entry Finish(const Intent& intent, absl::Time now);

// NOT_FOUND, reason TRANSACTION_NOT_FOUND.
absl::Status TransactionNotFound(absl::string_view what);

// OK, or INVALID_ARGUMENT naming the field: a key is printable ASCII, a currency three capital letters.
absl::Status CheckOperation(const Operation& operation);

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_LEDGER_H_
