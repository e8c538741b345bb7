// One orchestrator instance: the production driver without its threads, its door, and its calls over the simulated
// network. A crash destroys the process and another recovers its sagas; a paused process may find, when it goes on,
// that another one has its name: a zombie.
#ifndef UNWIND_TESTS_SIM_ORCHESTRATOR_H_
#define UNWIND_TESTS_SIM_ORCHESTRATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/definition/definition.h"
#include "tests/sim/bug.h"
#include "tests/sim/network.h"
#include "tests/sim/shop.h"
#include "tests/sim/store.h"

namespace unwind::sim {

inline constexpr char kCancelSaga[] = "/saga.v1.SagaService/CancelSaga";  // its request is the saga's id

// Called with (definition, key, saga id) once a caller is told that its saga is stored.
using AcceptedHook = std::function<void(const std::string&, const std::string&, const std::string&)>;

class Orchestrator final : public Server {
 public:
  Orchestrator(World& world, Faults& faults, Network& network, Store& store, const Shop& shop, Edition edition, Bug bug,
               Node node, AcceptedHook accepted);
  ~Orchestrator() override;

  bool up() const override { return current_ != nullptr; }
  void Serve(const Request& request, Respond respond) override;

  void Crash();
  // It stands still for `length`. With `replaced` another process is started under its name meanwhile, and it then goes
  // on beside that one until it is found out.
  void Pause(absl::Duration length, bool replaced);
  void Jump(absl::Duration by);
  // What a person asks of a saga; `seen_version` as for Driver::Ask.
  void Ask(const std::string& saga_id, const Event& event, std::int64_t seen_version = 0);

  // As SagaService.PauseDefinition.
  void PauseDefinition(const std::string& definition);

  // It dies, and from its next start on tells its callers apart. The second time nothing happens.
  void SwitchPolicyOn();

  // No faults any more: the clock is right, and what only a new process mends is mended by one.
  void Heal();

  MachineClock& clock() { return clock_; }
  bool idle() const { return current_ != nullptr && zombies_.empty(); }
  bool runs() const;  // and does not stand still

 private:
  class Process;

  void Start();
  void StartLater();
  void ScheduleTurn(const std::shared_ptr<Process>& process, absl::Time when);
  void Poke(const std::shared_ptr<Process>& process);
  void Turn(const std::shared_ptr<Process>& process);
  void Block(const std::shared_ptr<Process>& process, absl::Time until);
  void RenewLater(const std::shared_ptr<Process>& process);
  void ClaimLater(const std::shared_ptr<Process>& process);
  void StartFollowersLater(const std::shared_ptr<Process>& process);
  void LearnLater(const std::shared_ptr<Process>& process);
  void End(const std::shared_ptr<Process>& process);
  void Accept(const std::shared_ptr<Process>& process, const Request& request, Respond respond);
  void Nudge(const std::shared_ptr<Process>& process, const Request& request, const Respond& respond);
  void CheckToldForNow(const Saga& saga, absl::Time asked);
  Respond InTime(const std::shared_ptr<Process>& process, const Request& request, Respond respond);
  Respond ByLiving(const std::shared_ptr<Process>& process, Respond respond);

  World& world_;
  Faults& faults_;
  Network& network_;
  Store& store_;
  const Shop& shop_;
  const Edition edition_;
  const Bug bug_;
  const Node node_;
  const AcceptedHook accepted_;
  MachineClock clock_;
  const absl::Duration turn_;  // what a turn takes
  const std::size_t shards_;
  const std::size_t saga_memory_;
  bool begin_anew_ = false;  // when the world heals: a mail was lost, or a limit was set
  bool starts_later_ = false;
  bool tells_apart_ = false;  // of the next process
  std::shared_ptr<Process> current_;
  std::vector<std::shared_ptr<Process>> zombies_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_ORCHESTRATOR_H_
