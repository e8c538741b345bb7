#include "orchestrator/host/definition_learner.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {

int DefinitionLearner::Learn() {
  // Among very many sagas it may take too long. What this instance's own sagas need is missed when they are recovered.
  const absl::StatusOr<std::vector<DefinitionVersion>> in_use = store_.DefinitionsInUse();
  if (in_use.ok()) wanted_.insert(in_use->begin(), in_use->end());
  absl::Status error = in_use.status();
  for (const auto& [name, version] : catalog_.TakeMissed()) wanted_.insert({name, version});
  for (const auto& [name, version] : catalog_.Versions()) wanted_.erase({name, version});
  int learnt = 0;
  while (!wanted_.empty()) {
    const DefinitionVersion version = *wanted_.begin();
    if (left_.count(version) != 0) {
      wanted_.erase(version);
      continue;
    }
    const absl::Status added = Add(version);
    if (absl::IsUnavailable(added)) {
      error = added;
      break;
    }
    wanted_.erase(version);
    if (added.ok()) {
      ++learnt;
      continue;
    }
    left_.insert(version);
    Log(Severity::kWarning, "sagas of a definition cannot be driven or answered here and are left to others",
        {{"definition", version.name}, {"version", absl::StrCat(version.version)}, {"error", added.message()}});
  }
  if (!error.ok()) Log(Severity::kWarning, "not all definitions could be learnt", {{"error", error.message()}});
  return learnt;
}

absl::Status DefinitionLearner::Add(const DefinitionVersion& version) {
  ASSIGN_OR_RETURN(const StoredDefinition stored, store_.LoadDefinition(version.name, version.version));
  ASSIGN_OR_RETURN(const std::shared_ptr<const Definition> definition, LoadStoredDefinition(stored));
  RETURN_IF_ERROR(CheckRoutes(*definition, routes_));
  return catalog_.Add(definition);
}

}  // namespace unwind
