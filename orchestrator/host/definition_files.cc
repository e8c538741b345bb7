#include "orchestrator/host/definition_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

// The errors of many files become one status, so that a person sees them all at once.
absl::Status Together(absl::StatusCode code, const std::vector<std::string>& errors) {
  return errors.empty() ? absl::OkStatus() : absl::Status(code, absl::StrJoin(errors, "\n"));
}

// A folder's *.yaml files, else `path` itself.
absl::StatusOr<std::vector<std::string>> Expand(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (auto it = std::filesystem::directory_iterator(path, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (it->path().extension() == ".yaml") files.push_back(it->path().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::shared_ptr<const Definition>> LoadFile(const std::string& file,
                                                           const std::shared_ptr<const DescriptorSource>& descriptors) {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(file));
  return LoadDefinition(file, yaml, descriptors);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  std::error_code error;
  if (std::filesystem::is_directory(path, error) || !file || !(text << file.rdbuf())) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read; is it there, and not empty?"));
  }
  return text.str();
}

absl::StatusOr<std::shared_ptr<const DescriptorSource>> LoadDescriptors(const std::vector<std::string>& files) {
  const std::shared_ptr<DescriptorSource> descriptors = DescriptorSource::New();
  std::vector<std::string> errors;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> bytes = ReadFile(file);
    const absl::Status added = bytes.ok() ? descriptors->Add(file, *bytes) : bytes.status();
    if (!added.ok()) errors.emplace_back(added.message());
  }
  RETURN_IF_ERROR(Together(absl::StatusCode::kInvalidArgument, errors));
  return descriptors;
}

absl::StatusOr<std::vector<std::string>> ListDefinitionFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::vector<std::string> found, Expand(path));
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

absl::StatusOr<std::vector<std::shared_ptr<const Definition>>> LoadDefinitionFiles(
    const std::vector<std::string>& files, const std::shared_ptr<const DescriptorSource>& descriptors) {
  std::vector<std::shared_ptr<const Definition>> definitions;
  std::vector<std::string> errors;
  for (const std::string& file : files) {
    absl::StatusOr<std::shared_ptr<const Definition>> definition = LoadFile(file, descriptors);
    if (definition.ok()) {
      definitions.push_back(*std::move(definition));
    } else {
      errors.emplace_back(definition.status().message());
    }
  }
  RETURN_IF_ERROR(Together(absl::StatusCode::kInvalidArgument, errors));
  return definitions;
}

absl::Status StoreDefinitions(SagaStore& store, const std::vector<std::shared_ptr<const Definition>>& definitions) {
  std::vector<std::string> errors;
  for (const std::shared_ptr<const Definition>& definition : definitions) {
    const Plan& plan = definition->plan();
    const absl::Status put = store.PutDefinition(
        {plan.name, plan.version, definition->hash(), definition->yaml(), definition->descriptors()});
    if (absl::IsAlreadyExists(put)) {
      errors.push_back(absl::StrCat(
          "saga ", plan.name, " version ", plan.version,
          " is stored with other content (or other protos), and sagas may be running on it; raise `version` to ",
          plan.version + 1));
    } else {
      RETURN_IF_ERROR(put);
    }
  }
  return Together(absl::StatusCode::kAlreadyExists, errors);
}

absl::StatusOr<std::vector<std::shared_ptr<const Definition>>> LoadStoredDefinitions(SagaStore& store,
                                                                                     DefinitionCatalog& catalog) {
  ASSIGN_OR_RETURN(const std::vector<StoredDefinition> stored, store.LoadDefinitions());
  std::vector<std::shared_ptr<const Definition>> added;
  for (const StoredDefinition& each : stored) {
    if (catalog.Find(each.name, each.version) != nullptr) continue;
    const std::string name = absl::StrCat("stored saga ", each.name, " version ", each.version);
    const std::shared_ptr<DescriptorSource> descriptors = DescriptorSource::New();
    RETURN_IF_ERROR(descriptors->Add(name, each.descriptors));
    ASSIGN_OR_RETURN(added.emplace_back(), LoadDefinition(name, each.yaml, descriptors));
    RETURN_IF_ERROR(catalog.Add(added.back()));
  }
  return added;
}

absl::Status ServeDefinitions(const std::vector<std::shared_ptr<const Definition>>& definitions,
                              DefinitionCatalog& catalog) {
  std::vector<std::string> errors;
  for (const std::shared_ptr<const Definition>& definition : definitions) {
    absl::Status served = catalog.Add(definition);
    if (served.ok()) served = catalog.Serve(definition);
    if (!served.ok()) errors.emplace_back(served.message());
  }
  return Together(absl::StatusCode::kInvalidArgument, errors);
}

}  // namespace unwind
