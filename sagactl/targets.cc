#include "sagactl/targets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/pages.h"
#include "sagactl/text.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

bool IsWanted(const TargetFilter& filter, const saga::v1::Step& step) {
  if (!step.parked() && !step.stuck()) return false;
  if (!filter.step.empty() && step.name() != filter.step) return false;
  return filter.failure.empty() || step.last_failure().reason() == filter.failure;
}

}  // namespace

absl::StatusOr<Targets> FindTargets(Session& session, const TargetFilter& filter) {
  std::vector<saga::v1::Saga::State> states(std::begin(kUnfinished), std::end(kUnfinished));
  if (!filter.state.empty()) states = {StateOf(filter.state)};
  saga::v1::ListSagasRequest request;
  request.set_definition(filter.definition);
  const auto is_wanted = [&filter](const saga::v1::Saga& saga) {
    return std::any_of(saga.steps().begin(), saga.steps().end(),
                       [&filter](const saga::v1::Step& step) { return IsWanted(filter, step); });
  };
  ASSIGN_OR_RETURN(const std::vector<saga::v1::Saga> sagas,
                   FindUnfinished(session, request, states, filter.limit + 1, is_wanted));
  Targets targets;
  for (const saga::v1::Saga& saga : sagas) {
    for (const saga::v1::Step& step : saga.steps()) {
      if (!IsWanted(filter, step)) continue;
      if (targets.all.size() == filter.limit) {
        targets.are_cut = true;
        return targets;
      }
      targets.all.push_back({saga, step});
    }
  }
  return targets;
}

void PrintTargets(const Session& session, const std::vector<Target>& targets, std::ostream& out) {
  Table table({"SAGA", "DEFINITION", "STATE", "STEP", "LAST SENT", "LAST FAILURE"});
  for (const auto& [saga, step] : targets) {
    table.Add({saga.saga_id(), Version(saga.definition(), saga.definition_version()), Standing(saga), step.name(),
               absl::StrCat(Word(step.phase()), " ", step.attempt()), Words(step.last_failure())});
  }
  table.Print(out, session.line_max);
}

}  // namespace unwind::sagactl
