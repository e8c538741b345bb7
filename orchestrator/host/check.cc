#include "orchestrator/host/check.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "orchestrator/definition/nested_sagas.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {

absl::Status CheckDefinitions(const std::vector<std::string>& paths, const DescriptorSets& sets, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, ListDefinitionFiles(paths));
  if (files.empty()) return absl::InvalidArgumentError("check: name the definition files to check");
  std::vector<std::string> errors;
  std::vector<std::shared_ptr<const Definition>> good;
  DefinitionCatalog catalog;
  for (const std::string& file : files) {
    const auto loaded = LoadDefinitionFiles({file}, sets);
    const absl::Status status = loaded.ok() ? ServeDefinitions(*loaded, catalog) : loaded.status();
    if (!status.ok()) {
      // What is wrong within a file names it; what is wrong between files does not.
      errors.push_back(loaded.ok() ? absl::StrCat(file, ": ", status.message()) : std::string(status.message()));
      continue;
    }
    for (const auto& definition : *loaded) {
      const Plan& plan = definition->plan();
      for (const std::string& warning : definition->warnings()) out << warning << '\n';
      out << file << ": ok, saga " << plan.name << " version " << plan.version << ", " << plan.steps.size()
          << " steps\n";
      good.push_back(definition);
    }
  }
  if (const absl::Status nested = CheckNoneIsNested(good); !nested.ok()) errors.emplace_back(nested.message());
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace unwind
