#include "orchestrator/engine/undrivable_definitions.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace unwind {

void UndrivableDefinitions::Report(const Saga& saga, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!reported_.emplace(saga.definition, saga.definition_version).second) return;
  }
  Log(Severity::kError,
      "sagas of this instance stand still, since it cannot drive their definition; one of them is named",
      {{"saga_id", saga.id},
       {"definition", saga.definition},
       {"version", absl::StrCat(saga.definition_version)},
       {"error", why}});
}

}  // namespace unwind
