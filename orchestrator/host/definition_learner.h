// Learns from the store the definitions that unfinished sagas run on and this instance did not start with: versions
// before its own, and those of the newer instances beside it.
#ifndef UNWIND_ORCHESTRATOR_HOST_DEFINITION_LEARNER_H_
#define UNWIND_ORCHESTRATOR_HOST_DEFINITION_LEARNER_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "orchestrator/participants/routes.h"

namespace unwind {

// For one thread at a time.
class DefinitionLearner {
 public:
  // `store` and `catalog` must outlive it.
  DefinitionLearner(SagaStore& store, DefinitionCatalog& catalog, Routes routes)
      : store_(store), catalog_(catalog), routes_(std::move(routes)) {}

  // Adds to the catalog every definition that an unfinished saga of any instance uses or that was missed there, such as
  // by a caller who asks for a finished saga's answer, and that loads: to be driven if its services all have a route,
  // else only to be read, so that its finished sagas are answered and the others are left to instances that can drive
  // them. A warning says once what cannot be driven here. How many were added to be driven. An error of the store is
  // logged: what it kept from being learnt a later call may learn.
  int Learn();

 private:
  enum class Learnt { kToDrive, kNotToDrive, kNotYet };

  // kNotYet with an error of the store that is not about this definition.
  Learnt LearnOne(const DefinitionVersion& version, absl::Status& error);
  Learnt Add(const DefinitionVersion& version, const StoredDefinition& stored);
  void WarnOnce(const DefinitionVersion& version, absl::string_view why);

  SagaStore& store_;
  DefinitionCatalog& catalog_;
  const Routes routes_;
  std::set<DefinitionVersion> wanted_;   // not learnt yet
  std::set<DefinitionVersion> settled_;  // not to be driven here, and nothing that may come changes that
  std::set<DefinitionVersion> warned_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_DEFINITION_LEARNER_H_
