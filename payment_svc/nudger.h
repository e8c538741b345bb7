// Tells the orchestrators that what a saga waits for is finished, so that it need not wait for its next poll.
#ifndef UNWIND_PAYMENT_SVC_NUDGER_H_
#define UNWIND_PAYMENT_SVC_NUDGER_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/metrics/client_metrics.h"
#include "common/rpc/calls_under_way.h"
#include "common/rpc/renewed_channel.h"

namespace unwind::payment {

// Thread-safe.
class Nudger {
 public:
  static constexpr std::size_t kNudgesMax = 256;  // under way; more are dropped
  static constexpr absl::Duration kTimeout = absl::Seconds(2);

  // `target`: any of the orchestrators, or all; empty: nobody is told. `metrics` must outlive it.
  Nudger(const std::string& target, ClientMetrics& metrics);
  ~Nudger() { Stop(); }

  // Of what `owner` (OwnerOf) made, which must be committed: what it says is true then. Never blocks. A nudge is sent
  // once; one that is lost costs a poll.
  void Nudge(absl::string_view owner);

  // Waits for those under way; later ones are dropped. Idempotent.
  void Stop() { calls_.Stop(); }

 private:
  ClientMetrics& metrics_;
  std::optional<RenewedChannel> channel_;  // none: nobody is told
  CallsUnderWay calls_{kNudgesMax};
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_NUDGER_H_
