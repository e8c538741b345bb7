#include "orchestrator/definition/nested_sagas.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/definition/methods.h"

namespace unwind {

absl::Status CheckNoneIsNested(const std::vector<std::shared_ptr<const Definition>>& definitions) {
  std::map<std::string, std::string> served;  // the saga by the path
  for (const auto& definition : definitions) {
    if (definition->serves() != nullptr) served.emplace(GrpcPath(*definition->serves()), definition->plan().name);
  }
  std::vector<std::string> errors;
  for (const auto& definition : definitions) {
    const std::vector<StepPlan>& steps = definition->plan().steps;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const StepMethods& methods = definition->methods(static_cast<int>(i));
      for (const std::string* path : {&methods.action, &methods.compensation, &methods.resolve}) {
        const auto saga = served.find(*path);
        if (saga == served.end()) continue;
        errors.push_back(absl::StrCat(methods.place, ": step '", steps[i].name, "' calls ", path->substr(1),
                                      ", which saga '", saga->second,
                                      "' serves; a saga cannot be a step of another: call the services that it calls"));
      }
    }
  }
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace unwind
