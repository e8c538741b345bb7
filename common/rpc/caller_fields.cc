#include "common/rpc/caller_fields.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/rpc/error.h"
#include "google/protobuf/descriptor.h"
#include "google/rpc/error_details.pb.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using saga::v1::FieldRules;

constexpr std::size_t kFieldsMax = 16;  // told in one error, which must fit into trailers

void Find(const Message& message, const std::string& member, const std::string& prefix,
          std::vector<std::string>& foreign);

void FindIn(const Message& message, const FieldDescriptor& field, const std::string& member, const std::string& path,
            std::vector<std::string>& foreign) {
  const Reflection& reflection = *message.GetReflection();
  const FieldRules& rules = field.options().GetExtension(saga::v1::rules);
  const bool names_caller = rules.caller() == FieldRules::CALLER_MEMBER;
  const auto check = [&](const std::string& name, const std::string& at) {
    if (name != member && !(name.empty() && rules.required())) foreign.push_back(at);
  };
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && names_caller) {
    if (!field.is_repeated()) return check(reflection.GetString(message, &field), path);
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      check(reflection.GetRepeatedString(message, &field, i), absl::StrCat(path, "[", i, "]"));
    }
  }
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return;
  if (!field.is_repeated()) {
    if (reflection.HasField(message, &field)) Find(reflection.GetMessage(message, &field), member, path, foreign);
    return;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    Find(reflection.GetRepeatedMessage(message, &field, i), member, absl::StrCat(path, "[", i, "]"), foreign);
  }
}

void Find(const Message& message, const std::string& member, const std::string& prefix,
          std::vector<std::string>& foreign) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    FindIn(message, field, member, prefix.empty() ? field.name() : absl::StrCat(prefix, ".", field.name()), foreign);
  }
}

}  // namespace

absl::Status NotTheCaller(absl::string_view domain, const std::vector<std::string>& fields) {
  const std::vector<std::string> told(
      fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(std::min(fields.size(), kFieldsMax)));
  absl::Status status = MakeError(absl::StatusCode::kPermissionDenied,
                                  absl::StrCat("must be the caller's own name: ", absl::StrJoin(told, ", ")),
                                  {"CALLER_NOT_ALLOWED", std::string(domain), {{"denied", told.front()}}});
  google::rpc::BadRequest details;
  for (const std::string& field : told) {
    auto& violation = *details.add_field_violations();
    violation.set_field(field);
    violation.set_description("must be the caller's own name");
  }
  status.SetPayload("type.googleapis.com/google.rpc.BadRequest", absl::Cord(details.SerializeAsString()));
  return status;
}

absl::Status CheckCallerFields(const Message& request, const Principal& principal, absl::string_view domain) {
  if (principal.member.empty()) return absl::OkStatus();
  std::vector<std::string> foreign;
  Find(request, principal.member, "", foreign);
  return foreign.empty() ? absl::OkStatus() : NotTheCaller(domain, foreign);
}

}  // namespace unwind
