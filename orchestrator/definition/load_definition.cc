#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/findings.h"
#include "common/base/status_macros.h"
#include "google/protobuf/arena.h"
#include "orchestrator/definition/compiled_definition.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/definition_text.h"
#include "orchestrator/definition/error_table.h"
#include "orchestrator/definition/fingerprint.h"
#include "orchestrator/definition/follows_reader.h"
#include "orchestrator/definition/mapping_compiler.h"
#include "orchestrator/definition/methods.h"
#include "orchestrator/definition/parent_reads.h"
#include "orchestrator/definition/parent_type.h"
#include "orchestrator/definition/paths.h"
#include "orchestrator/definition/step_order.h"
#include "orchestrator/definition/step_reader.h"
#include "orchestrator/definition/values.h"
#include "orchestrator/definition/wait_check.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;

using Definitions = std::vector<std::shared_ptr<const Definition>>;

constexpr std::size_t kStepsMax = 64;
constexpr std::size_t kSagaNameBytesMax = 64;
constexpr int kVersionMax = 1000000;
constexpr int kRefusalsMax = 1000;

// Loads one file, top to bottom. Goes on after a fault, so that all of them are found at once.
class Loader {
 public:
  Loader(const std::string& file, absl::string_view yaml, std::shared_ptr<const DescriptorSource> descriptors,
         Origin origin, const Definitions& candidates)
      : origin_(origin), candidates_(candidates), findings_(file, origin), descriptors_(std::move(descriptors)) {
    parts_.yaml = std::string(yaml);
  }

  absl::StatusOr<std::shared_ptr<const Definition>> Load() {
    if (origin_ == Origin::kFile && !CheckText(parts_.yaml, findings_)) return findings_.ToStatus();
    file_ = ReadDefinitionFile(parts_.yaml, findings_);
    if (file_.steps.size() > kStepsMax) {
      findings_.Add(file_.steps[kStepsMax].line, absl::StrCat("the saga has ", file_.steps.size(), " steps"),
                    absl::StrCat("at most ", kStepsMax, " are allowed: let one call do what several do"));
      return findings_.ToStatus();
    }
    ReadParents();
    types_ = parts_.types = std::make_shared<MessageTypes>(descriptors_);
    ReadHead();
    if (file_.is_follower()) parts_.follows = ReadFollows(file_, ParentType(), origin_, findings_);
    ReadKey();
    parts_.errors = ReadErrors(file_.errors, findings_);
    ReadSteps();
    for (std::size_t i = 0; i < steps_.size(); ++i) CompileStep(i);
    CheckWaits(file_.steps, steps_, parts_.plan, findings_);
    CompileResponse();
    CompileEarlyResponse();
    RETURN_IF_ERROR(findings_.ToStatus());
    return Finish();
  }

 private:
  // Before the types: what is read of a parent is one of them.
  void ReadParents() {
    if (!file_.is_follower() || origin_ == Origin::kStored) return;
    parents_ = FindParents(file_, candidates_, findings_);
    const auto with_parents = WithParentType(file_, parents_, *descriptors_, findings_);
    if (with_parents.ok()) {
      descriptors_ = *with_parents;
    } else {
      findings_.Add(
          file_.follows_line,
          absl::StrCat("its types and those that it reads do not fit together: ", with_parents.status().message()),
          "load one descriptor set that has them all");
    }
    knows_parents_ = !findings_.has_errors();
  }

  const Descriptor* ParentType() const {
    const bool is_known = origin_ == Origin::kStored || knows_parents_;
    return file_.is_follower() && is_known ? FindParentType(types_->pool()) : nullptr;
  }

  // What stands in any place of the file.
  Scope MakeScope(std::string place, std::string advice) const {
    Scope scope{
        .place = std::move(place), .advice = std::move(advice), .input = input(), .steps = {}, .reach = {}, .when = {}};
    if (!file_.is_follower()) return scope;
    scope.root = kParentRoot;
    scope.may_be_unset = StepsThatMayNotRun(file_, parents_);
    return scope;
  }

