// The descriptor sets of a process, which stay apart: types of the same name in two sets have nothing to do with each
// other, and each definition is resolved in the set that holds what it calls.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SETS_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SETS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// Immutable and thread-safe.
class DescriptorSets {
 public:
  using Set = std::shared_ptr<const DescriptorSource>;

  // `given` is what the user loads; `built_in` is looked into only for services that none of those holds.
  DescriptorSets(std::vector<Set> given, Set built_in) : given_(std::move(given)), built_in_(std::move(built_in)) {}

  // LoadDefinition in the one set that holds all the services that the definition names; if there is none, in the sets
  // that hold some, joined. With `descriptors: [FILE, ...]` a definition says which sets those are.
  // INVALID_ARGUMENT also if it means different things in two sets, or if the sets cannot be joined. `parents`: as of
  // LoadDefinition.
  absl::StatusOr<std::shared_ptr<const Definition>> Load(
      const std::string& file, absl::string_view yaml,
      const std::vector<std::shared_ptr<const Definition>>& parents = {}) const;

  // All of them, the built-in one last.
  std::vector<Set> all() const;

 private:
  const std::vector<Set> given_;
  const Set built_in_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_DESCRIPTOR_SETS_H_
