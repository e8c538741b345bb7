// Passes nudges (S14) on to the instance that drives their saga, at the address that stands beside its lease.
#ifndef UNWIND_ORCHESTRATOR_HOST_NUDGE_FORWARDER_H_
#define UNWIND_ORCHESTRATOR_HOST_NUDGE_FORWARDER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/batch_writer.h"
#include "common/metrics/client_metrics.h"
#include "common/rpc/calls_under_way.h"
#include "common/rpc/renewed_channel.h"
#include "orchestrator/api/nudge_service.h"
#include "orchestrator/store/instance_rows.h"

namespace unwind {

// Thread-safe.
class NudgeForwarder {
 public:
  static constexpr std::size_t kNudgesMax = 256;  // under way; more are refused
  static constexpr absl::Duration kWaitMax = absl::Seconds(5);

  // SociSagaStore::Holder. May block.
  using FindHolder = std::function<absl::StatusOr<std::optional<LeaseHolder>>(const std::string& instance)>;

  // `instance`: who passes on. `metrics` must outlive it.
  NudgeForwarder(std::string instance, FindHolder find, ClientMetrics& metrics);
  ~NudgeForwarder() { Stop(); }

  // Asks the owner once, under this process's own certificate, and answers what it says. UNAVAILABLE OWNER_UNREACHABLE:
  // it could not be asked, or said nothing within kWaitMax; the saga stays its own. RESOURCE_EXHAUSTED OVERLOADED.
  void Forward(ForeignNudge nudge);

  // Waits for those under way; later ones are OVERLOADED. Idempotent.
  void Stop();

 private:
  struct Route {
    std::string address;
    std::unique_ptr<RenewedChannel> channel;
  };

  void Send(std::vector<ForeignNudge> nudges);
  absl::StatusOr<std::string> AddressOf(const std::string& owner);
  void Ask(ForeignNudge nudge, const std::string& address);
  void End(const ForeignNudge& nudge, absl::Status status);
  RenewedChannel& ChannelTo(const std::string& owner, const std::string& address);

  const std::string instance_;
  const FindHolder find_;
  const ClientMetrics::Series& series_;
  CallsUnderWay calls_{kNudgesMax};
  std::map<std::string, Route> routes_;  // by owner; of the queue's thread
  BatchWriter<ForeignNudge> queue_;      // last: its thread runs on all of it
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_NUDGE_FORWARDER_H_