  void ReadHead() {
    Plan& plan = parts_.plan;
    plan.name = file_.saga.value;
    if (file_.saga.given() && !IsName(plan.name, '-', kSagaNameBytesMax)) {
      findings_.Add(
          file_.saga.line, absl::StrCat("'", plan.name, "' is not a saga's name"),
          absl::StrCat("use a-z, 0-9 and -, beginning with a letter, at most ", kSagaNameBytesMax, " characters"));
    }
    plan.version = ReadCount(file_.version, "'version'", plan.version, kVersionMax, findings_);
    plan.refusals_max = ReadCount(file_.refusals_max, "'refusals_max'", plan.refusals_max, kRefusalsMax, findings_);
    plan.deadline = ReadDuration(file_.deadline, "'deadline'", plan.deadline,
                                 {plan.age_max, "nothing is sent for an older saga"}, findings_);
    plan.answer_at_decided = ReadAnswerAt(file_.answer_at, findings_);
    parts_.key_required = ReadBool(file_.key_required, "'key_required'", parts_.key_required, findings_);
    if (file_.serves.given()) parts_.serves = FindUnaryMethod(types_->pool(), file_.serves, findings_);
    if (parts_.serves != nullptr && IsOfThisProgram(*parts_.serves)) {
      findings_.Refuse(file_.serves.line,
                       absl::StrCat("'", file_.serves.value, "' is served by the orchestrator itself"),
                       "serve a method of your own");
    }
  }

  void ReadKey() {
    const Text& key = file_.key;
    if (!key.given() || parts_.serves == nullptr) return;
    FieldPath fields;
    if (absl::StartsWith(key.value, "input.")) {
      const Scope scope = MakeScope("'key'", "");
      const auto path = ResolvePath(key, scope, findings_);
      if (!path.has_value()) return;
      fields = std::get<StoredPath>(*path).fields;
    }
    if (fields.empty() || fields.back()->is_repeated() || fields.back()->type() != FieldDescriptor::TYPE_STRING) {
      findings_.Add(key.line, absl::StrCat("the key '", key.value, "' is not a string of the request"),
                    "name a string field, such as input.request_id");
      return;
    }
    parts_.key = std::move(fields);
  }

  void ReadSteps() {
    std::set<std::string> names;
    std::vector<StepKind> kinds;
    for (const StepText& text : file_.steps) {
      if (text.name.given() && !names.insert(text.name.value).second) {
        findings_.Add(text.name.line, absl::StrCat("a step '", text.name.value, "' stands above already"),
                      "give each step its own name");
      }
      steps_.push_back(ReadStep(text, types_->pool(), parts_.plan.age_max, findings_));
      kinds.push_back(steps_.back().plan.kind);
      if (file_.is_follower() && text.name.value == kParentRoot) {
        findings_.Add(text.name.line, absl::StrCat("a step cannot be called '", kParentRoot, "' here"),
                      "paths begin with that word; choose another name");
      }
      RefuseCallsOfItself(text, steps_.back());
    }
    order_ = CheckStepOrder(file_.steps, kinds, findings_);
  }

  void RefuseCallsOfItself(const StepText& text, const ReadStepResult& step) {
    for (const auto& [method, name] :
         {std::pair(step.action, &text.action), std::pair(step.compensation, &text.compensation),
          std::pair(step.resolve, &text.resolve)}) {
      if (method == nullptr || method != parts_.serves) continue;
      findings_.Refuse(name->line, absl::StrCat("step '", text.name.value, "' calls the method that this saga serves"),
                       "it would start itself without end; call another method");
    }
  }

  // What a path may read when step `i` is called. An order that is not sound forbids nothing more: that is reported.
  Scope ScopeOf(std::size_t i, const std::string& place) const {
    Scope scope = MakeScope(absl::StrCat(place, " of step '", file_.steps[i].name.value, "'"),
                            absl::StrCat("read the ", file_.is_follower() ? kParentRoot : "input", " or a step that '",
                                         file_.steps[i].name.value, "' comes after"));
    scope.when = file_.steps[i].when.value;
    scope.own = static_cast<int>(i);
    for (std::size_t j = 0; j < steps_.size(); ++j) {
      scope.steps.push_back(NamedReply(j));
      // A step under the same 'when' has run if this one runs.
      const bool has_same_when = file_.steps[j].when.given() && file_.steps[j].when.value == scope.when;
      const Reach ended = has_same_when ? Reach::kThere : ReachOfEnded(j);
      scope.reach.push_back(!order_.sound || order_.ancestor[i][j] ? ended : Reach::kNotYet);
    }
    return scope;
  }

  Reach ReachOfEnded(std::size_t step) const {
    return file_.steps[step].when.given() ? Reach::kMaySkip : Reach::kThere;
  }

  StepReply NamedReply(std::size_t step) const {
    const StepText& text = file_.steps[step];
    return {text.name.value, ReplyOf(step), /*waits=*/text.pending_line != 0, /*wait_ends=*/text.wait_for.given()};
  }

