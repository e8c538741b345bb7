// What the decisions over payments share: the gateway's questions and answers, and what becomes of a call. Pure.
#ifndef UNWIND_PAYMENT_SVC_DECISION_H_
#define UNWIND_PAYMENT_SVC_DECISION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::payment {

inline constexpr absl::string_view kErrorDomain = "payment.shop.unwind";
inline constexpr std::int64_t kAmountMinorMax = 1'000'000'000'000'000;
inline constexpr int kMethodMax = 2;  // of shop.type.v1.PaymentMethod

// What a fenced or declined key may still become is asked for the first time after this.
inline constexpr absl::Duration kInquireFirst = absl::Seconds(2);

// Of a failed row's failed_reason, besides the gateway's own: the gateway never said, and then it was fenced; the
// customer did not pay in time; or he, or who runs the shop, ended it before.
inline constexpr absl::string_view kPaymentTimeout = "PAYMENT_TIMEOUT";
inline constexpr absl::string_view kPaymentExpired = "PAYMENT_EXPIRED";
inline constexpr absl::string_view kPaymentCancelled = "PAYMENT_CANCELLED";

struct Money {
  std::int64_t minor_units = 0;
  std::string currency_code;

  bool operator==(const Money&) const = default;
};

std::string Show(const Money& money);

// What the gateway is asked under one of our keys.
struct Question {
  enum class Verb : std::uint8_t { kConfirm, kCancel, kFence };
  Verb verb = Verb::kFence;
  std::string key;
  Money amount;          // Confirm; Cancel: what is paid back, 0 for all of it
  std::string captured;  // Cancel: what is paid back; Fence: what its key was to pay back, or empty

  bool operator==(const Question&) const = default;
};

// What the gateway said of one of our keys.
struct GatewayAnswer {
  enum class Kind : std::uint8_t {
    kMoved,        // the money moved: transaction_id, amount, captured
    kDeclined,     // it did not and never will: reason
    kFenced,       // nor did it here: the key was fenced
    kBackAlready,  // of a refund: the capture was paid back before, under another key
    kUnknown,      // it may have: reason
    kPending,      // of a capture: it was accepted, and moves later or not
  };
  Kind kind = Kind::kUnknown;
  std::string transaction_id;
  Money amount;
  std::string captured;  // of a refund, the capture it paid back; else empty
  std::string reason;
  std::string contradiction = {};  // of an answer that cannot be true, what it says; else empty
  bool is_final = false;           // the gateway says that it stays so
};

// What becomes of a call. The rows are changed in place, whatever the kind.
struct Decision {
  enum class Kind : std::uint8_t {
    kDone,        // it happened; the row holds what to answer
    kRefused,     // status
    kUnknown,     // status
    kAskGateway,  // commit the rows, ask `question`, decide again with the answer
    kWaits,       // it was accepted and is not finished
  };
  Kind kind = Kind::kUnknown;
  absl::Status status;
  std::string alarm;  // not empty: in what the gateway contradicts us, for a person
  std::optional<Question> question = std::nullopt;
};

// Told of a payment that is settled, once that is committed: the owner (OwnerOf) of the call that made it. Does not
// block.
using Settled = std::function<void(const std::string& owner)>;

using Metadata = std::map<std::string, std::string>;
absl::Status Error(absl::StatusCode code, absl::string_view message, absl::string_view reason, Metadata metadata);
absl::Status PaymentNotFound(absl::string_view payment_id);
absl::Status PaymentAlreadyExists(absl::string_view payment_id);

// OK, or INVALID_ARGUMENT naming the fields.
absl::Status CheckAmount(const Money& amount);
absl::Status CheckMethod(int method);

Decision Done();
Decision Ask(Question question);
Decision Refuse(absl::Status status);
Decision NotKnown(absl::string_view why, std::string alarm = "");
Decision Waits();
// The final "no" of a resolve, in the words of the call's own "no" and with its reason as the cause: the buyer reads
// it.
Decision Never(const absl::Status& no);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_DECISION_H_
