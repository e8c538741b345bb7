#include "orchestrator/definition/mapping_compiler.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/definition/literal.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

const saga::v1::FieldRules& RulesOf(const FieldDescriptor& field) {
  return field.options().GetExtension(saga::v1::rules);
}

bool IsRequired(const FieldDescriptor& field) { return field.is_required() || RulesOf(field).required(); }

// "a.b": a plain literal of this look is far more likely a mistyped path than a text.
bool LooksLikePath(const std::string& text) {
  bool dot = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '.')
      dot = true;
    else if (!absl::ascii_isalnum(byte) && c != '_')
      return false;
  }
  return dot && absl::ascii_isalpha(static_cast<unsigned char>(text.front()));
}

class Compiler {
 public:
  Compiler(bool is_request, const Scope& scope, MessageTypes& types, Findings& findings)
      : is_request_(is_request), scope_(scope), types_(types), findings_(findings) {}

  CompiledMapping Compile(const MappingText& text, int line, const Descriptor& type) {
    std::unique_ptr<Message> base(types_.Prototype(type)->New());
    CompileFields(text.fields, line, {}, *base);
    return {std::make_shared<Mapping>(std::move(base), std::move(roots_), std::move(assignments_)), reads_own_reply_};
  }

 private:
  // What a right-hand side is for.
  struct Target {
    const FieldDescriptor& field;
    bool is_first_of = false;
    bool has_fallback = false;  // a literal, which is always set
  };

  // The fields of one message: the mapped one itself, or one inside it that a nested map builds.
  void CompileFields(const std::vector<FieldText>& fields, int line, const FieldPath& parents, Message& base) {
    const Descriptor& type = *base.GetDescriptor();
    std::set<const FieldDescriptor*> given;
    std::map<const OneofDescriptor*, const FieldDescriptor*> chosen;
    for (const FieldText& text : fields) {
      const FieldDescriptor* field = type.FindFieldByName(text.name.value);
      if (field == nullptr) {
        findings_.Add(text.name.line, absl::StrCat(type.full_name(), " has no field '", text.name.value, "'"),
                      SuggestField(type, text.name.value, findings_));
        continue;
      }
      given.insert(field);
      CheckOneof(text, *field, chosen);
      CompileField(text, *field, parents, base);
    }
    if (is_request_) CheckRequired(type, given, line);
  }

  void CheckOneof(const FieldText& text, const FieldDescriptor& field,
                  std::map<const OneofDescriptor*, const FieldDescriptor*>& chosen) {
    const OneofDescriptor* oneof = field.real_containing_oneof();
    if (oneof == nullptr || chosen.try_emplace(oneof, &field).second) return;
    findings_.Add(text.name.line,
                  absl::StrCat("'", chosen[oneof]->name(), "' and '", field.name(), "' are both of the oneof '",
                               oneof->name(), "'"),
                  "give one of them");
  }

