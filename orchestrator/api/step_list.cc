#include "orchestrator/api/step_list.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

bool IsStuckSaga(const DefinitionCatalog& catalog, const Saga& saga) {
  const std::shared_ptr<const Definition> definition = catalog.Of(saga);
  return definition != nullptr && HasStuckStep(definition->plan(), saga);
}

bool Waits(const Saga& saga) {
  return std::any_of(saga.steps.begin(), saga.steps.end(),
                     [](const Step& step) { return step.state == StepState::kWaiting && !step.parked; });
}

}  // namespace

StepFilter StepFilterOf(const saga::v1::ListSagasRequest& request) {
  return {.stuck = request.stuck(), .waiting = request.waiting()};
}

std::string NameOf(const StepFilter& steps) {
  return absl::StrCat(steps.stuck ? "stuck" : "", steps.waiting ? "waiting" : "");
}

absl::StatusOr<StepListPage> FindBySteps(SagaStore& store, const DefinitionCatalog& catalog, const SagaFilter& filter,
                                         const StepFilter& steps, absl::string_view after_id) {
  ASSIGN_OR_RETURN(SagaPage looked, store.ListUnfinished(filter.state, after_id, static_cast<int>(kStepListLookedMax)));
  StepListPage page;
  for (Saga& saga : looked.sagas) {
    if (!LetsThrough(filter, saga)) continue;
    if (steps.stuck && !IsStuckSaga(catalog, saga)) continue;
    if (steps.waiting && !Waits(saga)) continue;
    page.sagas.push_back(std::move(saga));
    if (page.sagas.size() < static_cast<std::size_t>(filter.limit)) continue;
    page.last_id = page.sagas.back().id;
    return page;
  }
  if (looked.is_cut || looked.rows() == kStepListLookedMax) page.last_id = looked.last_id;
  return page;
}

}  // namespace unwind
