#include "orchestrator/definition/mapping_compiler.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/rpc/validate.h"
#include "orchestrator/definition/literal.h"
#include "orchestrator/definition/parent_type.h"
#include "orchestrator/definition/rule_fit.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

constexpr std::size_t kSagaIdBytes = 36;  // a UUID
constexpr std::size_t kKeyBytesMax = 64;
constexpr char kTimestamp[] = "google.protobuf.Timestamp";

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
  // What a right-hand side is for, and what is known of its alternatives so far.
  struct Target {
    const FieldDescriptor& field;
    bool is_first_of = false;
    bool has_fallback = false;  // a literal, which is always set
    bool is_always_set = has_fallback;
    bool may_all_be_skipped = true;
  };

  // A field of a oneof, and the path it is copied from, if it is one path into a stored message and nothing else.
  struct Member {
    int line = 0;
    const FieldDescriptor* field = nullptr;
    std::optional<StoredPath> source;
  };
  using Oneofs = std::map<const OneofDescriptor*, std::vector<Member>>;

  // The fields of one message: the mapped one itself, or one inside it that a nested map builds.
  void CompileFields(const std::vector<FieldText>& fields, int line, const FieldPath& parents, Message& base) {
    const Descriptor& type = *base.GetDescriptor();
    std::set<const FieldDescriptor*> given;
    Oneofs oneofs;
    for (const FieldText& text : fields) {
      const FieldDescriptor* field = type.FindFieldByName(text.name.value);
      if (field == nullptr) {
        findings_.Add(text.name.line, absl::StrCat(type.full_name(), " has no field '", text.name.value, "'"),
                      SuggestField(type, text.name.value, findings_));
        continue;
      }
      given.insert(field);
      const std::optional<StoredPath> source = CompileField(text, *field, parents, base);
      if (const OneofDescriptor* oneof = field->real_containing_oneof()) {
        oneofs[oneof].push_back({text.name.line, field, source});
      }
    }
    for (const auto& [oneof, members] : oneofs) CheckOneof(*oneof, members);
    CheckRequired(type, given, line);
  }

  // Several members may be given if at most one of them can be set: each from another member of one oneof.
  void CheckOneof(const OneofDescriptor& oneof, const std::vector<Member>& members) {
    const Member& first = members.front();
    std::set<const FieldDescriptor*> sources = {SourceMember(first)};
    for (std::size_t i = 1; i < members.size(); ++i) {
      const Member& other = members[i];
      if (AreOfOneOneof(first, other) && sources.insert(SourceMember(other)).second) continue;
      findings_.Add(other.line,
                    absl::StrCat("'", first.field->name(), "' and '", other.field->name(), "' are both of the oneof '",
                                 oneof.name(), "'"),
                    "give one of them, or give each from another member of one oneof, of which only one is set");
    }
  }

  static const FieldDescriptor* SourceMember(const Member& member) {
    return member.source.has_value() && !member.source->fields.empty() ? member.source->fields.back() : nullptr;
  }

  static bool AreOfOneOneof(const Member& a, const Member& b) {
    const FieldDescriptor* from_a = SourceMember(a);
    const FieldDescriptor* from_b = SourceMember(b);
    if (from_a == nullptr || from_b == nullptr || from_a->real_containing_oneof() == nullptr) return false;
    const FieldPath& path_a = a.source->fields;
    const FieldPath& path_b = b.source->fields;
    return a.source->step == b.source->step && a.source->pending == b.source->pending &&
           from_a->real_containing_oneof() == from_b->real_containing_oneof() &&
           std::equal(path_a.begin(), path_a.end() - 1, path_b.begin(), path_b.end() - 1);
  }

  // A response gives what it likes, but without proto2's required fields nobody can parse it.
  bool MustBeSet(const FieldDescriptor& field) const { return is_request_ ? IsRequired(field) : field.is_required(); }

  void CheckRequired(const Descriptor& type, const std::set<const FieldDescriptor*>& given, int line) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (!MustBeSet(*field) || given.contains(field)) continue;
      const std::string what =
          absl::StrCat(scope_.place, " leaves out '", field->name(), "', which ", type.full_name(), " requires");
      const char* const todo = "say where it comes from";
      is_request_ ? findings_.Add(line, what, todo) : findings_.Refuse(line, what, todo);
    }
  }

  std::optional<StoredPath> CompileField(const FieldText& text, const FieldDescriptor& field, const FieldPath& parents,
                                         Message& base) {
    const ValueText& value = text.value;
    if (value.line == 0) return std::nullopt;  // it has no usable value, which is reported already
    FieldPath target = parents;
    target.push_back(&field);
    if (value.is_message) {
      if (field.is_repeated() || field.message_type() == nullptr) {
        findings_.Add(value.line,
                      absl::StrCat("'", field.name(), "' is ", TypeName(field), ", which a map cannot build"),
                      "give it a path");
        return std::nullopt;
      }
      // The message is there even if nothing in it is set.
      CompileFields(value.fields, value.line, target, *base.GetReflection()->MutableMessage(&base, &field));
      return std::nullopt;
    }
    return CompileAlternatives(value, field, std::move(target), base);
  }

  std::optional<StoredPath> CompileAlternatives(const ValueText& value, const FieldDescriptor& field, FieldPath target,
                                                Message& base) {
    std::vector<Text> alternatives = value.first_of;
    const bool is_first_of = !alternatives.empty();
    if (!is_first_of) alternatives.push_back(value.text);
    Target to{field, is_first_of, !IsPath(alternatives.back(), scope_)};
    Assignment assignment{std::move(target), {}};
    std::optional<StoredPath> source;
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      const Text& alternative = alternatives[i];
      if (IsPath(alternative, scope_)) {
        source = CompilePath(alternative, to, assignment);
      } else if (i + 1 < alternatives.size()) {
        findings_.Add(alternative.line,
                      absl::StrCat("'", alternative.value, "' in first_of is a literal, which is always set"),
                      "put it last, or correct the path");
      } else {
        CompileLiteral(alternative, field, base);
      }
    }
    if (!assignment.sources.empty()) CheckPresence(value, to);
    const bool is_one_path = assignment.sources.size() == 1 && !to.has_fallback;
    if (!assignment.sources.empty()) assignments_.push_back(std::move(assignment));
    return is_one_path ? source : std::nullopt;
  }

  void CheckPresence(const ValueText& value, const Target& to) {
    if (!MustBeSet(to.field) || to.is_always_set) return;
    if (to.may_all_be_skipped) {
      findings_.Refuse(value.line,
                       absl::StrCat("'", to.field.name(), "' is required, but all that it is read from may be skipped"),
                       "end its first_of with a literal, or give this step the same 'when'");
    } else {
      findings_.Warn(value.line,
                     absl::StrCat("'", to.field.name(), "' is required, but what it is read from may not be set"),
                     "make that field required too by its saga.v1.rules, or end a first_of with a literal");
    }
  }

  std::optional<StoredPath> CompilePath(const Text& text, Target& to, Assignment& assignment) {
    const auto path = ResolvePath(text, scope_, findings_);
    if (!path.has_value()) {
      to.is_always_set = true;  // the path is reported, and one finding is enough
      return std::nullopt;
    }
    if (const auto* stored = std::get_if<StoredPath>(&*path)) {
      CompileStored(text, *stored, to, assignment);
      return *stored;
    }
    if (const auto* wait = std::get_if<WaitUntil>(&*path)) {
      CompileWaitUntil(text, *wait, to, assignment);
      return std::nullopt;
    }
    to.is_always_set = true;  // a failure's words are judged apart
    const SagaField of_saga = std::get<SagaField>(*path);
    if (to.field.is_repeated() || to.field.type() != FieldDescriptor::TYPE_STRING) {
      ReportMismatch(text, "string", to.field);
    } else if (of_saga == SagaField::kId || of_saga == SagaField::kKey) {
      CheckNameFits(text, of_saga, to.field);
      assignment.sources.push_back(SagaText{of_saga});
    } else {
      CheckFailureFits(text, of_saga, to);
      assignment.sources.push_back(SagaText{of_saga, BytesMax(to.field), TakesIdentifiers(to.field)});
    }
    return std::nullopt;
  }

  // Nobody gives or answers it: it is there once the step was sent.
  void CompileWaitUntil(const Text& text, const WaitUntil& wait, Target& to, Assignment& assignment) {
    const bool may_skip =
        wait.step != scope_.own && scope_.reach[static_cast<std::size_t>(wait.step)] == Reach::kMaySkip;
    if (!may_skip) to.may_all_be_skipped = false;
    if (!may_skip || !to.is_first_of) to.is_always_set = true;
    if (to.field.is_repeated() || to.field.message_type() == nullptr ||
        to.field.message_type()->full_name() != kTimestamp) {
      return ReportMismatch(text, kTimestamp, to.field);
    }
    if (may_skip && !to.is_first_of) return ReportMaySkip(text, wait.step);
    assignment.sources.push_back(wait);
  }

  void ReportMaySkip(const Text& text, int step) {
    const bool may_wait = step != kInputRoot && step == scope_.pending_of;
    findings_.Add(text.line,
                  absl::StrCat(scope_.place, " reads '", text.value, "', but the step may ",
                               may_wait ? "be waiting still" : "be skipped: it has a 'when'"),
                  absl::StrCat("write first_of: [", text.value, "], with alternatives if there are any"));
  }

  // A saga's id and key are identifiers and never empty.
  void CheckNameFits(const Text& text, SagaField name, const FieldDescriptor& field) {
    if (!is_request_) return;
    if (name == SagaField::kId && BytesMax(field) < kSagaIdBytes) {
      findings_.Refuse(text.line,
                       absl::StrCat("'saga.id' has ", kSagaIdBytes, " bytes, but '", field.name(), "' takes at most ",
                                    BytesMax(field)),
                       "give it another value");
    } else if (name == SagaField::kKey && BytesMax(field) < kKeyBytesMax) {
      findings_.Warn(text.line,
                     absl::StrCat("'saga.key' may have ", kKeyBytesMax, " bytes, but '", field.name(),
                                  "' takes at most ", BytesMax(field)),
                     "give it another value, or let it take more");
    }
  }

  // A failure's words come from anywhere. Those that a compensation refuses would park the saga, so they are not sent.
  void CheckFailureFits(const Text& text, SagaField of_failure, const Target& to) {
    if (of_failure == SagaField::kFailureReason) return;  // never empty, and made an identifier where it must be one
    if (TakesIdentifiers(to.field) && of_failure != SagaField::kFailureStep) {
      findings_.Add(
          text.line,
          absl::StrCat("'", text.value, "' may be any text, but '", to.field.name(), "' takes only identifiers"),
          "give it saga.failure.reason");
    } else if (IsRequired(to.field) && !to.has_fallback) {
      findings_.Add(text.line, absl::StrCat("'", text.value, "' may be empty, but '", to.field.name(), "' is required"),
                    absl::StrCat("write first_of: [", text.value, ", \"none\"]"));
    }
  }

  void CompileStored(const Text& text, const StoredPath& path, Target& to, Assignment& assignment) {
    const bool is_input = path.step == kInputRoot;
    const Reach reach = is_input ? ReachOfInput(path.fields) : scope_.reach[static_cast<std::size_t>(path.step)];
    if (reach == Reach::kOwnReply) reads_own_reply_ = true;
    const bool is_when = !scope_.when.empty() && text.value == scope_.when;
    if (path.pending && !to.is_first_of) {
      to.is_always_set = true;  // one finding is enough
      findings_.Add(text.line,
                    absl::StrCat(scope_.place, " reads '", text.value, "', but the step may have succeeded at once"),
                    absl::StrCat("write first_of: [", text.value, "], with alternatives if there are any"));
      return;
    }
    if (reach == Reach::kMaySkip && !path.pending && !to.is_first_of && !is_when) {
      to.is_always_set = true;  // one finding is enough
      return ReportMaySkip(text, path.step);
    }
    const Descriptor& root = is_input ? *scope_.input : *scope_.steps[static_cast<std::size_t>(path.step)].type;
    if (path.fields.empty()) {
      if (to.field.is_repeated() || to.field.message_type() != &root) {
        return ReportMismatch(text, root.full_name(), to.field);
      }
    } else if (!CanCopy(*path.fields.back(), to.field)) {
      return ReportMismatch(text, TypeName(*path.fields.back()), to.field);
    }
    const bool is_there = reach != Reach::kMaySkip && !path.pending;
    if (is_there) to.may_all_be_skipped = false;
    // Nobody holds a reply to rules, so what a step that ran has answered counts as set.
    const bool is_set = is_input ? IsAlwaysSetInInput(path.fields) : is_there;
    if (is_set || is_when) to.is_always_set = true;
    if (is_input && is_request_ && !path.fields.empty()) WarnOfExcess(text, *path.fields.back(), to.field);
    assignment.sources.push_back(StoredField{RootIndex(path.step, path.pending, root), path.fields});
  }

  // What a follower reads of its parent's steps is there as if they were steps of its own.
  Reach ReachOfInput(const FieldPath& path) const {
    const bool may_be_unset = !path.empty() && scope_.may_be_unset.contains(path.front()->name());
    return may_be_unset ? Reach::kMaySkip : Reach::kThere;
  }

  bool IsAlwaysSetInInput(const FieldPath& path) const {
    if (scope_.root != kParentRoot) return IsAlwaysSet(path);
    if (path.empty() || scope_.may_be_unset.contains(path.front()->name())) return false;
    if (path.front()->name() == "failure") return path.back()->name() == "reason";
    return path.front()->name() != "input" || IsAlwaysSet({path.begin() + 1, path.end()});
  }

  void WarnOfExcess(const Text& text, const FieldDescriptor& source, const FieldDescriptor& target) {
    for (const std::string& excess : Excess(source, target)) {
      findings_.Warn(text.line, absl::StrCat("'", text.value, "' ", excess, ", which '", target.name(), "' refuses"),
                     "give the served request's field the same saga.v1.rules");
    }
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
    } else {
      CheckLiteral(text, field, base);
    }
  }

  void CheckLiteral(const Text& text, const FieldDescriptor& field, const Message& base) {
    if (const std::string why = WhyInexact(field, text.value); !why.empty()) {
      findings_.Refuse(text.line,
                       absl::StrCat("'", text.value, "' for '", field.name(), "' (", TypeName(field), ") ", why),
                       "give a value that the field holds as it is written");
    }
    if (is_request_) {
      for (const FieldViolation& violation : FindViolations(base, field)) {
        findings_.Refuse(
            text.line,
            absl::StrCat("'", text.value, "' breaks the rules of '", field.name(), "': it ", violation.description),
            "give it a value within its saga.v1.rules: the service refuses any other, at every repeat");
      }
    }
    const absl::string_view meant = WithoutBraces(text.value);
    const std::string first(meant.substr(0, meant.find('.')));
    const std::vector<std::string> roots = RootNames(scope_);
    if (LooksLikePath(meant) && std::find(roots.begin(), roots.end(), first) != roots.end()) {
      findings_.Warn(text.line, absl::StrCat("'", text.value, "' is sent as this text"),
                     absl::StrCat("if ", meant, " is meant: paths are written without quotes and braces"));
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

  std::size_t RootIndex(int step, bool pending, const Descriptor& type) {
    for (std::size_t i = 0; i < roots_.size(); ++i) {
      if (roots_[i].step == step && roots_[i].pending == pending) return i;
    }
    roots_.push_back({step, types_.Prototype(type), pending});
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
