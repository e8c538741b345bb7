// What the gateway's words change of a payment's rows, whether we have asked or not. Pure.
#ifndef UNWIND_PAYMENT_SVC_FINDING_H_
#define UNWIND_PAYMENT_SVC_FINDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "payment_svc/decision.h"
#include "payment_svc/payment.h"

namespace unwind::payment {

// Stored: never renumber.
enum class AttemptState : std::uint8_t {
  kOpen = 1,  // the gateway is being asked, or finishes it later
  kCaptured = 2,
  kDeclined = 3,
  kFenced = 4,
};

struct Attempt {
  std::string key;  // the gateway's, AttemptKey
  std::string payment_id;
  int number = 0;     // 1 for the first of its payment
  std::string owner;  // the call that made it
  int method = 0;
  AttemptState state = AttemptState::kOpen;
  std::string pg_transaction_id;  // of a capture
  std::string failed_reason;      // of a decline
  absl::Time create_time;
  std::optional<absl::Time> inquire_at = std::nullopt;  // when the gateway is asked next; nothing: it is final

  bool operator==(const Attempt&) const = default;
};

// Money that the gateway took under a key that it had declined or fenced.
struct Return {
  std::string key;  // that of the capture
  std::string payment_id;
  std::string captured;  // the capture
  Money amount;
  int tries = 1;  // each under a key of its own, ReturnKey
  bool done = false;
  absl::Time create_time;
  absl::Time try_at;  // when the gateway is asked next

  bool operator==(const Return&) const = default;
};

// The rows of one payment.
struct PaymentRows {
  std::optional<Payment> payment;
  std::vector<Attempt> attempts;  // by number
  std::vector<Return> returns;

  bool operator==(const PaymentRows&) const = default;
};

std::string AttemptKey(absl::string_view payment_id, int number);
std::string ReturnKey(const Return& due);
// Whose a key of a Charge or an attempt is; empty: it is neither's.
std::string PaymentIdOf(absl::string_view key);

// What a word of the gateway changes.
struct Finding {
  enum class Kind : std::uint8_t {
    kKnown,      // nothing
    kNews,       // the rows
    kNoSuchKey,  // nothing: there is no such Charge or attempt
    kMismatch,   // nothing: it cannot be true
  };
  Kind kind = Kind::kKnown;
  std::string alarm;     // for a person, if not empty
  bool is_late = false;  // of news: a Return is due
};

// `word`: what the gateway says of `key`, whenever and however it says so. States go only upward. A capture under a key
// that is open is taken; one under a key that it had declined or fenced becomes a Return; no other does.
Finding Hear(PaymentRows& rows, absl::string_view key, const GatewayAnswer& word, absl::Time now);

// The same of what it says to a Return's Cancel.
Finding HearReturn(Return& due, const GatewayAnswer& word, absl::Time now);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_FINDING_H_
