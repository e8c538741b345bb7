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
  const auto loaded = LoadEachFile(files, sets);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& file = files[i];
    const absl::Status status = loaded[i].ok() ? ServeDefinitions({*loaded[i]}, catalog) : loaded[i].status();
    if (!status.ok()) {
      // What is wrong within a file names it; what is wrong between files does not.
      errors.push_back(loaded[i].ok() ? absl::StrCat(file, ": ", status.message()) : std::string(status.message()));
      continue;
    }
    const Definition& definition = **loaded[i];
    for (const std::string& warning : definition.warnings()) out << warning << '\n';
    out << file << ": ok, saga " << definition.plan().name << " version " << definition.plan().version << ", "
        << definition.plan().steps.size() << " steps\n";
    good.push_back(*loaded[i]);
  }
  if (const absl::Status nested = CheckNoneIsNested(good); !nested.ok()) errors.emplace_back(nested.message());
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace unwind
