// Definition files and descriptor sets, from disk and from the store into one catalog.
#ifndef UNWIND_ORCHESTRATOR_HOST_DEFINITION_FILES_H_
#define UNWIND_ORCHESTRATOR_HOST_DEFINITION_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/descriptor_sets.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

// The bytes of a regular file. NOT_FOUND, one sentence that names it: there is none, or it has more than `bytes_max`.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max);

// The descriptor sets in the files `given`, and the one in `built_in`. INVALID_ARGUMENT lists every error of every
// file, one a line.
absl::StatusOr<DescriptorSets> LoadDescriptors(const std::vector<std::string>& given, const std::string& built_in);

// The files of `paths`, where a folder stands for its *.yaml files in the order of their names.
absl::StatusOr<std::vector<std::string>> ListDefinitionFiles(const std::vector<std::string>& paths);

// Each definition of `files`, in their order; what one follows must be among them, and is loaded before it.
// INVALID_ARGUMENT lists every error of the file, one a line.
std::vector<absl::StatusOr<std::shared_ptr<const Definition>>> LoadEachFile(const std::vector<std::string>& files,
                                                                            const DescriptorSets& sets);

// Every definition of `files`. INVALID_ARGUMENT lists every error of every file, one a line.
absl::StatusOr<std::vector<std::shared_ptr<const Definition>>> LoadDefinitionFiles(
    const std::vector<std::string>& files, const DescriptorSets& sets);

// Stores every one of `definitions`, or notes that it is still served. ALREADY_EXISTS lists those whose version is
// stored with another meaning.
absl::Status StoreDefinitions(SagaStore& store, const std::vector<std::shared_ptr<const Definition>>& definitions);

// A definition as it was stored, in the descriptors it was stored with.
absl::StatusOr<std::shared_ptr<const Definition>> LoadStoredDefinition(const StoredDefinition& stored);

// Adds `definitions` to `catalog` and serves those that serve a method. INVALID_ARGUMENT lists those that cannot stand
// beside each other.
absl::Status ServeDefinitions(const std::vector<std::shared_ptr<const Definition>>& definitions,
                              DefinitionCatalog& catalog);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_DEFINITION_FILES_H_
