#include "common/rpc/validate.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/utf8.h"
#include "google/protobuf/descriptor.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using saga::v1::FieldRules;

constexpr std::size_t kIdentifierMax = 64;

struct Violations {
  const UnknownEnumValues unknown;
  std::vector<FieldViolation> found;

  void push_back(FieldViolation violation) { found.push_back(std::move(violation)); }
};

bool IsIdentifier(const std::string& text) {
  if (text.size() > kIdentifierMax) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') return false;
  }
  return true;
}

void CheckText(const std::string& text, const FieldRules& rules, const std::string& path, Violations& out) {
  if (rules.required() && text.empty()) out.push_back({path, "must be set"});
  if (rules.identifier() && !IsIdentifier(text)) {
    out.push_back({path, "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"});
  }
  if (rules.max_bytes() > 0 && text.size() > rules.max_bytes()) {
    out.push_back({path, absl::StrCat("is ", text.size(), " bytes long; at most ", rules.max_bytes(), " are allowed")});
  }
}

// long double holds every 64-bit integer and every double exactly. NaN is outside of all limits.
template <class Number>
void CheckNumber(Number number, const FieldRules& rules, const std::string& path, Violations& out) {
  const auto exact = static_cast<long double>(number);
  if (rules.required() && exact == 0) out.push_back({path, "must be set and not 0"});
  if (rules.has_min() && !(exact >= static_cast<long double>(rules.min()))) {
    out.push_back({path, absl::StrCat("is ", number, "; at least ", rules.min(), " is needed")});
  }
  if (rules.has_max() && !(exact <= static_cast<long double>(rules.max()))) {
    out.push_back({path, absl::StrCat("is ", number, "; at most ", rules.max(), " is allowed")});
  }
}

void CheckEnum(const FieldDescriptor& field, int number, const FieldRules& rules, const std::string& path,
               Violations& out) {
  if (rules.required() && number == 0) return out.push_back({path, "must be set"});
  if (out.unknown == UnknownEnumValues::kRefuse && field.enum_type()->FindValueByNumber(number) == nullptr) {
    out.push_back({path, absl::StrCat(number, " is no value of ", field.enum_type()->full_name())});
  }
}

void CheckMessage(const Message& message, const std::string& prefix, Violations& out);

// One value: a singular field (index -1) or one element of a repeated one.
class Value {
 private:
  template <class Single, class Repeated>
  auto Get(Single single, Repeated repeated) const {
    return index_ < 0 ? (reflection_.*single)(message_, &field_) : (reflection_.*repeated)(message_, &field_, index_);
  }

 public:
  Value(const Message& message, const FieldDescriptor& field, int index)
      : message_(message), reflection_(*message.GetReflection()), field_(field), index_(index) {}

  void Check(const FieldRules& rules, const std::string& path, Violations& out) const {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return CheckString(Get(&Reflection::GetString, &Reflection::GetRepeatedString), rules, path, out);
      case FieldDescriptor::CPPTYPE_INT32:
        return CheckNumber(Get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32), rules, path, out);
      case FieldDescriptor::CPPTYPE_INT64:
        return CheckNumber(Get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64), rules, path, out);
      case FieldDescriptor::CPPTYPE_UINT32:
        return CheckNumber(Get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32), rules, path, out);
      case FieldDescriptor::CPPTYPE_UINT64:
        return CheckNumber(Get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64), rules, path, out);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return CheckNumber(Get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble), rules, path, out);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return CheckNumber(Get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat), rules, path, out);
      case FieldDescriptor::CPPTYPE_ENUM:
        return CheckEnum(field_, Get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue), rules, path, out);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return CheckNested(rules, path, out);
      case FieldDescriptor::CPPTYPE_BOOL:
        return;  // the rules say nothing about it
    }
  }

 private:
  void CheckString(const std::string& text, const FieldRules& rules, const std::string& path, Violations& out) const {
    if (field_.type() == FieldDescriptor::TYPE_STRING && FindNotUtf8(text) != absl::string_view::npos) {
      return out.push_back({path, "is not valid UTF-8"});
    }
    CheckText(text, rules, path, out);
  }

  void CheckNested(const FieldRules& rules, const std::string& path, Violations& out) const {
    if (index_ >= 0) return CheckMessage(reflection_.GetRepeatedMessage(message_, &field_, index_), path, out);
    if (reflection_.HasField(message_, &field_))
      return CheckMessage(reflection_.GetMessage(message_, &field_), path, out);
    if (rules.required()) out.push_back({path, "must be set"});
  }

  const Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor& field_;
  const int index_;
};

void CheckUnique(const Message& message, const FieldDescriptor& field, const std::string& by, const std::string& path,
                 Violations& out) {
  const FieldDescriptor* const key = field.message_type()->FindFieldByName(by);
  if (key == nullptr || key->cpp_type() != FieldDescriptor::CPPTYPE_STRING) return;
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, int> seen;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& element = reflection.GetRepeatedMessage(message, &field, i);
    const auto [first, is_new] = seen.emplace(element.GetReflection()->GetString(element, key), i);
    if (!is_new) {
      out.push_back(
          {absl::StrCat(path, "[", i, "].", by), absl::StrCat("is the same as ", path, "[", first->second, "].", by)});
    }
  }
}

void CheckRepeated(const Message& message, const FieldDescriptor& field, const FieldRules& rules,
                   const std::string& path, Violations& out) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  if (rules.required() && size == 0) out.push_back({path, "must have at least one element"});
  if (rules.max_items() > 0 && size > static_cast<int>(rules.max_items())) {
    return out.push_back({path, absl::StrCat("has ", size, " elements; at most ", rules.max_items(), " are allowed")});
  }
  for (int i = 0; i < size; ++i) Value(message, field, i).Check(rules, absl::StrCat(path, "[", i, "]"), out);
  if (!rules.unique_by().empty()) CheckUnique(message, field, rules.unique_by(), path, out);
}

void CheckField(const Message& message, const FieldDescriptor& field, const std::string& prefix, Violations& out) {
  const FieldRules& rules = field.options().GetExtension(saga::v1::rules);
  const std::string path = prefix.empty() ? field.name() : absl::StrCat(prefix, ".", field.name());
  field.is_repeated() ? CheckRepeated(message, field, rules, path, out)
                      : Value(message, field, -1).Check(rules, path, out);
}

void CheckMessage(const Message& message, const std::string& prefix, Violations& out) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    CheckField(message, *message.GetDescriptor()->field(i), prefix, out);
  }
}

}  // namespace

std::vector<FieldViolation> FindViolations(const Message& message, UnknownEnumValues unknown) {
  Violations violations{unknown, {}};
  CheckMessage(message, "", violations);
  return std::move(violations.found);
}

std::vector<FieldViolation> FindViolations(const Message& message, const FieldDescriptor& field) {
  Violations violations{UnknownEnumValues::kRefuse, {}};
  CheckField(message, field, "", violations);
  return std::move(violations.found);
}

absl::Status Validate(const Message& message, absl::string_view domain) {
  const std::vector<FieldViolation> violations = FindViolations(message, UnknownEnumValues::kRefuse);
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(domain, violations);
}

}  // namespace unwind