  const Descriptor* ReplyOf(std::size_t step) const {
    return steps_[step].action == nullptr ? nullptr : steps_[step].action->output_type();
  }
  const Descriptor* input() const {
    if (file_.is_follower()) return ParentType();
    return parts_.serves == nullptr ? nullptr : parts_.serves->input_type();
  }

  // `key` is where the file has `text`. A request that was forgotten would be sent empty, and undo nothing.
  std::shared_ptr<const Mapping> CompileRequest(const char* key, const MappingText& text, std::size_t i,
                                                const MethodDescriptor& method, const Scope& scope) {
    const int line = text.given() ? text.line : file_.steps[i].line;
    if (!text.given() && method.input_type()->field_count() > 0) {
      findings_.Refuse(line,
                       absl::StrCat("step '", file_.steps[i].name.value, "' does not say what ",
                                    method.input_type()->full_name(), " is made of"),
                       absl::StrCat("give a '", key, "', or '", key, ": {}' to send an empty one"));
    }
    CompiledMapping compiled = CompileMapping(text, line, true, *method.input_type(), scope, *types_, findings_);
    if (compiled.reads_own_reply) steps_[i].plan.compensation_reads_own_reply = true;
    return compiled.mapping;
  }

  void CompileStep(std::size_t i) {
    const StepText& text = file_.steps[i];
    ReadStepResult& step = steps_[i];
    CompiledStep compiled;
    compiled.methods.overrides = step.overrides;
    compiled.methods.place = findings_.Place(text.line);
    step.plan.after = order_.after[i];
    step.plan.when = CompileWhen(i);
    compiled.metadata = CompileMetadata(text.metadata, ScopeOf(i, "the metadata"), *types_, findings_);
    if (step.action != nullptr) {
      compiled.methods.action = GrpcPath(*step.action);
      compiled.action = CompileRequest("request", text.request, i, *step.action, ScopeOf(i, "the request"));
    }
    if (step.compensation != nullptr) {
      Scope scope = ScopeOf(i, "the compensation_request");
      scope.advice = absl::StrCat("read the input, '", text.name.value, "' itself or a step it comes after");
      scope.reach[i] = Reach::kOwnReply;
      scope.failure_known = true;
      compiled.methods.compensation = GrpcPath(*step.compensation);
      compiled.compensation =
          CompileRequest("compensation_request", text.compensation_request, i, *step.compensation, scope);
      compiled.compensation_reply = types_->Prototype(*step.compensation->output_type());
    }
    if (step.resolve != nullptr) {
      compiled.methods.resolve = GrpcPath(*step.resolve);
      compiled.resolve = text.resolve_request.given() ? CompileRequest("resolve_request", text.resolve_request, i,
                                                                       *step.resolve, ScopeOf(i, "the resolve_request"))
                                                      : compiled.action;
    }
    if (step.action != nullptr) compiled.reply = types_->Prototype(*step.action->output_type());
    parts_.steps.push_back(std::move(compiled));
  }

  // A field of a step that was skipped is not set, so here, unlike in a request, it may be read without first_of.
  std::function<bool(const Saga&)> CompileWhen(std::size_t i) {
    const Text& when = file_.steps[i].when;
    if (!when.given()) return nullptr;
    const Scope scope = ScopeOf(i, "the 'when'");
    std::optional<ResolvedPath> path;
    if (!IsPath(when, scope)) {
      findings_.Add(when.line,
                    absl::StrCat("the 'when' of step '", file_.steps[i].name.value, "' is '", when.value,
                                 "', which is not a path"),
                    "name the field that must be set for the step to run, such as input.coupon_id");
      return nullptr;
    }
    path = ResolvePath(when, scope, findings_);
    if (!path.has_value()) return nullptr;
    const auto* stored = std::get_if<StoredPath>(&*path);
    if (stored == nullptr || stored->fields.empty()) {
      findings_.Add(when.line, absl::StrCat("'", when.value, "' is always set"),
                    "name a field of the input or of a reply, or take the 'when' out");
      return nullptr;
    }
    const Descriptor& type = stored->step == kInputRoot ? *input() : *ReplyOf(static_cast<std::size_t>(stored->step));
    const Root root{stored->step, types_->Prototype(type)};
    return [types = types_, root, fields = stored->fields](const Saga& saga) {
      google::protobuf::Arena arena;
      const auto message = root.Parse(saga, arena);
      return message.ok() && IsSet(**message, fields);
    };
  }

