#include "orchestrator/host/definition_learner.h"

#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {

int DefinitionLearner::Learn() {
  // Among very many sagas it may take too long. What this instance's own sagas need is missed when they are recovered.
  const absl::StatusOr<std::vector<DefinitionVersion>> in_use = store_.DefinitionsInUse();
  if (in_use.ok()) wanted_.insert(in_use->begin(), in_use->end());
  for (const auto& [name, version] : catalog_.TakeMissed()) wanted_.insert({name, version});
  for (const auto& [name, version] : catalog_.Versions()) wanted_.erase({name, version});
  std::erase_if(wanted_, [this](const DefinitionVersion& version) { return settled_.count(version) != 0; });
  absl::Status error;
  int to_drive = 0;
  for (auto it = wanted_.begin(); it != wanted_.end() && !absl::IsUnavailable(error);) {
    const Learnt learnt = LearnOne(*it, error);
    if (learnt == Learnt::kNotToDrive) settled_.insert(*it);
    if (learnt == Learnt::kToDrive) ++to_drive;
    it = learnt == Learnt::kNotYet ? std::next(it) : wanted_.erase(it);
  }
  if (error.ok()) error = in_use.status();
  if (!error.ok()) Log(Severity::kWarning, "not all definitions could be learnt", {{"error", error.message()}});
  return to_drive;
}

// What is not stored, or damaged there, may be stored yet by an instance that serves it; no caller waits for that.
DefinitionLearner::Learnt DefinitionLearner::LearnOne(const DefinitionVersion& version, absl::Status& error) {
  const absl::StatusOr<StoredDefinition> stored = store_.LoadDefinition(version.name, version.version);
  if (stored.ok()) return Add(version, *stored);
  if (absl::IsNotFound(stored.status()) || absl::IsDataLoss(stored.status())) {
    const std::string why =
        absl::StrCat(stored.status().message(), "; serve it from its file once (--definitions), which stores it");
    catalog_.GiveUp(version.name, version.version, why);
    WarnOnce(version, why);
  } else {
    error = stored.status();
  }
  return Learnt::kNotYet;
}

DefinitionLearner::Learnt DefinitionLearner::Add(const DefinitionVersion& version, const StoredDefinition& stored) {
  const absl::StatusOr<std::shared_ptr<const Definition>> definition = LoadStoredDefinition(stored);
  absl::Status status = definition.status();
  if (definition.ok()) {
    const absl::Status routes = CheckRoutes(**definition, routes_);
    status = catalog_.Add(*definition, routes.ok() ? Use::kDrive : Use::kRead, std::string(routes.message()));
    if (status.ok() && routes.ok()) return Learnt::kToDrive;
    if (status.ok()) {
      WarnOnce(version, routes.message());
      return Learnt::kNotToDrive;
    }
  }
  catalog_.GiveUp(version.name, version.version, std::string(status.message()));
  WarnOnce(version, status.message());
  return Learnt::kNotToDrive;
}

void DefinitionLearner::WarnOnce(const DefinitionVersion& version, absl::string_view why) {
  if (!warned_.insert(version).second) return;
  Log(Severity::kWarning, "sagas of a definition cannot be driven here",
      {{"definition", version.name}, {"version", absl::StrCat(version.version)}, {"error", why}});
}

}  // namespace unwind
