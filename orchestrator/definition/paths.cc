#include "orchestrator/definition/paths.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

using Segments = std::vector<std::string>;

int IndexOf(const std::string& name, const Scope& scope) {
  for (std::size_t i = 0; i < scope.steps.size(); ++i) {
    if (scope.steps[i].name == name) return static_cast<int>(i);
  }
  return kInputRoot;
}

// saga.STEP.wait_until of step number `step`.
std::optional<ResolvedPath> ResolveWaitUntil(const Text& text, int step, const Scope& scope, Findings& findings) {
  const auto i = static_cast<std::size_t>(step);
  if (!scope.steps[i].wait_ends) {
    findings.Add(text.line, absl::StrCat("'", text.value, "': step '", scope.steps[i].name, "' has no such time"),
                 "give the step a 'pending' with a 'for'");
    return std::nullopt;
  }
  if (scope.reach[i] == Reach::kNotYet && step != scope.own) {
    findings.Add(text.line,
                 absl::StrCat(scope.place, " reads '", text.value, "', but step '", scope.steps[i].name,
                              "' may not have run by then"),
                 scope.advice);
    return std::nullopt;
  }
  return WaitUntil{step};
}

std::optional<ResolvedPath> ResolveSaga(const Text& text, const Segments& segments, const Scope& scope,
                                        Findings& findings) {
  if (segments.size() == 3 && segments[2] == "wait_until") {
    if (const int step = IndexOf(segments[1], scope); step != kInputRoot) {
      return ResolveWaitUntil(text, step, scope, findings);
    }
  }
  static const std::map<std::string, SagaField> kFields = {
      {"saga.id", SagaField::kId},
      {"saga.key", SagaField::kKey},
      {"saga.failure.reason", SagaField::kFailureReason},
      {"saga.failure.message", SagaField::kFailureMessage},
      {"saga.failure.step", SagaField::kFailureStep},
      {"saga.failure.domain", SagaField::kFailureDomain},
  };
  const auto it = kFields.find(text.value);
  if (it == kFields.end()) {
    std::vector<std::string> names;
    for (const auto& [name, field] : kFields) names.push_back(name);
    for (const StepReply& step : scope.steps) {
      if (step.wait_ends) names.push_back(absl::StrCat("saga.", step.name, ".wait_until"));
    }
    findings.Add(text.line, absl::StrCat("there is no '", text.value, "'"),
                 findings.Suggest(text.value, names, absl::StrCat("a saga has ", absl::StrJoin(names, ", "))));
    return std::nullopt;
  }
  const bool of_failure = it->second != SagaField::kId && it->second != SagaField::kKey;
  if (of_failure && !scope.failure_known) {
    findings.Add(text.line, absl::StrCat(scope.place, " reads '", text.value, "', but nothing has failed yet there"),
                 "only a compensation_request may read it");
    return std::nullopt;
  }
  return it->second;
}

// Follows segments[first...] from `type`.
std::optional<FieldPath> ResolveFields(const Text& text, const Segments& segments, std::size_t first,
                                       const Descriptor& type, Findings& findings) {
  FieldPath path;
  const Descriptor* message = &type;
  for (std::size_t i = first; i < segments.size(); ++i) {
    if (message == nullptr) {
      findings.Add(
          text.line,
          absl::StrCat("'", text.value, "': '", segments[i - 1], "' is no message (", TypeName(*path.back()), ")"),
          "end the path there");
      return std::nullopt;
    }
    if (!path.empty() && path.back()->is_repeated()) {
      findings.Add(text.line,
                   absl::StrCat("'", text.value, "' goes into the elements of '", segments[i - 1], "' (",
                                TypeName(*path.back()), ")"),
                   "copy the repeated field whole: end the path there");
      return std::nullopt;
    }
    const FieldDescriptor* field = message->FindFieldByName(segments[i]);
    if (field == nullptr) {
      findings.Add(text.line,
                   absl::StrCat("'", text.value, "': ", message->full_name(), " has no field '", segments[i], "'"),
                   SuggestField(*message, segments[i], findings));
      return std::nullopt;
    }
    path.push_back(field);
    message = field->message_type();
  }
  return path;
}

// Whether STEP.pending is the step's first pending answer, and no field of that name; nothing, with a finding, where it
// may not be read.
std::optional<bool> IsOfPending(const Text& text, const Segments& segments, int step, const Scope& scope,
                                Findings& findings) {
  if (segments.size() < 2 || segments[1] != "pending") return false;
  if (step == scope.pending_of) return true;
  const StepReply& reply = scope.steps[static_cast<std::size_t>(step)];
  const bool is_field = reply.type == nullptr || reply.type->FindFieldByName("pending") != nullptr;
  if (is_field || !reply.waits) return false;
  findings.Add(text.line, absl::StrCat(scope.place, " reads '", text.value, "', which is known only while it waits"),
               "only an early answer may read it");
  return std::nullopt;
}

}  // namespace

std::vector<std::string> RootNames(const Scope& scope) {
  std::vector<std::string> names = {scope.root, "saga"};
  for (const StepReply& step : scope.steps) names.push_back(step.name);
  return names;
}

bool IsPath(const Text& text, const Scope& scope) {
  if (text.quoted) return false;
  const std::vector<std::string> roots = RootNames(scope);
  const std::string first = text.value.substr(0, text.value.find('.'));
  return std::find(roots.begin(), roots.end(), first) != roots.end();
}

std::optional<ResolvedPath> ResolvePath(const Text& text, const Scope& scope, Findings& findings) {
  const Segments segments = absl::StrSplit(text.value, '.');
  if (segments[0] == "saga") return ResolveSaga(text, segments, scope, findings);
  StoredPath path;
  const Descriptor* type = scope.input;
  if (segments[0] != scope.root) {
    path.step = IndexOf(segments[0], scope);
    if (path.step == kInputRoot) {
      findings.Add(text.line,
                   absl::StrCat("'", text.value, "' begins with neither ", scope.root, " nor saga nor a step's name"),
                   findings.Suggest(segments[0], RootNames(scope),
                                    absl::StrCat("write ", scope.root, ".<field> or <step>.<field>")));
      return std::nullopt;
    }
    const auto step = static_cast<std::size_t>(path.step);
    const std::optional<bool> pending = IsOfPending(text, segments, path.step, scope, findings);
    if (!pending.has_value()) return std::nullopt;
    path.pending = *pending;
    if (!path.pending && scope.reach[step] == Reach::kNotYet) {
      findings.Add(
          text.line,
          absl::StrCat(scope.place, " reads '", text.value, "', but step '", segments[0], "' may not have run by then"),
          scope.advice);
      return std::nullopt;
    }
    type = scope.steps[step].type;
  }
  if (type == nullptr) return std::nullopt;
  std::optional<FieldPath> fields = ResolveFields(text, segments, path.pending ? 2 : 1, *type, findings);
  if (!fields.has_value()) return std::nullopt;
  path.fields = *std::move(fields);
  return path;
}

}  // namespace unwind
