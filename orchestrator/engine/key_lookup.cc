#include "orchestrator/engine/key_lookup.h"

#include <functional>
#include <utility>

#include "common/base/log.h"
#include "orchestrator/engine/ownership.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {
namespace {

constexpr std::size_t kBatchMax = 64;
constexpr std::size_t kCallersMax = 4096;  // in the queue

}  // namespace

void KeyLookup::Start() {
  queue_.emplace(kBatchMax, kCallersMax, [this](std::vector<KeyCaller> callers) { Answer(std::move(callers)); });
}

void KeyLookup::Find(KeyCaller caller) {
  if (queue_.has_value()) {
    const std::function<void(Progress)> answered = caller.waiter.answered;
    if (!queue_->Push(std::move(caller))) answered({.status = TooManyWait(), .saga = {}});
    return;
  }
  std::vector<KeyCaller> callers;
  callers.push_back(std::move(caller));
  Answer(std::move(callers));
}

void KeyLookup::Find(NewSaga saga, Waiter waiter, absl::Status if_none) {
  Find({.definition = saga.definition->plan().name,
        .key_scope = std::move(saga.key_scope),
        .key = std::move(saga.key),
        .input_hash = std::move(saga.input_hash),
        .waiter = std::move(waiter),
        .if_none = std::move(if_none)});
}

void KeyLookup::Stop() {
  if (queue_.has_value()) queue_->Stop();
}

void KeyLookup::Answer(std::vector<KeyCaller> callers) {
  absl::Status down;  // not OK: the store did not answer, and is not asked for the others
  for (KeyCaller& caller : callers) {
    if (!down.ok()) {
      caller.waiter.answered({.status = down, .saga = {}});
      continue;
    }
    const absl::StatusOr<Saga> existing = context_.store.LoadByKey(caller.definition, caller.key_scope, caller.key);
    if (existing.ok()) {
      AttachToExisting(context_, *existing, caller.input_hash, std::move(caller.waiter));
    } else if (absl::IsNotFound(existing.status())) {
      caller.waiter.answered({.status = caller.if_none, .saga = {}});
    } else {
      if (absl::IsUnavailable(existing.status())) {
        down = StoreSilent();
      } else {
        Log(Severity::kError, "the saga of a key could not be loaded",
            {{"definition", caller.definition}, {"error", existing.status().message()}});
      }
      caller.waiter.answered({.status = LoadFailure(existing.status(), ""), .saga = {}});
    }
  }
}

}  // namespace unwind
