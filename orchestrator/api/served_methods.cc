#include "orchestrator/api/served_methods.h"

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/observe/tracer.h"
#include "common/rpc/bytes.h"
#include "common/rpc/caller.h"
#include "common/rpc/deterministic.h"
#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "common/rpc/unimplemented.h"
#include "orchestrator/api/served_call.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

std::optional<std::string> Header(const grpc::CallbackServerContext& context, const char* name) {
  const auto& headers = context.client_metadata();
  const auto it = headers.find(name);
  if (it == headers.end()) return std::nullopt;
  return std::string(it->second.data(), it->second.size());
}

OpenSpan ServedSpan(const grpc::GenericCallbackServerContext& context) {
  if (ProcessTracer() == nullptr) return {};
  const TraceContext caller = ReadTraceContext(context.client_metadata());
  return {SpanKind::kServer, context.method().substr(1), ChildOf(caller, RandomSpanId())};
}

}  // namespace

// One call. The driver holds only its Line, so that a caller who left can be forgotten while the saga goes on.
class ServedMethods::Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(const ServedMethods& methods, std::shared_ptr<const Definition> definition,
       grpc::GenericCallbackServerContext* context)
      : methods_(methods),
        definition_(std::move(definition)),
        context_(context),
        counter_(context->method()),
        span_(ServedSpan(*context)),
        trace_(span_.Inside(ReadTraceContext(context->client_metadata()))),
        line_(std::make_shared<Line>(this)) {
    StartRead(&buffer_);
  }

  void OnReadDone(bool ok) override;
  void OnCancel() override { line_->Leave(); }
  void OnDone() override { delete this; }  // only after the line was closed and every reaction has returned

 private:
  // Weak handle to a call. The first Close finishes it; later ones are no-ops.
  class Line {
   public:
    explicit Line(Call* call) : call_(call) {}

    void SendSagaId(const std::string& saga_id) {
      std::lock_guard lock(mutex_);
      if (call_ == nullptr) return;
      call_->context_->AddInitialMetadata("saga-id", saga_id);
      call_->StartSendInitialMetadata();
    }

    void Close(absl::StatusOr<std::string> answer) { End(std::move(answer)); }

    // `leave` is called once the caller leaves, or at once if it has left or was answered.
    void OnLeave(std::function<void()> leave) {
      {
        std::lock_guard lock(mutex_);
        if (call_ != nullptr) leave_.swap(leave);
      }
      if (leave != nullptr) leave();
    }
    void Leave() {
      if (const auto leave = End(absl::CancelledError("the caller left"))) leave();
    }

   private:
    // What its leaving, if it has left, must call.
    std::function<void()> End(absl::StatusOr<std::string> answer) {
      Call* call = nullptr;
      std::function<void()> leave;
      {
        std::lock_guard lock(mutex_);
        std::swap(call, call_);
        leave_.swap(leave);
      }
      if (call != nullptr) call->End(std::move(answer));
      return leave;
    }

    std::mutex mutex_;
    Call* call_;
    std::function<void()> leave_;
  };

  absl::StatusOr<NewSaga> Read();
  void End(absl::StatusOr<std::string> answer);

  const ServedMethods& methods_;
  const std::shared_ptr<const Definition> definition_;
  grpc::GenericCallbackServerContext* const context_;
  CallCounter counter_;
  OpenSpan span_;             // ended by who closes the line
  const TraceContext trace_;  // within the span
  const std::shared_ptr<Line> line_;
  grpc::ByteBuffer buffer_;  // the request, then the response
};

void ServedMethods::Call::OnReadDone(bool ok) {
  if (!ok) return line_->Close(absl::InvalidArgumentError("the call has no request message"));
  absl::StatusOr<NewSaga> saga = Read();
  buffer_.Clear();
  if (!saga.ok()) return line_->Close(saga.status());
  const absl::Time answer_by = AnswerBy(methods_.clock_.Now(), DeadlineOf(*context_), methods_.options_.wait_max);
  std::function<void()> leave = methods_.accept_(
      *std::move(saga), answer_by, [line = line_](const std::string& saga_id) { line->SendSagaId(saga_id); },
      [line = line_, &methods = methods_](const Progress& progress) {
        line->Close(Answer(methods.catalog_, progress, methods.clock_.Now()));
      });
  line_->OnLeave(std::move(leave));
}

absl::StatusOr<NewSaga> ServedMethods::Call::Read() {
  const std::unique_ptr<google::protobuf::Message> input = definition_->NewInput();
  if (!input->ParseFromString(ToBytes(buffer_))) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("the request is not a ", input->GetDescriptor()->full_name()),
                     {"INVALID_REQUEST", kSagaDomain, {}});
  }
  RETURN_IF_ERROR(CheckCall(*context_, *input, kSagaDomain, FieldRules::kIgnore));
  const std::optional<std::string> key = Header(*context_, "idempotency-key");
  RETURN_IF_ERROR(CheckFields(*definition_, *input, key));
  NewSaga saga;
  saga.key_scope = KeyScopeOf(AdmissionOf(*context_).principal);
  ASSIGN_OR_RETURN(saga.key, ReadKey(*definition_, *input, key));
  saga.definition = definition_;
  saga.input = DeterministicBytes(*input);
  saga.input_hash = HexSha256(saga.input);
  saga.trace = trace_;
  return saga;
}

void ServedMethods::Call::End(absl::StatusOr<std::string> answer) {
  counter_.Finish(answer.status().code());
  if (span_.is_open()) {
    span_.End(ErrorOf(answer.status()), CallAttributes(context_->method(), static_cast<int>(answer.status().code())));
  }
  AddPushback(*context_, answer.status());
  if (!answer.ok()) return Finish(ToGrpc(answer.status()));
  buffer_ = ToBuffer(*answer);
  StartWriteAndFinish(&buffer_, grpc::WriteOptions(), grpc::Status::OK);
}

ServedMethods::ServedMethods(AcceptSaga accept, const DefinitionCatalog& catalog, const Clock& clock,
                             ServedMethodsOptions options)
    : accept_(std::move(accept)), catalog_(catalog), clock_(clock), options_(options) {}

grpc::ServerGenericBidiReactor* ServedMethods::CreateReactor(grpc::GenericCallbackServerContext* context) {
  if (const absl::Status& refusal = AdmissionOf(*context).status; !refusal.ok()) return Refuse(refusal);
  std::shared_ptr<const Definition> definition = catalog_.ServedBy(context->method());
  if (definition == nullptr) return Refuse(NoSuchMethod(context->method()));
  return new Call(*this, std::move(definition), context);
}

}  // namespace unwind
