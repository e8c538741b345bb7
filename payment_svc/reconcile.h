// Whether the payments and the gateway's ledger say the same of the money. Pure.
#ifndef UNWIND_PAYMENT_SVC_RECONCILE_H_
#define UNWIND_PAYMENT_SVC_RECONCILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "payment_svc/decision.h"

namespace unwind::payment {

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
  std::int64_t kept = 0;  // of the amount, when it was paid back
  absl::Time time;        // when it came to stand so, at the latest
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
  std::int64_t amount_minor = 0;
  absl::Time time;
};
struct TheirBooks {
  std::vector<TheirCapture> captures;
  std::map<std::string, TheirRefund> refunds;  // of a capture, by its transaction
};

// A sentence for each difference. What is open, or happened at `before` or later, is not compared: it may be on its
// way. `own` was read before `theirs`.
std::vector<std::string> Compare(const OwnBooks& own, const TheirBooks& theirs, absl::Time before);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_RECONCILE_H_
