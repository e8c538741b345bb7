// What payment_svc measures of what the gateway says by itself, in the process's registry.
#ifndef UNWIND_PAYMENT_SVC_PAYMENT_SERIES_H_
#define UNWIND_PAYMENT_SVC_PAYMENT_SERIES_H_

#include <cstdint>
#include <map>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"

namespace unwind::payment {

enum class WebhookResult : std::uint8_t {
  kNews,      // it changed what is known of a payment
  kKnown,     // it said what was known
  kKept,      // its key is not known yet
  kMismatch,  // it cannot be true
  kForged,    // its signature does not hold
  kInvalid,   // it is no event
};

enum class NudgeResult : std::uint8_t {
  kHeeded,
  kRefused,  // there is nothing to ask any more
  kLost,     // no orchestrator has heeded it
  kDropped,  // too many were under way
};

// Thread-safe. All its series are there from the start, with 0.
class PaymentSeries {
 public:
  // Of the process, made when first asked for.
  static PaymentSeries& Get();

  std::map<WebhookResult, prometheus::Counter*> webhooks;  // whole once constructed
  prometheus::Gauge& pending;                              // payments that are neither made nor over
  std::map<NudgeResult, prometheus::Counter*> nudges;      // whole once constructed
  prometheus::Counter& late_captures;
  prometheus::Gauge& returns_due;
  prometheus::Gauge& differences;  // that the last comparison with the gateway found
  prometheus::Gauge& reconciled;   // when that ended, in Unix seconds

 private:
  PaymentSeries();
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_PAYMENT_SERIES_H_
