#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/methods.h"

namespace unwind {

absl::Status DefinitionCatalog::Add(std::shared_ptr<const Definition> definition, Use use, std::string why_read_only) {
  const std::lock_guard lock(mutex_);
  const Plan& plan = definition->plan();
  const auto [it, added] = all_.try_emplace({plan.name, plan.version}, Known{definition, use, ""});
  if (!added && it->second.definition->hash() != definition->hash()) {
    return absl::AlreadyExistsError(absl::StrCat(
        "saga '", plan.name, "' version ", plan.version,
        " is known with another content: another file has the same name and version, or its file or the protos it "
        "uses changed; give it a new version"));
  }
  if (use == Use::kDrive) it->second.use = use;
  it->second.why_read_only = std::move(why_read_only);
  given_up_.erase({plan.name, plan.version});
  return absl::OkStatus();
}

void DefinitionCatalog::GiveUp(const std::string& name, int version, std::string why) {
  const std::lock_guard lock(mutex_);
  given_up_[{name, version}] = std::move(why);
}

std::vector<std::pair<std::string, int>> DefinitionCatalog::Versions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, int>> versions;
  for (const auto& [version, known] : all_) {
    if (known.use == Use::kDrive) versions.push_back(version);
  }
  return versions;
}

std::vector<DefinitionVersion> DefinitionCatalog::DrivenOf(bool (*is_of_them)(const Definition&)) const {
  const std::lock_guard lock(mutex_);
  std::vector<DefinitionVersion> versions;
  for (const auto& [version, known] : all_) {
    if (known.use == Use::kDrive && is_of_them(*known.definition)) versions.push_back({version.first, version.second});
  }
  return versions;
}

std::vector<DefinitionVersion> DefinitionCatalog::Followers() const {
  return DrivenOf([](const Definition& definition) { return definition.follows() != nullptr; });
}

std::vector<DefinitionVersion> DefinitionCatalog::Waiting() const {
  return DrivenOf([](const Definition& definition) { return MayWait(definition.plan()); });
}

std::shared_ptr<const Definition> DefinitionCatalog::Find(absl::string_view name, int version) const {
  const std::lock_guard lock(mutex_);
  const std::pair<std::string, int> wanted(name, version);
  const auto it = all_.find(wanted);
  if (it != all_.end()) return it->second.definition;
  if (given_up_.count(wanted) == 0) missed_.insert(wanted);
  return nullptr;
}

std::shared_ptr<const Definition> DefinitionCatalog::Of(const Saga& saga) const {
  std::shared_ptr<const Definition> definition = Find(saga.definition, saga.definition_version);
  return definition != nullptr && definition->plan().steps.size() == saga.steps.size() ? definition : nullptr;
}

std::shared_ptr<const Definition> DefinitionCatalog::ToDrive(const Saga& saga) const {
  std::shared_ptr<const Definition> definition = Of(saga);
  if (definition == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  return all_.at({saga.definition, saga.definition_version}).use == Use::kDrive ? definition : nullptr;
}

bool DefinitionCatalog::MayBeLearnt(const Saga& saga) const {
  const std::lock_guard lock(mutex_);
  const std::pair<std::string, int> version(saga.definition, saga.definition_version);
  return all_.count(version) == 0 && given_up_.count(version) == 0;
}

std::string DefinitionCatalog::WhyNotDriven(const std::string& name, int version) const {
  const std::lock_guard lock(mutex_);
  const std::pair<std::string, int> wanted(name, version);
  if (const auto known = all_.find(wanted); known != all_.end()) {
    return known->second.use == Use::kDrive ? "" : known->second.why_read_only;
  }
  const auto given_up = given_up_.find(wanted);
  return given_up == given_up_.end() ? "it is not loaded from the store yet" : given_up->second;
}

std::string DefinitionCatalog::WhyNotDriven(const Saga& saga) const {
  std::string why = WhyNotDriven(saga.definition, saga.definition_version);
  return why.empty() ? absl::StrCat("saga ", saga.id, " has ", saga.steps.size(),
                                    " steps, its definition another number; bring back the one it was started with")
                     : why;
}

std::set<std::pair<std::string, int>> DefinitionCatalog::TakeMissed() {
  const std::lock_guard lock(mutex_);
  return std::exchange(missed_, {});
}

absl::Status DefinitionCatalog::Serve(std::shared_ptr<const Definition> definition) {
  const std::lock_guard lock(mutex_);
  if (definition->serves() == nullptr) return absl::OkStatus();
  const std::string path = GrpcPath(*definition->serves());
  const auto [it, added] = served_.try_emplace(path, definition);
  if (added || it->second->hash() == definition->hash()) return absl::OkStatus();
  const Plan& other = it->second->plan();
  return absl::InvalidArgumentError(absl::StrCat("sagas '", other.name, "' version ", other.version, " and '",
                                                 definition->plan().name, "' version ", definition->plan().version,
                                                 " both serve ", path, "; serve one of them"));
}

std::shared_ptr<const Definition> DefinitionCatalog::ServedBy(absl::string_view path) const {
  const std::lock_guard lock(mutex_);
  const auto it = served_.find(path);
  return it == served_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<const Definition>> DefinitionCatalog::served() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Definition>> all;
  for (const auto& [path, definition] : served_) all.push_back(definition);
  return all;
}

}  // namespace unwind
