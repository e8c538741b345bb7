#include "orchestrator/definition/follower_copies.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/definition/parent_path.h"
#include "orchestrator/definition/parent_reads.h"
#include "orchestrator/definition/parent_type.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What stands in the way of copying; empty: nothing.
std::string AddCopy(const Definition& parent, const ParentPath& names, const FieldDescriptor& leaf,
                    FollowerCopy& copy) {
  if (names[0] == kParentId) {
    copy.root = kParentFacts;
    copy.source = {static_cast<int>(ParentFact::kId)};
    return "";
  }
  if (names[0] == kParentFailure) {
    copy.root = kParentFacts;
    copy.source = {static_cast<int>(ParentFact::kFailure), static_cast<int>(ParentFailureFields().at(names[1]))};
    return "";
  }
  const auto found = FindInParent(parent, names);
  if (const auto* const missing = std::get_if<MissingInParent>(&found)) return missing->what;
  const ParentSource& source = std::get<ParentSource>(found);
  const bool fits = source.field() == nullptr ? leaf.message_type() != nullptr && !leaf.is_repeated() &&
                                                    leaf.message_type()->full_name() == source.type->full_name()
                                              : AreAlike(*source.field(), leaf);
  if (!fits) {
    return absl::StrCat("'", absl::StrJoin(names, "."), "' of ", VersionOf(parent), " is ", TypeOf(source), ", not ",
                        TypeName(leaf));
  }
  copy.root = source.root;
  for (const FieldDescriptor* field : source.fields) copy.source.push_back(field->number());
  return "";
}

void AddCopies(const Definition& parent, const Descriptor& type, const ParentPath& before,
               const std::vector<int>& numbers, const std::set<std::string>& if_there, Follower& follower) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    ParentPath names = before;
    names.push_back(field.name());
    FollowerCopy copy;
    copy.target = numbers;
    copy.target.push_back(field.number());
    if (IsBetween(field)) {
      AddCopies(parent, *field.message_type(), names, copy.target, if_there, follower);
      continue;
    }
    if (if_there.contains(names[0]) && !HasStep(parent, names[0])) continue;
    const std::string why = AddCopy(parent, names, field, copy);
    if (why.empty()) {
      follower.copies.push_back(std::move(copy));
    } else if (follower.why_not_built.empty()) {
      follower.why_not_built = why;
    }
  }
}

}  // namespace

Follower FollowerOf(const Definition& follower, const Definition& parent) {
  const Plan& plan = follower.plan();
  const Follows& follows = *follower.follows();
  Follower row{.parent = {parent.plan().name, parent.plan().version},
               .definition = {plan.name, plan.version},
               .on = follows.on,
               .reasons = follows.reasons,
               .steps = static_cast<int>(plan.steps.size()),
               .first_step = 0,
               .copies = {},
               .why_not_built = {}};
  const auto first =
      std::find_if(plan.steps.begin(), plan.steps.end(), [](const StepPlan& step) { return step.after.empty(); });
  if (first != plan.steps.end()) row.first_step = static_cast<int>(first - plan.steps.begin());
  AddCopies(parent, *follows.type, {}, {}, StepsReadIfThere(follower), row);
  return row;
}

}  // namespace unwind
