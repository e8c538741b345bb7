#include "orchestrator/engine/undrivable_definitions.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace unwind {

void UndrivableDefinitions::Report(const Saga& saga) {
  {
    const std::lock_guard lock(mutex_);
    if (!reported_.emplace(saga.definition, saga.definition_version).second) return;
  }
  Log(Severity::kError,
      "a stored saga's definition is unknown, has other steps, or calls a service without a route here; its sagas wait "
      "until the right one is given",
      {{"saga_id", saga.id}, {"definition", saga.definition}, {"version", absl::StrCat(saga.definition_version)}});
}

}  // namespace unwind
