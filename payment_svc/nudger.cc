#include "payment_svc/nudger.h"

#include <memory>

#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "payment_svc/payment_series.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"

namespace unwind::payment {
namespace {

namespace v1 = ::saga::participant::v1;

constexpr char kMethod[] = "/saga.participant.v1.NudgeService/Nudge";

struct Sent {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  v1::NudgeRequest request;
  v1::NudgeResponse response;
};

// The orchestrator answered, and has nothing to ask: it was faster.
bool IsRefusal(const grpc::Status& end) {
  return end.error_code() == grpc::StatusCode::FAILED_PRECONDITION || end.error_code() == grpc::StatusCode::NOT_FOUND;
}

NudgeResult ResultOf(const grpc::Status& end) {
  if (end.ok()) return NudgeResult::kHeeded;
  return IsRefusal(end) ? NudgeResult::kRefused : NudgeResult::kLost;
}

void Count(NudgeResult result) { PaymentSeries::Get().nudges.at(result)->Increment(); }

}  // namespace

Nudger::Nudger(const std::string& target, ClientMetrics& metrics) : metrics_(metrics) {
  PaymentSeries::Get();  // so that all is there to be scraped
  if (!target.empty()) channel_.emplace(target);
}

void Nudger::Nudge(absl::string_view owner) {
  const std::optional<StepName> step = StepOf(owner);
  if (!channel_.has_value() || !step.has_value()) return;
  if (!calls_.Begin()) return Count(NudgeResult::kDropped);
  const ClientMetrics::Series& series = metrics_.Of(kMethod);
  auto sent = std::make_shared<Sent>();
  sent->context->set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
  sent->request.set_saga_id(step->saga_id);
  sent->request.set_step(step->step);
  series.started->Increment();
  v1::NudgeService::NewStub(channel_->Get())
      ->async()
      ->Nudge(sent->context.get(), &sent->request, &sent->response,
              [this, sent, &series, begun = SteadyNow()](const grpc::Status& end) {
                series.Finish(end.error_code(), SteadyNow() - begun);
                Count(ResultOf(end));
                sent->context.reset();  // before End: it holds the channel
                calls_.End();
              });
}

}  // namespace unwind::payment
