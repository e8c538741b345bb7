#include "orchestrator/definition/parent_path.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::variant<ParentSource, MissingInParent> FindRoot(const Definition& parent, const std::string& name) {
  ParentSource source;
  if (name == kParentInputName) {
    if (parent.serves() == nullptr) {
      return MissingInParent{absl::StrCat(VersionOf(parent), " follows another saga and has no input"), "", {}};
    }
    source.type = parent.serves()->input_type();
    return source;
  }
  std::vector<std::string> names = {kParentId, kParentFailure, kParentInputName};
  const std::vector<StepPlan>& steps = parent.plan().steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    names.push_back(steps[i].name);
    if (steps[i].name != name) continue;
    source.root = static_cast<int>(i);
    source.type = parent.reply(source.root);
    return source;
  }
  return MissingInParent{absl::StrCat(VersionOf(parent), " has no step '", name, "'"), name, names};
}

}  // namespace

std::variant<ParentSource, MissingInParent> FindInParent(const Definition& parent, const ParentPath& names) {
  std::variant<ParentSource, MissingInParent> found = FindRoot(parent, names[0]);
  if (std::holds_alternative<MissingInParent>(found)) return found;
  ParentSource& source = std::get<ParentSource>(found);
  const Descriptor* type = source.type;
  for (std::size_t i = 1; i < names.size(); ++i) {
    const std::string of = absl::StrCat(" of ", VersionOf(parent));
    if (type == nullptr) return MissingInParent{absl::StrCat("'", names[i - 1], "'", of, " is no message"), "", {}};
    if (source.field() != nullptr && source.field()->is_repeated()) {
      return MissingInParent{
          absl::StrCat("'", names[i - 1], "'", of, " is a repeated field, which is copied whole"), "", {}};
    }
    const FieldDescriptor* const field = type->FindFieldByName(names[i]);
    if (field == nullptr) {
      return MissingInParent{absl::StrCat(type->full_name(), of, " has no field '", names[i], "'"), names[i],
                             FieldNames(*type)};
    }
    source.fields.push_back(field);
    type = field->message_type();
  }
  return found;
}

bool AreAlike(const FieldDescriptor& a, const FieldDescriptor& b) {
  return a.type() == b.type() && CanCopy(a, b) && CanCopy(b, a);
}

std::string TypeOf(const ParentSource& source) {
  return source.field() == nullptr ? source.type->full_name() : TypeName(*source.field());
}

bool AreAlike(const ParentSource& a, const ParentSource& b) {
  if (a.field() == nullptr || b.field() == nullptr) return a.field() == b.field() && TypeOf(a) == TypeOf(b);
  return AreAlike(*a.field(), *b.field());
}

std::string VersionOf(const Definition& definition) {
  return absl::StrCat("version ", definition.plan().version, " of saga '", definition.plan().name, "'");
}

const std::map<std::string, ParentFailure>& ParentFailureFields() {
  static const auto* const fields = new std::map<std::string, ParentFailure>{{"reason", ParentFailure::kReason},
                                                                             {"message", ParentFailure::kMessage},
                                                                             {"step", ParentFailure::kStep},
                                                                             {"domain", ParentFailure::kDomain}};
  return *fields;
}

}  // namespace unwind
