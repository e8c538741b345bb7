// Payments that the customer makes himself: Collect waits, each Pay is an attempt of its own, and ResolveCollect, or
// the customer, ends the wait. At most one attempt is open, so at most one capture stands; what the gateway takes under
// a key that it had declined or fenced goes back. Pure.
#ifndef UNWIND_PAYMENT_SVC_COLLECT_H_
#define UNWIND_PAYMENT_SVC_COLLECT_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "payment_svc/decision.h"
#include "payment_svc/finding.h"
#include "payment_svc/payment.h"

namespace unwind::payment {

inline constexpr std::size_t kAttemptsMax = 20;  // of one payment

// The clock of who decides that the time is over may be ahead of ours by so much.
inline constexpr absl::Duration kClocksApart = absl::Seconds(10);

// Nothing more is waited for: who asks for the payment is told how it ended.
bool IsSettled(const PaymentRows& rows);

// What a question of ours was answered.
struct Heard {
  std::string key;
  GatewayAnswer answer;
};

struct CollectCall {
  std::string payment_id;
  std::string owner;
  std::string member_id;
  Money amount;
  absl::Time wait_until;
};
Decision DecideCollect(PaymentRows& rows, const CollectCall& call, absl::Time now);

// `decides`: the wait is over.
Decision DecideResolveCollect(PaymentRows& rows, bool decides, const std::optional<Heard>& heard, absl::Time now);

struct PayCall {
  std::string payment_id;
  std::string owner;
  std::string member_id;
  int method = 0;
};
// kDone: AttemptOf(rows, call.owner) took the money, or the gateway finishes it later.
Decision DecidePay(PaymentRows& rows, const PayCall& call, const std::optional<Heard>& heard, absl::Time now);

// The customer ends it unpaid. kDone: it is.
Decision DecideCancel(PaymentRows& rows, absl::string_view payment_id, absl::string_view member_id,
                      const std::optional<Heard>& heard, absl::Time now);

// Null: there is none.
const Attempt* AttemptOf(const PaymentRows& rows, absl::string_view owner);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_COLLECT_H_
