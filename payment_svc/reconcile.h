// Whether the payments say the same of the money as the gateway's ledger does, and as the orders do. Pure.
#ifndef UNWIND_PAYMENT_SVC_RECONCILE_H_
#define UNWIND_PAYMENT_SVC_RECONCILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "payment_svc/decision.h"
#include "payment_svc/payment.h"

namespace unwind::payment {

// A key that the gateway has not said its last word of is asked about again within this.
inline constexpr absl::Duration kInquiryPauseMax = absl::Minutes(10);

// What is open for longer is compared too: its saga does not ask any more, or is told what cannot be true.
inline constexpr absl::Duration kOpenMax = absl::Hours(24);

// What our rows say of a key of the gateway's.
struct OwnKey {
  enum class Stands : std::uint8_t {
    kOpen,      // it is being asked, or is to pay back
    kTaken,     // it took the money
    kPaidBack,  // and paid it back
    kNothing,   // it took none
  };
  std::string payment_id;
  Stands stands = Stands::kOpen;
  std::string transaction;  // of the capture
  Money amount;
  std::int64_t kept = 0;     // of the amount, when it was paid back
  absl::Time time;           // when it came to stand so, at the latest
  bool is_inquired = false;  // of one that took nothing: the gateway has not said its last word
};
using OwnBooks = std::map<std::string, OwnKey>;  // by key

// What the gateway's ledger says.
struct TheirCapture {
  std::string key;
  std::string transaction;
  Money amount;
  absl::Time time;
};
struct TheirRefund {
  std::int64_t amount_minor = 0;  // of all
  absl::Time time;                // of the last
};
struct TheirBooks {
  std::vector<TheirCapture> captures;
  std::map<std::string, TheirRefund> refunds;  // of a capture, by its transaction

  void AddRefund(const std::string& capture, const TheirRefund& refund);
};

// A sentence for each difference. What happened at `before` or later may be on its way and is not compared; nor is what
// is open, until kOpenMax. `own` was read before `theirs`.
std::vector<std::string> Compare(const OwnBooks& own, const TheirBooks& theirs, absl::Time before);

// What an order says of its payment.
struct TheirOrder {
  enum class Says { kPaid, kCancelled, kFailed };
  Says says = Says::kPaid;
  std::string order_id;
  std::string payment_id;  // of one that was paid
  absl::Time time;         // since when
};

// How `order` differs from its payment, in a sentence; empty: it does not. `own`: the states by payment, read before
// the order. An order that failed names no payment; the shop gives both one id.
std::string OrderDifference(const std::map<std::string, State>& own, const TheirOrder& order, absl::Time before);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_RECONCILE_H_
