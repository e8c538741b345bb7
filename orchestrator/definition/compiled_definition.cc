#include "orchestrator/definition/compiled_definition.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/reading.h"

namespace unwind {
namespace {

using google::protobuf::Message;

constexpr char kReasonDeadline[] = "SAGA_DEADLINE";
constexpr char kReasonCancelled[] = "SAGA_CANCELLED";

// gRPC ends a call so that nobody answers. Any other code is a participant's own.
bool MayBeUnanswered(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kCancelled;
}

class CompiledDefinition final : public Definition {
 public:
  explicit CompiledDefinition(DefinitionParts parts) : parts_(std::move(parts)) {}

  const Plan& plan() const override { return parts_.plan; }
  const google::protobuf::MethodDescriptor* serves() const override { return parts_.serves; }
  const Follows* follows() const override { return parts_.follows.has_value() ? &*parts_.follows : nullptr; }
  const google::protobuf::Descriptor* reply(int step) const override {
    const Message* const prototype = At(step).reply;
    return prototype == nullptr ? nullptr : prototype->GetDescriptor();
  }
  const StepMethods& methods(int step) const override { return At(step).methods; }
  bool key_required() const override { return parts_.key_required; }

  std::string key_field() const override {
    return absl::StrJoin(parts_.key, ".", [](std::string* out, const auto* field) { out->append(field->name()); });
  }

  std::unique_ptr<Message> NewInput() const override {
    const auto& type = parts_.follows.has_value() ? *parts_.follows->type : *parts_.serves->input_type();
    return std::unique_ptr<Message>(parts_.types->Prototype(type)->New());
  }

  std::string Key(const Message& input) const override {
    if (parts_.key.empty()) return "";
    const Message* holder = Holder(input, parts_.key);
    return holder == nullptr ? "" : holder->GetReflection()->GetString(*holder, parts_.key.back());
  }

  absl::StatusOr<std::string> Request(const Saga& saga, int step, Phase phase) const override {
    const CompiledStep& compiled = At(step);
    const Mapping* mapping = phase == Phase::kAction         ? compiled.action.get()
                             : phase == Phase::kCompensation ? compiled.compensation.get()
                                                             : compiled.resolve.get();
    CHECK(mapping != nullptr);  // the plan says which phases a step has
    return mapping->Build(saga);
  }

  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Metadata(const Saga& saga, int step) const override {
    return At(step).metadata.Build(saga);
  }

  bool ReplyParses(int step, Phase phase, const std::string& bytes) const override {
    const CompiledStep& compiled = At(step);
    google::protobuf::Arena arena;
    const Message* const prototype = phase == Phase::kCompensation ? compiled.compensation_reply : compiled.reply;
    return prototype->New(&arena)->ParseFromString(bytes);
  }

  absl::StatusOr<std::string> Response(const Saga& saga) const override {
    if (saga.state == SagaState::kAborted) return Error(saga);
    return parts_.response == nullptr ? std::string() : parts_.response->Build(saga);
  }

  absl::StatusOr<std::string> EarlyResponse(const Saga& saga) const override {
    CHECK(parts_.early_response != nullptr);  // the plan says whether there is one
    return parts_.early_response->Build(saga);
  }

  absl::Status Error(const Saga& saga) const override {
    const Failure& failure = saga.failure;
    const std::string reason = ToldReason(saga);
    ErrorInfo info{reason, reason == failure.reason ? failure.domain : kSagaDomain, failure.metadata};
    info.metadata["saga_id"] = saga.id;
    if (!failure.step.empty()) info.metadata["step"] = failure.step;
    return MakeError(CodeOf(failure, reason), MessageOf(saga), info);
  }

  std::vector<std::string> warnings() const override { return parts_.warnings; }
  const std::string& yaml() const override { return parts_.yaml; }
  const std::string& descriptors() const override { return parts_.descriptors; }
  const std::string& hash() const override { return parts_.hash; }

 private:
  const CompiledStep& At(int step) const { return parts_.steps[static_cast<std::size_t>(step)]; }

  // What is said of a call that was not answered comes from gRPC and names addresses: it stays in the row and the
  // history.
  static std::string MessageOf(const Saga& saga) {
    const Failure& failure = saga.failure;
    if (failure.reason == kReasonOutcomeUnknown || failure.reason == kReasonConnectionEnded) {
      const auto code = static_cast<absl::StatusCode>(failure.code);
      return absl::StrCat(saga.state == SagaState::kAborted ? "undone; step " : "being undone; step ", failure.step,
                          MayBeUnanswered(code) ? " was not answered: " : " failed: ", absl::StatusCodeToString(code));
    }
    return failure.message.empty() ? absl::StrCat("the saga was undone: ", failure.reason) : failure.message;
  }

  // A definition may map the reason that is told or, from before there was one, the stored one.
  absl::StatusCode CodeOf(const Failure& failure, const std::string& told) const {
    auto it = parts_.errors.find(told);
    if (it == parts_.errors.end()) it = parts_.errors.find(failure.reason);
    if (it != parts_.errors.end()) return static_cast<absl::StatusCode>(it->second);
    if (failure.reason == kReasonDeadline) return absl::StatusCode::kAborted;
    if (failure.reason == kReasonCancelled) return absl::StatusCode::kCancelled;
    // A failure is never OK, and a code that gRPC does not know is no answer to a caller.
    const bool is_error = failure.code >= 1 && failure.code <= 16;
    const auto code = is_error ? static_cast<absl::StatusCode>(failure.code) : absl::StatusCode::kUnknown;
    return BidsRepeat(code) ? absl::StatusCode::kAborted : code;
  }

  const DefinitionParts parts_;
};

}  // namespace

bool BidsRepeat(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kResourceExhausted;
}

std::shared_ptr<const Definition> MakeDefinition(DefinitionParts parts) {
  return std::make_shared<CompiledDefinition>(std::move(parts));
}

}  // namespace unwind
