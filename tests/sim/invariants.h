// What must hold whatever happens: I1 to I22 of the project's list, as far as they can be asked of this world, and
// more: a caller is answered before its deadline (I23); only the saga whose row the store refuses stands still for it
// (I24); who has said that a definition is paused begins no saga of it (I25); a wait ends by its answer, its time, a
// cancel or a person, and nudges take no saga from its owner (I26); who is told for now that his saga goes on asked
// before it turned back (I27); what follows a saga is there at the instant of its end, once, whichever instance wrote
// that, and runs once (I28); of one payment one capture stands (I29); once the faults are over a wait ends within
// seconds of its time (I30). Some are held to every message and answer as it passes, some to the books at any instant,
// some to the end. Those of the orchestrators' rows (I14, I15, I25, I28) stand in store.cc, I23, I24 and I27 in
// orchestrator.cc, those of sales in sale_laws.cc.
#ifndef UNWIND_TESTS_SIM_INVARIANTS_H_
#define UNWIND_TESTS_SIM_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/books.h"
#include "tests/sim/customers.h"
#include "tests/sim/network.h"
#include "tests/sim/store.h"

namespace unwind::sim {

class Invariants final : public Witness {
 public:
  Invariants(World& world, Faults& faults, Store& store, const DefinitionCatalog& catalog);

  void Sent(Node from, Node to, const Request& request) override;
  void Answered(Node to, const Request& request, const Reply& reply) override;
  void Accepted(const std::string& definition, const std::string& key, const std::string& saga_id);

  // At any instant.
  void CheckBooks(const Books& books, int scarce);

  // At rest. `poisoned`: sagas that have a step that was refused for good. `customers`: what they were told.
  void CheckEnd(const Books& books, const std::set<std::string>& poisoned, const Customers& customers);

  // Whether a late copy of this call must change nothing: the saga it belongs to or cancels is over, the one it starts
  // is there.
  bool IsSettled(const Request& request) const;

 private:
  struct Told {
    std::string definition;
    std::string key_scope;
    std::string key;
    std::string body;
    std::string answer;
  };

  void CheckStepAnswer(const Request& request, const Reply& reply);
  void CheckServedAnswer(const Request& request, const Reply& reply);
  void CheckHistory(const Saga& saga);
  void CheckOrder(const Saga& saga, const Books& books);
  void CheckCancel(const Saga& saga, const Books& books);
  void CheckOrphans(const Books& books);
  void CheckTold();
  void CheckUndoOrder(const Saga& saga, const Plan& plan);
  void CountOutcomes(const Saga& saga);
  void CheckPending(const Request& request);
  void CheckDecides(const Saga& saga, int step);
  std::shared_ptr<const Definition> DefinitionOf(const Saga& saga) const;

  World& world_;
  Faults& faults_;
  Store& store_;
  const DefinitionCatalog& catalog_;
  std::map<std::string, std::string> answers_;  // the first lasting answer, by idempotency key
  std::map<std::string, std::int64_t> undone_;  // when a compensation was first answered OK, by saga and step
  std::int64_t undone_count_ = 0;
  std::map<std::string, std::string> accepted_;  // the saga, by definition and key
  std::map<std::string, Told> told_;             // final answers, by method, key and body
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_INVARIANTS_H_
