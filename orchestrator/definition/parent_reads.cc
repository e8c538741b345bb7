#include "orchestrator/definition/parent_reads.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/findings.h"
#include "orchestrator/definition/parent_path.h"
#include "orchestrator/definition/parent_type.h"

namespace unwind {
namespace {

struct Read {
  Text path;
  bool if_there = false;
};

void Add(const Text& text, bool if_there, std::vector<Read>& reads) {
  if (!text.quoted && absl::StartsWith(text.value, absl::StrCat(kParentRoot, "."))) reads.push_back({text, if_there});
}

void Add(const std::vector<FieldText>& fields, const Text& when, std::vector<Read>& reads) {
  for (const FieldText& field : fields) {
    Add(field.value.text, field.value.text.value == when.value, reads);
    for (const Text& text : field.value.first_of) Add(text, true, reads);
    Add(field.value.fields, when, reads);
  }
}

std::vector<Read> ReadsOf(const DefinitionFile& file) {
  std::vector<Read> reads;
  for (const StepText& step : file.steps) {
    Add(step.request.fields, step.when, reads);
    Add(step.compensation_request.fields, step.when, reads);
    Add(step.resolve_request.fields, step.when, reads);
    Add(step.when, true, reads);
    for (const auto& [name, value] : step.metadata) Add(value, true, reads);
  }
  return reads;
}

}  // namespace

std::vector<Text> ParentPathsOf(const DefinitionFile& file) {
  std::vector<Text> paths;
  for (Read& read : ReadsOf(file)) paths.push_back(std::move(read.path));
  return paths;
}

std::set<std::string> StepsReadIfThere(const DefinitionFile& file) {
  std::set<std::string> if_there, always = {kParentId, kParentFailure, kParentInputName};
  for (const Read& read : ReadsOf(file)) {
    const ParentPath names = absl::StrSplit(read.path.value, '.');
    (read.if_there ? if_there : always).insert(names[1]);
  }
  std::erase_if(if_there, [&](const std::string& step) { return always.contains(step); });
  return if_there;
}

std::set<std::string> StepsReadIfThere(const Definition& follower) {
  Findings reported_when_loaded("", Origin::kStored);
  return StepsReadIfThere(ReadDefinitionFile(follower.yaml(), reported_when_loaded));
}

bool HasStep(const Definition& parent, const std::string& step) {
  const std::vector<StepPlan>& steps = parent.plan().steps;
  return std::any_of(steps.begin(), steps.end(), [&](const StepPlan& each) { return each.name == step; });
}

std::set<std::string> StepsThatMayNotRun(const DefinitionFile& file,
                                         const std::vector<std::shared_ptr<const Definition>>& parents) {
  std::set<std::string> steps;
  const std::set<std::string> if_there = StepsReadIfThere(file);
  for (const auto& parent : parents) {
    for (const StepPlan& step : parent->plan().steps) {
      if (file.on.value == "aborted" || (file.on.value == "completed" && step.when)) steps.insert(step.name);
    }
    for (const std::string& step : if_there) {
      if (!HasStep(*parent, step)) steps.insert(step);
    }
  }
  return steps;
}

}  // namespace unwind