  void CheckRequired(const Descriptor& type, const std::set<const FieldDescriptor*>& given, int line) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (!IsRequired(*field) || given.contains(field)) continue;
      findings_.Add(
          line, absl::StrCat(scope_.place, " leaves out '", field->name(), "', which ", type.full_name(), " requires"),
          "say where it comes from");
    }
  }

  void CompileField(const FieldText& text, const FieldDescriptor& field, const FieldPath& parents, Message& base) {
    const ValueText& value = text.value;
    if (value.line == 0) return;  // it has no usable value, which is reported already
    FieldPath target = parents;
    target.push_back(&field);
    if (value.is_message) {
      if (field.is_repeated() || field.message_type() == nullptr) {
        findings_.Add(value.line,
                      absl::StrCat("'", field.name(), "' is ", TypeName(field), ", which a map cannot build"),
                      "give it a path");
        return;
      }
      // The message is there even if nothing in it is set.
      return CompileFields(value.fields, value.line, target, *base.GetReflection()->MutableMessage(&base, &field));
    }
    std::vector<Text> alternatives = value.first_of;
    const bool is_first_of = !alternatives.empty();
    if (!is_first_of) alternatives.push_back(value.text);
    const Target to{field, is_first_of, is_first_of && !IsPath(alternatives.back(), scope_)};
    Assignment assignment{std::move(target), {}};
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      const Text& alternative = alternatives[i];
      if (IsPath(alternative, scope_)) {
        CompilePath(alternative, to, assignment);
      } else if (i + 1 < alternatives.size()) {
        findings_.Add(alternative.line,
                      absl::StrCat("'", alternative.value, "' in first_of is a literal, which is always set"),
                      "put it last, or correct the path");
      } else {
        CompileLiteral(alternative, field, base);
      }
    }
    if (!assignment.sources.empty()) assignments_.push_back(std::move(assignment));
  }

  void CompilePath(const Text& text, const Target& to, Assignment& assignment) {
    const auto path = ResolvePath(text, scope_, findings_);
    if (!path.has_value()) return;
    if (const auto* stored = std::get_if<StoredPath>(&*path)) return CompileStored(text, *stored, to, assignment);
    if (to.field.is_repeated() || to.field.type() != FieldDescriptor::TYPE_STRING) {
      return ReportMismatch(text, "string", to.field);
    }
    const SagaField of_saga = std::get<SagaField>(*path);
    if (of_saga == SagaField::kId || of_saga == SagaField::kKey) {
      assignment.sources.push_back(SagaText{of_saga});
    } else {
      CheckFailureFits(text, of_saga, to);
      const std::size_t bytes_max = RulesOf(to.field).max_bytes();
      assignment.sources.push_back(SagaText{of_saga, bytes_max == 0 ? absl::string_view::npos : bytes_max});
    }
  }

  // A failure's words come from anywhere. Those that a compensation refuses would park the saga, so they are not sent.
  void CheckFailureFits(const Text& text, SagaField of_failure, const Target& to) {
    if (of_failure == SagaField::kFailureReason) return;  // never empty, and an identifier
    if (RulesOf(to.field).identifier() && of_failure != SagaField::kFailureStep) {
      findings_.Add(
          text.line,
          absl::StrCat("'", text.value, "' may be any text, but '", to.field.name(), "' takes only identifiers"),
          "give it saga.failure.reason");
    } else if (IsRequired(to.field) && !to.has_fallback) {
      findings_.Add(text.line, absl::StrCat("'", text.value, "' may be empty, but '", to.field.name(), "' is required"),
                    absl::StrCat("write first_of: [", text.value, ", \"none\"]"));
    }
  }

  void CompileStored(const Text& text, const StoredPath& path, const Target& to, Assignment& assignment) {
    const Reach reach = path.step == kInputRoot ? Reach::kThere : scope_.reach[static_cast<std::size_t>(path.step)];
    if (reach == Reach::kOwnReply) reads_own_reply_ = true;
    if (reach == Reach::kMaySkip && !to.is_first_of) {
      findings_.Add(
          text.line,
          absl::StrCat(scope_.place, " reads '", text.value, "', but the step may be skipped: it has a 'when'"),
          absl::StrCat("write first_of: [", text.value, "], with alternatives if there are any"));
      return;
    }
    const Descriptor& root =
        path.step == kInputRoot ? *scope_.input : *scope_.steps[static_cast<std::size_t>(path.step)].type;
    if (path.fields.empty()) {
      if (to.field.is_repeated() || to.field.message_type() != &root) {
        return ReportMismatch(text, root.full_name(), to.field);
      }
    } else if (!CanCopy(*path.fields.back(), to.field)) {
      return ReportMismatch(text, TypeName(*path.fields.back()), to.field);
    }
    assignment.sources.push_back(StoredField{RootIndex(path.step, root), path.fields});
  }

  void CompileLiteral(const Text& text, const FieldDescriptor& field, Message& base) {
    const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (field.is_repeated() || field.message_type() != nullptr) {
      findings_.Add(text.line, absl::StrCat("'", text.value, "' is not a path, and no literal is ", TypeName(field)),
                    findings_.Suggest(text.value, RootNames(scope_), "give it a path, such as input.<field>"));
    } else if (is_text && !text.quoted && LooksLikePath(text.value)) {
      const std::string first = text.value.substr(0, text.value.find('.'));
      findings_.Add(text.line, absl::StrCat("'", text.value, "' looks like a path, but there is no step '", first, "'"),
                    findings_.Suggest(first, RootNames(scope_), "quote it if it is a text"));
    } else if (!SetLiteral(base, field, text.value)) {
      findings_.Add(text.line,
                    absl::StrCat("'", text.value, "' is no value of '", field.name(), "' (", TypeName(field), ")"),
                    AdviceOnLiteral(text, field));
    }
  }

  std::string AdviceOnLiteral(const Text& text, const FieldDescriptor& field) {
    if (field.enum_type() == nullptr) return "give a value of that type, or a path";
    std::vector<std::string> names;
    const EnumDescriptor& type = *field.enum_type();
    for (int i = 0; i < type.value_count(); ++i) names.push_back(ShortName(*type.value(i)));
    return findings_.Suggest(text.value, names, absl::StrCat("its values are ", absl::StrJoin(names, ", ")));
  }

  void ReportMismatch(const Text& text, absl::string_view type, const FieldDescriptor& field) {
    findings_.Add(text.line,
                  absl::StrCat("'", text.value, "' is ", type, ", but '", field.name(), "' is ", TypeName(field)),
                  "copy a field of the same type");
  }

  std::size_t RootIndex(int step, const Descriptor& type) {
    for (std::size_t i = 0; i < roots_.size(); ++i) {
      if (roots_[i].step == step) return i;
    }
    roots_.push_back({step, types_.Prototype(type)});
    return roots_.size() - 1;
  }

  const bool is_request_;
  const Scope& scope_;
  MessageTypes& types_;
  Findings& findings_;
  std::vector<Root> roots_;
  std::vector<Assignment> assignments_;
  bool reads_own_reply_ = false;
};

}  // namespace

CompiledMapping CompileMapping(const MappingText& text, int line, bool is_request, const Descriptor& type,
                               const Scope& scope, MessageTypes& types, Findings& findings) {
  return Compiler(is_request, scope, types, findings).Compile(text, line, type);
}

}  // namespace unwind
