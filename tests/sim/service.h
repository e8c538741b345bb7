// One of the shop's services: the production rounds, barrier and domain over a database in memory. What gRPC, the queue
// and the thread do around them in a real process, the simulation does.
#ifndef UNWIND_TESTS_SIM_SERVICE_H_
#define UNWIND_TESTS_SIM_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/participant/method_table.h"
#include "common/participant/rounds.h"
#include "common/participant/table_service.h"
#include "tests/sim/bug.h"
#include "tests/sim/database.h"
#include "tests/sim/network.h"

namespace unwind::sim {

struct ServiceSetup {
  Node node;
  Database& database;
  ServiceTable table;
  Fault crash;  // the kind of fault that kills it
  // The domain of a new process. `alive` says whether that process still runs.
  std::function<std::unique_ptr<StepDomain>(const Clock& clock, std::function<bool()> alive)> new_domain;
  // It has answered a saga's call that it is not finished.
  std::function<void(const Request& call)> on_pending;
};

class Service final : public Server {
 public:
  Service(World& world, Faults& faults, Bug bug, ServiceSetup setup);
  ~Service() override;

  bool up() const override { return process_ != nullptr; }
  void Serve(const Request& request, Respond respond) override;

  // The process dies, with all it has not committed and not answered; it starts again after a while.
  void Crash();
  void Start();

  // Until `until` every transaction takes `turn` longer.
  void SlowDown(absl::Time until, absl::Duration turn);

  bool idle() const;
  MachineClock& clock() { return clock_; }
  Node node() const { return setup_.node; }
  Fault crash_kind() const { return setup_.crash; }

  // It refuses nobody any more for no reason of its own.
  void Cure() { cured_ = true; }
  // Sagas that it was made to refuse steps of.
  const std::set<std::string>& poisoned() const { return poisoned_; }

 private:
  struct Process;

  bool IsPoisoned(const Request& request) const;
  void Submit(const std::shared_ptr<Process>& process, SubmissionPtr call);
  void Resume(const std::shared_ptr<Process>& process, SubmissionPtr call);
  void ScheduleTurn(const std::shared_ptr<Process>& process);
  void Turn(const std::shared_ptr<Process>& process);
  Fate DrawFate();
  void RestartLater();

  World& world_;
  Faults& faults_;
  const Bug bug_;
  const ServiceSetup setup_;
  MachineClock clock_;
  const absl::Duration turn_;  // what a transaction takes
  const std::uint64_t poison_seed_;
  absl::Time slow_until_;
  absl::Duration slow_turn_;
  std::shared_ptr<Process> process_;  // null while it is down
  Process* turning_ = nullptr;        // whose transaction is under way
  bool starts_later_ = false;
  bool cured_ = false;
  std::set<std::string> poisoned_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_SERVICE_H_
