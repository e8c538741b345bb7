// Payments and refunds, and the decisions over them, without I/O. Money moves at the gateway; a row says what we know
// of it. Intent first (PENDING), then the gateway's word; what the gateway did not say is never guessed.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "payment_svc/decision.h"

namespace unwind::payment {

// Stored: never renumber.
enum class State : std::uint8_t {
  kPending = 1,    // the gateway is being asked, or the customer is to pay
  kResolving = 2,  // it is asked no more but by a fence, and no attempt begins
  kSuccess = 3,
  kFailed = 4,    // no money moved, and none ever will
  kRefunded = 5,  // of a payment only
};

// As it is called to others: PENDING also while it is resolved.
absl::string_view NameOf(State state);

struct Payment {
  std::string payment_id;
  std::string owner;  // the call that made it; see OwnerOf
  std::string member_id;
  Money amount;
  int method = 0;  // shop.type.v1.PaymentMethod; 0 of a Collect that is not paid
  State state = State::kPending;
  std::string pg_transaction_id;  // empty, once paid, where nothing was due
  std::string failed_reason;
  std::string refund_id;  // the refund that is under way or done
  absl::Time create_time;
  std::optional<absl::Time> paid_at;
  std::optional<absl::Time> wait_until = std::nullopt;  // of a Collect: when its attempts must have begun
  // Of a Charge that has failed: when the gateway is asked next what became of the key. Nothing: its word was its last.
  std::optional<absl::Time> inquire_at = std::nullopt;

  bool is_collect() const { return wait_until.has_value(); }
  bool operator==(const Payment&) const = default;
};

struct Refund {
  std::string refund_id;
  std::string owner;
  std::string payment_id;
  State state = State::kPending;
  std::string pg_transaction_id;  // of a success: the refund's, or the capture's if someone else had paid it back
  std::string failed_reason;
  std::int64_t kept = 0;  // of the payment's amount; the rest is paid back
  absl::Time create_time;

  bool operator==(const Refund&) const = default;
};

// The gateway's idempotency keys: a function of our own id, so that every copy of a call asks under the same one.
std::string ChargeKey(absl::string_view payment_id);
std::string RefundKey(absl::string_view refund_id);

// What the gateway's word makes of a Charge that is not final.
Decision SettleCharge(Payment& payment, const GatewayAnswer& answer, absl::Time now);

struct ChargeCall {
  std::string payment_id;
  std::string owner;
  std::string member_id;
  Money amount;
  int method = 0;
};

// `answer`: what the gateway said to this call's Confirm; nothing before it was asked.
Decision DecideCharge(std::optional<Payment>& payment, const ChargeCall& call,
                      const std::optional<GatewayAnswer>& answer, absl::Time now);

// Whether a resolve may leave open what is (S13), or ends it.
enum class Resolve : std::uint8_t {
  kMayWait,  // its caller accepts a pending answer and does not decide: the gateway is only asked again
  kEnds,     // the key is fenced
};

// `answer`: what the gateway said to this call's Fence or, of one that may wait, its Confirm.
Decision DecideResolveCharge(std::optional<Payment>& payment, Resolve resolve,
                             const std::optional<GatewayAnswer>& answer, absl::Time now);

struct RefundCall {
  std::string refund_id;
  std::string owner;
  std::string payment_id;
  Money keep = {};  // no currency: nothing
};

// What the refund pays back of its payment, or has.
Money PaidBack(const Payment& payment, const Refund& refund);

// `payment` is the row of call.payment_id. `answer`: what the gateway said to this call's Cancel.
Decision DecideRefund(std::optional<Payment>& payment, std::optional<Refund>& refund, const RefundCall& call,
                      const std::optional<GatewayAnswer>& answer, absl::Time now);

// `answer`: what the gateway said to this call's Fence.
Decision DecideResolveRefund(std::optional<Payment>& payment, std::optional<Refund>& refund,
                             const std::optional<GatewayAnswer>& answer);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_H_
