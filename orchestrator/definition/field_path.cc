#include "orchestrator/definition/field_path.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "google/protobuf/descriptor.pb.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool HasValue(const Message& holder, const FieldDescriptor& field) {
  const Reflection& reflection = *holder.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(holder, &field) > 0 : reflection.HasField(holder, &field);
}

void CopySingular(const Message& from, const FieldDescriptor& source, Message& to, const FieldDescriptor& target);

// An entry of one map into an entry of another: their types differ by name, so they are copied member by member.
void CopyEntry(const Message& from, Message& to) {
  const Descriptor& in = *from.GetDescriptor();
  const Descriptor& out = *to.GetDescriptor();
  CopySingular(from, *in.map_key(), to, *out.map_key());
  CopySingular(from, *in.map_value(), to, *out.map_value());
}

void CopyMessage(const Message& from, Message& to) {
  if (from.GetDescriptor()->options().map_entry()) return CopyEntry(from, to);
  to.CopyFrom(from);
}

void CopyRepeated(const Message& from, const FieldDescriptor& source, Message& to, const FieldDescriptor& target) {
  const Reflection& in = *from.GetReflection();
  const Reflection& out = *to.GetReflection();
  out.ClearField(&to, &target);
  for (int i = 0, size = in.FieldSize(from, &source); i < size; ++i) {
    switch (target.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        out.AddInt32(&to, &target, in.GetRepeatedInt32(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        out.AddInt64(&to, &target, in.GetRepeatedInt64(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        out.AddUInt32(&to, &target, in.GetRepeatedUInt32(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        out.AddUInt64(&to, &target, in.GetRepeatedUInt64(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out.AddDouble(&to, &target, in.GetRepeatedDouble(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        out.AddFloat(&to, &target, in.GetRepeatedFloat(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out.AddBool(&to, &target, in.GetRepeatedBool(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        out.AddEnumValue(&to, &target, in.GetRepeatedEnumValue(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        out.AddString(&to, &target, in.GetRepeatedString(from, &source, i));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        CopyMessage(in.GetRepeatedMessage(from, &source, i), *out.AddMessage(&to, &target));
        break;
    }
  }
}

void CopySingular(const Message& from, const FieldDescriptor& source, Message& to, const FieldDescriptor& target) {
  const Reflection& in = *from.GetReflection();
  const Reflection& out = *to.GetReflection();
  switch (target.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return out.SetInt32(&to, &target, in.GetInt32(from, &source));
    case FieldDescriptor::CPPTYPE_INT64:
      return out.SetInt64(&to, &target, in.GetInt64(from, &source));
    case FieldDescriptor::CPPTYPE_UINT32:
      return out.SetUInt32(&to, &target, in.GetUInt32(from, &source));
    case FieldDescriptor::CPPTYPE_UINT64:
      return out.SetUInt64(&to, &target, in.GetUInt64(from, &source));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return out.SetDouble(&to, &target, in.GetDouble(from, &source));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return out.SetFloat(&to, &target, in.GetFloat(from, &source));
    case FieldDescriptor::CPPTYPE_BOOL:
      return out.SetBool(&to, &target, in.GetBool(from, &source));
    case FieldDescriptor::CPPTYPE_ENUM:
      return out.SetEnumValue(&to, &target, in.GetEnumValue(from, &source));
    case FieldDescriptor::CPPTYPE_STRING:
      return out.SetString(&to, &target, in.GetString(from, &source));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return out.MutableMessage(&to, &target)->CopyFrom(in.GetMessage(from, &source));
  }
}

std::string ElementTypeName(const FieldDescriptor& field) {
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

}  // namespace

std::string SuggestField(const Descriptor& message, const std::string& name, const Findings& findings) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  if (names.empty()) return "it has no fields at all";
  return findings.Suggest(name, names, absl::StrCat("its fields are ", absl::StrJoin(names, ", ")));
}

const Message* Holder(const Message& message, const FieldPath& path) {
  CHECK(!path.empty());
  const Message* holder = &message;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const Reflection& reflection = *holder->GetReflection();
    if (!reflection.HasField(*holder, path[i])) return nullptr;
    holder = &reflection.GetMessage(*holder, path[i]);
  }
  return holder;
}

bool IsSet(const Message& message, const FieldPath& path) {
  if (path.empty()) return true;
  const Message* holder = Holder(message, path);
  return holder != nullptr && HasValue(*holder, *path.back());
}

bool CopyField(const Message& from, const FieldPath& source, Message& to, const FieldDescriptor& target) {
  if (source.empty()) {
    to.GetReflection()->MutableMessage(&to, &target)->CopyFrom(from);
    return true;
  }
  const Message* holder = Holder(from, source);
  if (holder == nullptr || !HasValue(*holder, *source.back())) return false;
  if (target.is_repeated()) {
    CopyRepeated(*holder, *source.back(), to, target);
  } else {
    CopySingular(*holder, *source.back(), to, target);
  }
  return true;
}

bool CanCopy(const FieldDescriptor& source, const FieldDescriptor& target) {
  if (source.is_repeated() != target.is_repeated() || source.is_map() != target.is_map()) return false;
  if (target.is_map()) {  // each map field has an entry type of its own
    return CanCopy(*source.message_type()->map_key(), *target.message_type()->map_key()) &&
           CanCopy(*source.message_type()->map_value(), *target.message_type()->map_value());
  }
  if (source.cpp_type() != target.cpp_type()) return false;
  if (target.cpp_type() == FieldDescriptor::CPPTYPE_STRING) return source.type() == target.type();  // or it is bytes
  const bool is_named = target.message_type() != nullptr || target.enum_type() != nullptr;
  return !is_named || ElementTypeName(source) == ElementTypeName(target);
}

std::string TypeName(const FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map<", TypeName(*field.message_type()->map_key()), ", ",
                        TypeName(*field.message_type()->map_value()), ">");
  }
  return absl::StrCat(field.is_repeated() ? "repeated " : "", ElementTypeName(field));
}

}  // namespace unwind
