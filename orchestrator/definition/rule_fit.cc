#include "orchestrator/definition/rule_fit.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::FieldDescriptor;
using saga::v1::FieldRules;

constexpr std::size_t kIdentifierBytesMax = 64;  // of saga.v1.rules

const FieldRules& RulesOf(const FieldDescriptor& field) { return field.options().GetExtension(saga::v1::rules); }

bool IsUnsigned(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 || field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

}  // namespace

bool IsRequired(const FieldDescriptor& field) { return field.is_required() || RulesOf(field).required(); }

bool TakesIdentifiers(const FieldDescriptor& field) { return RulesOf(field).identifier(); }

std::size_t BytesMax(const FieldDescriptor& field) {
  const FieldRules& rules = RulesOf(field);
  const std::size_t given = rules.max_bytes() == 0 ? absl::string_view::npos : rules.max_bytes();
  return rules.identifier() ? std::min(given, kIdentifierBytesMax) : given;
}

bool IsAlwaysSet(const FieldPath& path) {
  return std::all_of(path.begin(), path.end(), [](const FieldDescriptor* field) { return IsRequired(*field); });
}

std::vector<std::string> Excess(const FieldDescriptor& source, const FieldDescriptor& target) {
  const FieldRules& from = RulesOf(source);
  const FieldRules& to = RulesOf(target);
  std::vector<std::string> excess;
  if (to.identifier() && !from.identifier()) {
    excess.emplace_back("may hold other characters than A-Z, a-z, 0-9, _ and -");
  } else if (BytesMax(source) > BytesMax(target)) {
    excess.push_back(absl::StrCat("may have more than ", BytesMax(target), " bytes"));
  }
  const std::int64_t least = from.has_min()       ? from.min()
                             : IsUnsigned(source) ? 0
                                                  : std::numeric_limits<std::int64_t>::min();
  if (to.has_min() && least < to.min()) excess.push_back(absl::StrCat("may be less than ", to.min()));
  if (to.has_max() && !(from.has_max() && from.max() <= to.max())) {
    excess.push_back(absl::StrCat("may be more than ", to.max()));
  }
  if (to.max_items() > 0 && (from.max_items() == 0 || from.max_items() > to.max_items())) {
    excess.push_back(absl::StrCat("may have more than ", to.max_items(), " elements"));
  }
  if (!to.unique_by().empty() && from.unique_by() != to.unique_by()) {
    excess.push_back(absl::StrCat("may have two elements with the same '", to.unique_by(), "'"));
  }
  return excess;
}

}  // namespace unwind
