#include "orchestrator/engine/pauses.h"

#include <utility>

#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {

absl::Status Pauses::Read() {
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = ++begun_;
  }
  ASSIGN_OR_RETURN(std::vector<DefinitionPause> pauses, store_.Pauses());
  std::map<std::string, DefinitionPause> read;
  for (DefinitionPause& pause : pauses) {
    std::string definition = pause.definition;
    read.emplace(std::move(definition), std::move(pause));
  }
  std::lock_guard lock(mutex_);
  if (number < held_) return absl::OkStatus();  // one that began later, and so has seen all that this one had to, holds
  held_ = number;
  Take(std::move(read));
  return absl::OkStatus();
}

void Pauses::Take(std::map<std::string, DefinitionPause> read) {
  for (const auto& [definition, pause] : read) {
    const auto before = paused_.find(definition);
    if (before != paused_.end() && before->second == pause) continue;
    Log(Severity::kWarning, "a definition is paused: no saga of it is started here",
        {{"definition", definition}, {"actor", pause.actor}, {"reason", pause.reason}});
  }
  for (const auto& [definition, pause] : paused_) {
    if (read.count(definition) > 0) continue;
    Log(Severity::kInfo, "a definition is paused no more", {{"definition", definition}});
  }
  paused_ = std::move(read);
}

absl::Status Pauses::Check(const std::string& definition) const {
  std::lock_guard lock(mutex_);
  const auto pause = paused_.find(definition);
  return pause == paused_.end() ? absl::OkStatus() : Paused(pause->second);
}

std::vector<std::string> Pauses::names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [definition, pause] : paused_) names.push_back(definition);
  return names;
}

}  // namespace unwind
