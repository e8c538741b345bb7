// Payments and refunds, and the decisions over them, without I/O. Money moves at the gateway; a row says what we know
// of it. Intent first (PENDING), then the gateway's word; what the gateway did not say is never guessed.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::payment {

inline constexpr absl::string_view kErrorDomain = "payment.shop.unwind";
inline constexpr std::int64_t kAmountMinorMax = 1'000'000'000'000'000;
inline constexpr int kMethodMax = 2;  // of shop.type.v1.PaymentMethod

// Of a failed row's failed_reason: the gateway never said, and then it was fenced. Any other reason is the gateway's
// own.
inline constexpr absl::string_view kPaymentTimeout = "PAYMENT_TIMEOUT";

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

// Stored: never renumber.
enum class State : std::uint8_t {
  kPending = 1,    // the gateway is being asked
  kResolving = 2,  // it is asked no more but by a fence
  kSuccess = 3,
  kFailed = 4,    // no money moved, and none ever will
  kRefunded = 5,  // of a payment only
};

struct Payment {
  std::string payment_id;
  std::string owner;  // the call that made it; see OwnerOf
  std::string member_id;
  Money amount;
  int method = 0;  // shop.type.v1.PaymentMethod
  State state = State::kPending;
  std::string pg_transaction_id;
  std::string failed_reason;
  std::string refund_id;  // the refund that is under way or done
  absl::Time create_time;
  std::optional<absl::Time> paid_at;

  bool operator==(const Payment&) const = default;
};

struct Refund {
  std::string refund_id;
  std::string owner;
  std::string payment_id;
  State state = State::kPending;
  std::string pg_transaction_id;  // of a success: the refund's, or the capture's if someone else had paid it back
  std::string failed_reason;
  absl::Time create_time;

  bool operator==(const Refund&) const = default;
};

// What the gateway said of one of our keys.
struct GatewayAnswer {
  enum class Kind : std::uint8_t {
    kMoved,        // the money moved: transaction_id, amount, captured
    kDeclined,     // it did not and never will: reason
    kFenced,       // nor did it here: the key was fenced
    kBackAlready,  // of a refund: the capture was paid back before, under another key
    kUnknown,      // it may have: reason
  };
  Kind kind = Kind::kUnknown;
  std::string transaction_id;
  Money amount;
  std::string captured;  // of a refund, the capture it paid back; else empty
  std::string reason;
  std::string contradiction = {};  // of an answer that cannot be true, what it says; else empty
};

// What becomes of a call. The rows are changed in place, whatever the kind.
struct Decision {
  enum class Kind : std::uint8_t {
    kDone,        // it happened; the row holds what to answer
    kRefused,     // status
    kUnknown,     // status
    kAskGateway,  // commit the rows, ask, decide again with the answer
  };
  Kind kind = Kind::kUnknown;
  absl::Status status;
  std::string alarm;  // not empty: in what the gateway contradicts us, for a person
};

// The gateway's idempotency keys: a function of our own id, so that every copy of a call asks under the same one.
std::string ChargeKey(absl::string_view payment_id);
std::string RefundKey(absl::string_view refund_id);

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

// `answer`: what the gateway said to this call's Fence.
Decision DecideResolveCharge(std::optional<Payment>& payment, const std::optional<GatewayAnswer>& answer,
                             absl::Time now);

struct RefundCall {
  std::string refund_id;
  std::string owner;
  std::string payment_id;
};

// `payment` is the row of call.payment_id. `answer`: what the gateway said to this call's Cancel.
Decision DecideRefund(std::optional<Payment>& payment, std::optional<Refund>& refund, const RefundCall& call,
                      const std::optional<GatewayAnswer>& answer, absl::Time now);

// `answer`: what the gateway said to this call's Fence.
Decision DecideResolveRefund(std::optional<Payment>& payment, std::optional<Refund>& refund,
                             const std::optional<GatewayAnswer>& answer);

absl::Status PaymentNotFound(absl::string_view payment_id);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_H_