  void CompileResponse() {
    if (parts_.serves == nullptr || file_.is_follower()) return;
    const Descriptor& type = *parts_.serves->output_type();
    if (!file_.response.given() && type.field_count() > 0) {
      findings_.Add(file_.serves.line, absl::StrCat("nothing says what ", type.full_name(), " is made of"),
                    "give a 'response'");
      return;
    }
    Scope scope = MakeScope("the response", "");
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      scope.steps.push_back(NamedReply(i));
      scope.reach.push_back(ReachOfEnded(i));
    }
    const int line = file_.response.given() ? file_.response.line : file_.serves.line;
    parts_.response = CompileMapping(file_.response, line, false, type, scope, *types_, findings_).mapping;
  }

  // What is known once the step that it comes after has succeeded: its reply, and those of the steps that it waits for;
  // or, of a step that may wait, its first pending answer.
  void CompileEarlyResponse() {
    const Text& after = file_.answer_after;
    if (!after.given()) {
      if (file_.early_response.given()) {
        findings_.Add(file_.early_response.line, "the early response comes after no step", "name it by 'after'");
      }
      return;
    }
    const auto step = std::find_if(file_.steps.begin(), file_.steps.end(),
                                   [&](const StepText& each) { return each.name.value == after.value; });
    if (step == file_.steps.end()) {
      findings_.Add(after.line, absl::StrCat("there is no step '", after.value, "' to answer after"),
                    "name one of the steps");
      return;
    }
    const auto i = static_cast<std::size_t>(step - file_.steps.begin());
    parts_.plan.answer_after = static_cast<int>(i);
    if (parts_.serves == nullptr || file_.is_follower()) return;
    const Descriptor& type = *parts_.serves->output_type();
    if (!file_.early_response.given() && type.field_count() > 0) {
      findings_.Add(after.line, absl::StrCat("nothing says what the early ", type.full_name(), " is made of"),
                    "give the answer a 'response', with a field that says that it is not the last word");
      return;
    }
    Scope scope = ScopeOf(i, "the early response");
    scope.place = "the early response";
    scope.advice = absl::StrCat("read the input, '", after.value, "' or a step it comes after");
    scope.when.clear();
    for (std::size_t j = 0; j < steps_.size(); ++j) {
      if (j == i || scope.reach[j] != Reach::kNotYet) scope.reach[j] = ReachOfEnded(j);
    }
    if (step->pending_line != 0) {
      scope.pending_of = static_cast<int>(i);
      scope.reach[i] = Reach::kMaySkip;
    }
    const int line = file_.early_response.given() ? file_.early_response.line : after.line;
    parts_.early_response = CompileMapping(file_.early_response, line, false, type, scope, *types_, findings_).mapping;
  }

  std::shared_ptr<const Definition> Finish() {
    std::vector<const MethodDescriptor*> methods;
    if (parts_.serves != nullptr) methods.push_back(parts_.serves);
    for (ReadStepResult& step : steps_) {
      for (const MethodDescriptor* method : {step.action, step.compensation, step.resolve}) {
        if (method != nullptr) methods.push_back(method);
      }
      parts_.plan.steps.push_back(std::move(step.plan));
    }
    parts_.warnings = findings_.warnings();
    parts_.descriptors = MinimalDescriptorSet(methods, ParentType());
    parts_.hash = Fingerprint(parts_.yaml, methods, ParentType());
    return MakeDefinition(std::move(parts_));
  }

  const Origin origin_;
  const Definitions& candidates_;  // that it may follow
  Findings findings_;
  std::shared_ptr<const DescriptorSource> descriptors_;
  Definitions parents_;         // of a file
  bool knows_parents_ = false;  // all of them, and what is read of them
  std::shared_ptr<MessageTypes> types_;
  DefinitionFile file_;
  std::vector<ReadStepResult> steps_;  // as in file_
  StepOrder order_;
  DefinitionParts parts_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Definition>> LoadDefinition(const std::string& file, absl::string_view yaml,
                                                                 std::shared_ptr<const DescriptorSource> descriptors,
                                                                 Origin origin, const Definitions& parents) {
  return Loader(file, yaml, std::move(descriptors), origin, parents).Load();
}

std::vector<std::string> ParentsNamedIn(absl::string_view yaml) {
  Findings reported_when_loaded("", Origin::kFile);
  std::vector<std::string> names;
  if (!CheckText(yaml, reported_when_loaded)) return names;
  for (const Text& name : ReadDefinitionFile(yaml, reported_when_loaded).follows) names.push_back(name.value);
  return names;
}

}  // namespace unwind
