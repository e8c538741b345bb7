// One server bootstrap for every process: its ports, limits, health, reflection, metrics, and a graceful end.
#ifndef UNWIND_COMMON_RPC_SERVER_H_
#define UNWIND_COMMON_RPC_SERVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "common/metrics/metrics_server.h"
#include "common/rpc/gate.h"
#include "common/rpc/policy_file.h"
#include "common/rpc/port.h"
#include "prometheus/collectable.h"

namespace unwind {

struct ServerSetup : PortServices {
  std::vector<NamedService> admin_services;                       // on the admin port, described by the same pools
  std::vector<std::shared_ptr<prometheus::Collectable>> metrics;  // scraped besides the process's registry
};

// All that a setup serves, on both ports.
ServedNames NamesOf(const ServerSetup& setup);

class Server {
 public:
  static constexpr absl::Duration kStopMax = absl::Seconds(3);

  // Reads --policy, then listens on --listen, on `admin_listen` (empty: there is no admin port), on --health_listen and
  // on --metrics_listen. Callers wait until Serve. `served`: what will be served, for the policy to be checked against;
  // a call of anything else is then refused. A policy that is wrong: all that is (ReadPolicyFile). An address that
  // cannot be had, or where plaintext must not be served (Transport::CheckReach): one sentence that names the flag
  // (--admin_listen for the second).
  static absl::StatusOr<std::unique_ptr<Server>> Listen(ServedNames served, const std::string& admin_listen = "");
  ~Server();

  // Answers calls; everything in `setup` must live until the end of the drain. The health of the process ("") is
  // SERVING, of its services and kReadiness (common/rpc/port.h) NOT_SERVING until SetServing. Writes --port_file;
  // UNAVAILABLE if that cannot be. Call once.
  absl::Status Serve(const ServerSetup& setup);

  // Listen, Serve and SetServing(true), for a process that is ready at once.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerSetup& setup);

  int port() const { return main_->number(); }
  int admin_port() const { return admin_->number(); }
  int health_port() const { return health_->number(); }

  // Whether callers should be sent here, as health tells it. After Serve. Thread-safe.
  void SetServing(bool serving);

  // Waits for a stop signal (common/base/stop_signals.h), says NOT_SERVING, goes on for --lame_duck or until another
  // signal, so that callers are sent elsewhere; or waits until `or_when` says true (asked every 200 ms), which is not
  // announced. Then calls `before_drain`, turns new calls away and gives calls under way --drain to end; shortly before
  // that is over it calls `before_end`, on another thread, which may end those that are left with an answer rather than
  // have them cut. Returns when none is left. From then on the process has kStopMax to end, and as much beyond --drain
  // for the drain itself, or it is ended here, with exit code 0: what does not answer, such as a store, must not hold
  // up the stop.
  void WaitAndDrain(const std::function<bool()>& or_when = nullptr, const std::function<void()>& before_drain = nullptr,
                    const std::function<void()>& before_end = nullptr);

  // The drain without the wait; metrics are not served any more. Idempotent.
  void Drain();

 private:
  Server() = default;
  std::vector<Port*> Ports() const;
  std::vector<std::string> Reachable(const std::string& admin_listen) const;
  absl::Status WritePortFile() const;

  std::unique_ptr<Gate> gate_;  // null without --policy; before the ports, which use it
  std::unique_ptr<Port> main_;
  std::unique_ptr<Port> admin_;
  std::unique_ptr<Port> health_;
  std::unique_ptr<MetricsServer> metrics_;
  std::optional<Repeat> stop_limit_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_SERVER_H_
