#include "payment_svc/payment_series.h"

#include <cstdlib>

#include "common/metrics/registry.h"
#include "prometheus/family.h"
#include "prometheus/registry.h"

namespace unwind::payment {
namespace {

constexpr WebhookResult kResults[] = {WebhookResult::kNews,     WebhookResult::kKnown,  WebhookResult::kKept,
                                      WebhookResult::kMismatch, WebhookResult::kForged, WebhookResult::kInvalid};

const char* NameOf(WebhookResult result) {
  switch (result) {
    case WebhookResult::kNews:
      return "news";
    case WebhookResult::kKnown:
      return "known";
    case WebhookResult::kKept:
      return "kept";
    case WebhookResult::kMismatch:
      return "mismatch";
    case WebhookResult::kForged:
      return "forged";
    case WebhookResult::kInvalid:
      return "invalid";
  }
  std::abort();
}

constexpr NudgeResult kNudgeResults[] = {NudgeResult::kHeeded, NudgeResult::kRefused, NudgeResult::kLost,
                                         NudgeResult::kDropped};

const char* NameOf(NudgeResult result) {
  switch (result) {
    case NudgeResult::kHeeded:
      return "heeded";
    case NudgeResult::kRefused:
      return "refused";
    case NudgeResult::kLost:
      return "lost";
    case NudgeResult::kDropped:
      return "dropped";
  }
  std::abort();
}

prometheus::Gauge& Gauge(const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*ProcessRegistry()).Add({});
}

}  // namespace

PaymentSeries& PaymentSeries::Get() {
  static auto* const series = new PaymentSeries();  // as long as the registry
  return *series;
}

PaymentSeries::PaymentSeries()
    : pending(Gauge("payment_pending", "Payments that their customer or the gateway has not finished.")),
      late_captures(prometheus::BuildCounter()
                        .Name("payment_late_captures_total")
                        .Help("Captures under keys that the gateway had declined or fenced.")
                        .Register(*ProcessRegistry())
                        .Add({})),
      returns_due(Gauge("payment_returns_due", "Late captures that the gateway has not paid back yet.")),
      differences(Gauge(
          "payment_reconcile_differences",
          "Differences between the payments, the gateway's ledger and the orders, as the last comparison found.")),
      reconciled(Gauge("payment_reconcile_timestamp_seconds", "When that comparison ended; 0: there was none.")) {
  auto& family = prometheus::BuildCounter()
                     .Name("payment_webhooks_total")
                     .Help("Webhooks of the payment gateway, by what became of them.")
                     .Register(*ProcessRegistry());
  for (const WebhookResult result : kResults) webhooks[result] = &family.Add({{"result", NameOf(result)}});
  auto& nudged = prometheus::BuildCounter()
                     .Name("payment_nudges_total")
                     .Help("Times that the orchestrators were told of a payment that a saga waits for.")
                     .Register(*ProcessRegistry());
  for (const NudgeResult result : kNudgeResults) nudges[result] = &nudged.Add({{"result", NameOf(result)}});
}

}  // namespace unwind::payment
