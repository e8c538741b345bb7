#include "orchestrator/definition/literal.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

unsigned char Byte(char c) { return static_cast<unsigned char>(c); }

// PAYMENT_METHOD_ for the enum PaymentMethod.
std::string PrefixOf(const EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(Byte(c)) && !prefix.empty()) prefix.push_back('_');
    prefix.push_back(absl::ascii_toupper(Byte(c)));
  }
  prefix.push_back('_');
  return prefix;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor& type, const std::string& name) {
  const EnumValueDescriptor* exact = type.FindValueByName(name);
  return exact != nullptr ? exact : type.FindValueByName(PrefixOf(type) + name);
}

template <typename T, typename Set>
bool SetInteger(const std::string& text, Set set) {
  T value = 0;
  if (!absl::SimpleAtoi(text, &value)) return false;
  set(value);
  return true;
}

bool SetFloatingPoint(Message& message, const FieldDescriptor& field, const std::string& text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return false;
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
    reflection.SetFloat(&message, &field, static_cast<float>(value));
  } else {
    reflection.SetDouble(&message, &field, value);
  }
  return true;
}

bool SetBool(Message& message, const FieldDescriptor& field, const std::string& text) {
  if (text != "true" && text != "false") return false;
  message.GetReflection()->SetBool(&message, &field, text == "true");
  return true;
}

bool SetEnum(Message& message, const FieldDescriptor& field, const std::string& text) {
  const EnumValueDescriptor* value = FindEnumValue(*field.enum_type(), text);
  if (value == nullptr) return false;
  message.GetReflection()->SetEnum(&message, &field, value);
  return true;
}

}  // namespace

bool SetLiteral(Message& message, const FieldDescriptor& field, const std::string& text) {
  const Reflection& to = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return SetInteger<std::int32_t>(text, [&](std::int32_t value) { to.SetInt32(&message, &field, value); });
    case FieldDescriptor::CPPTYPE_INT64:
      return SetInteger<std::int64_t>(text, [&](std::int64_t value) { to.SetInt64(&message, &field, value); });
    case FieldDescriptor::CPPTYPE_UINT32:
      return SetInteger<std::uint32_t>(text, [&](std::uint32_t value) { to.SetUInt32(&message, &field, value); });
    case FieldDescriptor::CPPTYPE_UINT64:
      return SetInteger<std::uint64_t>(text, [&](std::uint64_t value) { to.SetUInt64(&message, &field, value); });
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return SetFloatingPoint(message, field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBool(message, field, text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(message, field, text);
    case FieldDescriptor::CPPTYPE_STRING:
      to.SetString(&message, &field, text);
      return true;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return false;
  }
  return false;
}

std::string WhyInexact(const FieldDescriptor& field, const std::string& text) {
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isascii(Byte(c)); });
    return is_ascii ? "" : "has characters beyond ASCII, which are not one byte each";
  }
  const bool is_single = field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
  double value = 0;
  if ((!is_single && field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) || !absl::SimpleAtod(text, &value)) return "";
  const double most = is_single ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  const double least = is_single ? std::numeric_limits<float>::denorm_min() : std::numeric_limits<double>::denorm_min();
  const bool names_infinity = text.find_first_of("iI") != std::string::npos;
  if (!names_infinity && std::abs(value) > most) return "is too large for it";
  const bool is_zero = text.substr(0, text.find_first_of("eE")).find_first_of("123456789") == std::string::npos;
  if (!is_zero && std::abs(value) < least) return "is too small for it";
  return "";
}

std::string ShortName(const EnumValueDescriptor& value) {
  return std::string(absl::StripPrefix(value.name(), PrefixOf(*value.type())));
}

bool LooksLikePath(absl::string_view text) {
  bool dot = false;
  for (const char c : text) {
    if (c == '.')
      dot = true;
    else if (!absl::ascii_isalnum(Byte(c)) && c != '_')
      return false;
  }
  return dot && absl::ascii_isalpha(Byte(text.front()));
}

absl::string_view WithoutBraces(absl::string_view text) {
  const std::size_t open = text.find('{');
  const std::size_t close = open == text.npos ? text.npos : text.find('}', open);
  if (close != text.npos) text = text.substr(open, close - open);
  while (absl::ConsumePrefix(&text, "{") || absl::ConsumePrefix(&text, "$") || absl::ConsumePrefix(&text, " ")) {
  }
  return absl::StripTrailingAsciiWhitespace(text);
}

}  // namespace unwind
