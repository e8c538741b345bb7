#include "orchestrator/participants/traced_participants.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "common/observe/tracer.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/saga_trace.h"

namespace unwind {
namespace {

std::vector<SpanAttribute> SagaAttributes(const Call& call) {
  return {{"saga.id", call.saga_id},
          {"saga.step", call.step},
          {"saga.phase", NameOf(call.phase)},
          {"saga.attempt", std::int64_t{call.attempt}}};
}

std::string ErrorOf(const Failure& failure) {
  if (failure.code == 0) return "";
  return failure.reason.empty() ? absl::StatusCodeToString(static_cast<absl::StatusCode>(failure.code))
                                : failure.reason;
}

}  // namespace

void TracedParticipants::Invoke(Call call, std::function<void(CallResult)> done) {
  if (ProcessTracer() == nullptr) return calls_.Invoke(std::move(call), std::move(done));
  const std::optional<SpanIds> saga = SpanOfSaga(call.saga_id, call.trace, ratio_);
  if (!saga.has_value()) return calls_.Invoke(std::move(call), std::move(done));
  const auto span = std::make_shared<OpenSpan>(SpanKind::kClient, call.method.substr(1),
                                               SpanOfAttempt(*saga, call.step, call.phase, call.attempt));
  call.trace = span->Inside(std::move(call.trace));
  auto end = [span, method = call.method, attributes = SagaAttributes(call)](const Failure& failure) mutable {
    for (SpanAttribute& attribute : CallAttributes(method, failure.code)) attributes.push_back(std::move(attribute));
    span->End(ErrorOf(failure), std::move(attributes));
  };
  calls_.Invoke(std::move(call), [end, done = std::move(done)](CallResult result) mutable {
    end(result.failure);
    done(std::move(result));
  });
}

}  // namespace unwind
