#include "orchestrator/definition/type_facts.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

bool IsProto2(const FileDescriptor& file) { return file.syntax() == FileDescriptor::SYNTAX_PROTO2; }

const char* CardinalityOf(const FieldDescriptor& field) {
  if (field.is_repeated()) return field.is_packed() ? "packed" : "repeated";
  return field.is_required() ? "required" : field.has_presence() ? "optional" : "implicit";
}

std::string TypeNameOf(const FieldDescriptor& field) {
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  return field.enum_type() != nullptr ? field.enum_type()->full_name() : field.type_name();
}

std::string FactOf(const FieldDescriptor& field) {
  std::string fact =
      absl::StrCat("field ", field.full_name(), " = ", field.number(), " of ", field.containing_type()->full_name(),
                   ", ", CardinalityOf(field), " ", TypeNameOf(field));
  if (field.type() == FieldDescriptor::TYPE_STRING && !IsProto2(*field.file())) absl::StrAppend(&fact, " utf-8");
  if (field.real_containing_oneof() != nullptr) {
    absl::StrAppend(&fact, " of oneof ", field.real_containing_oneof()->name());
  }
  if (field.has_default_value()) {
    FieldDescriptorProto proto;
    field.CopyTo(&proto);
    absl::StrAppend(&fact, " by default ", absl::CHexEscape(proto.default_value()));
  }
  saga::v1::FieldRules rules = field.options().GetExtension(saga::v1::rules);
  rules.clear_caller();  // who may call says nothing of what a saga does
  const std::string limits = rules.SerializeAsString();
  if (!limits.empty()) absl::StrAppend(&fact, " under rules ", absl::BytesToHexString(limits));
  return fact;
}

void AddMessage(const Descriptor& message, TypeFacts& facts) {
  facts.insert(absl::StrCat("message ", message.full_name()));
  for (int i = 0; i < message.field_count(); ++i) facts.insert(FactOf(*message.field(i)));
}

void AddEnum(const EnumDescriptor& type, TypeFacts& facts) {
  // A proto2 enum is closed: it keeps numbers that it does not name apart from the field.
  facts.insert(absl::StrCat("enum ", type.full_name(), IsProto2(*type.file()) ? " closed" : ""));
  for (int i = 0; i < type.value_count(); ++i) {
    facts.insert(absl::StrCat("value ", type.full_name(), " ", type.value(i)->number(), " ", type.value(i)->name()));
  }
}

void AddMethod(const MethodDescriptor& method, TypeFacts& facts) {
  facts.insert(absl::StrCat("method ", method.full_name(), " ", method.client_streaming() ? "stream " : "",
                            method.input_type()->full_name(), " returns ", method.server_streaming() ? "stream " : "",
                            method.output_type()->full_name()));
}

void AddDeclared(const Descriptor& message, TypeFacts& facts) {
  AddMessage(message, facts);
  for (int i = 0; i < message.enum_type_count(); ++i) AddEnum(*message.enum_type(i), facts);
  for (int i = 0; i < message.extension_count(); ++i) facts.insert(FactOf(*message.extension(i)));
  for (int i = 0; i < message.nested_type_count(); ++i) AddDeclared(*message.nested_type(i), facts);
}

}  // namespace

TypeFacts FactsOfFile(const FileDescriptor& file) {
  TypeFacts facts;
  for (int i = 0; i < file.message_type_count(); ++i) AddDeclared(*file.message_type(i), facts);
  for (int i = 0; i < file.enum_type_count(); ++i) AddEnum(*file.enum_type(i), facts);
  for (int i = 0; i < file.extension_count(); ++i) facts.insert(FactOf(*file.extension(i)));
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    for (int j = 0; j < service.method_count(); ++j) AddMethod(*service.method(j), facts);
  }
  return facts;
}

TypeFacts FactsOfMethods(const std::vector<const MethodDescriptor*>& methods) {
  TypeFacts facts;
  std::set<const Descriptor*> seen;
  std::vector<const Descriptor*> open;
  const auto reach = [&](const Descriptor* message) {
    if (seen.insert(message).second) open.push_back(message);
  };
  for (const MethodDescriptor* method : methods) {
    AddMethod(*method, facts);
    reach(method->input_type());
    reach(method->output_type());
  }
  while (!open.empty()) {
    const Descriptor& message = *open.back();
    open.pop_back();
    AddMessage(message, facts);
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      if (field.message_type() != nullptr) reach(field.message_type());
      if (field.enum_type() != nullptr) AddEnum(*field.enum_type(), facts);
    }
  }
  return facts;
}

bool Covers(const TypeFacts& facts, const TypeFacts& others) {
  return std::includes(facts.begin(), facts.end(), others.begin(), others.end());
}

const std::string& FirstMissing(const TypeFacts& facts, const TypeFacts& others) {
  return *std::find_if(others.begin(), others.end(), [&](const std::string& fact) { return !facts.contains(fact); });
}

}  // namespace unwind
