#include "orchestrator/engine/overflow.h"

#include <functional>
#include <utility>

#include "orchestrator/engine/refusals.h"

namespace unwind {
namespace {

constexpr std::size_t kBatchMax = 64;
constexpr std::size_t kCallersMax = 4096;  // that wait to be heard

}  // namespace

void Overflow::Start() {
  queue_.emplace(kBatchMax, kCallersMax, [this](std::vector<Caller> callers) { Answer(std::move(callers)); });
}

void Overflow::Hear(NewSaga saga, Waiter waiter) {
  if (queue_.has_value()) {
    const std::function<void(Progress)> answered = waiter.answered;
    if (!queue_->Push({std::move(saga), std::move(waiter)})) answered({.status = Overloaded(), .saga = {}});
    return;
  }
  std::vector<Caller> callers;
  callers.push_back({std::move(saga), std::move(waiter)});
  Answer(std::move(callers));
}

void Overflow::Stop() {
  if (queue_.has_value()) queue_->Stop();
}

void Overflow::Answer(std::vector<Caller> callers) {
  absl::Status down;  // not OK: the store did not answer, and is not asked for the others
  for (Caller& caller : callers) {
    if (!down.ok()) {
      caller.waiter.answered({.status = down, .saga = {}});
      continue;
    }
    const absl::StatusOr<Saga> existing =
        context_.store.LoadByKey(caller.saga.definition->plan().name, /*key_scope=*/"", caller.saga.key);
    if (existing.ok()) {
      AttachToExisting(context_, *existing, caller.saga.input_hash, std::move(caller.waiter));
    } else if (absl::IsNotFound(existing.status())) {
      caller.waiter.answered({.status = Overloaded(), .saga = {}});
    } else {
      down = LoadFailure(existing.status(), "");
      caller.waiter.answered({.status = down, .saga = {}});
    }
  }
}

}  // namespace unwind
