// Tells the orchestrators that what a saga waits for is finished, so that it need not wait for its next poll.
#ifndef UNWIND_PAYMENT_SVC_NUDGER_H_
#define UNWIND_PAYMENT_SVC_NUDGER_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/metrics/client_metrics.h"
#include "common/participant/participant.h"
#include "common/rpc/renewed_channel.h"

namespace unwind::payment {

// Thread-safe.
class Nudger {
 public:
  static constexpr std::size_t kNudgesMax = 256;     // under way; more wait
  static constexpr std::size_t kWaitingMax = 20000;  // that wait; more are dropped
  static constexpr absl::Duration kTimeout = absl::Seconds(2);

  // `target`: any of the orchestrators, or all; empty: nobody is told. `metrics` must outlive it.
  Nudger(const std::string& target, ClientMetrics& metrics);
  ~Nudger() { Stop(); }

  // Of what `owner` (OwnerOf) made, which must be committed: what it says is true then. Never blocks. A nudge is sent
  // once; one that is lost costs a poll.
  void Nudge(absl::string_view owner);

  // Drops those that wait, waits for those under way; later ones are dropped. Idempotent.
  void Stop();

 private:
  void Send(const StepName& step);
  void Ended();

  ClientMetrics& metrics_;
  std::optional<RenewedChannel> channel_;  // none: nobody is told
  std::mutex mutex_;
  std::condition_variable idle_;
  std::deque<StepName> waiting_;  // guarded by mutex_, as all below; none unless kNudgesMax are under way
  std::size_t under_way_ = 0;
  bool stopping_ = false;
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_NUDGER_H_
