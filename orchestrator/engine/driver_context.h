// What the shards of one driver share.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_DRIVER_CONTEXT_H_
#define UNWIND_ORCHESTRATOR_ENGINE_DRIVER_CONTEXT_H_

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/admission.h"
#include "orchestrator/engine/memory_budget.h"
#include "orchestrator/engine/pauses.h"
#include "orchestrator/engine/quarantine.h"
#include "orchestrator/engine/undrivable_definitions.h"
#include "orchestrator/engine/unreadable_rows.h"
#include "orchestrator/engine/waiters.h"

namespace unwind {

class KeyLookup;

constexpr std::size_t kOperatorsMax = 1000;  // who wait for an answer; more are refused

struct DriverContext {
  SagaStore& store;
  Participants& participants;
  const DefinitionCatalog& catalog;
  const Clock& clock;
  DriverObserver& observer;
  const Lease lease;
  const DriverOptions options;
  std::function<Shard&(const std::string& saga_id)> shard_of;
  std::atomic<bool> lease_lost{false};    // a commit was fenced: another process drives these sagas, this one must not
  std::atomic<bool> answers_all{false};   // nobody is let wait for a saga any more
  std::atomic<int> shards_failing{0};     // whose last commit failed for the store's sake
  std::atomic<bool> owns_unknown{false};  // sagas may have become this instance's without its learning which
  std::atomic<int> followers_posted{0};   // for their start, and not handled by a shard yet
  std::atomic<int> wakes_posted{0};       // likewise, of sagas that rested
  Admission admission{options.in_flight_max, options.stuck_max,
                      catalog.served().size() > 1 ? options.definition_share_max : 1};
  Pauses pauses{store};
  MemoryBudget saga_memory{options.saga_memory_max};
  MemoryBudget accept_memory{options.queue_memory_max};  // of the requests in all mailboxes
  MemoryBudget reply_memory{options.queue_memory_max};   // of the replies in them
  Waiters waiters{clock, options.waiters_max};
  Waiters operators{clock, kOperatorsMax};  // apart from the callers, who may be too many
  Quarantine quarantine{};
  UnreadableRows unreadable{observer};
  UndrivableDefinitions undrivable{};
  KeyLookup* key_lookup = nullptr;

  // The sagas whose rows are found due and may not be driven: what the store refuses, and what cannot be read.
  std::vector<std::string> SetAside() const {
    std::vector<std::string> ids = unreadable.ids();
    for (SagaHead& head : quarantine.heads()) ids.push_back(std::move(head.id));
    return ids;
  }
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_DRIVER_CONTEXT_H_
