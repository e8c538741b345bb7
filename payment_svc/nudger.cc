#include "payment_svc/nudger.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/clock.h"
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
  std::optional<StepName> step = StepOf(owner);
  if (!channel_.has_value() || !step.has_value()) return;
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= kWaitingMax) return Count(NudgeResult::kDropped);
    if (under_way_ >= kNudgesMax) return waiting_.push_back(*std::move(step));
    ++under_way_;
  }
  Send(*step);
}

void Nudger::Send(const StepName& step) {
  const ClientMetrics::Series& series = metrics_.Of(kMethod);
  auto sent = std::make_shared<Sent>();
  sent->context->set_deadline(absl::ToChronoTime(absl::Now() + kTimeout));
  sent->request.set_saga_id(step.saga_id);
  sent->request.set_step(step.step);
  series.started->Increment();
  v1::NudgeService::NewStub(channel_->Get())
      ->async()
      ->Nudge(sent->context.get(), &sent->request, &sent->response,
              [this, sent, &series, begun = SteadyNow()](const grpc::Status& end) {
                series.Finish(end.error_code(), SteadyNow() - begun);
                Count(ResultOf(end));
                sent->context.reset();  // before Ended: it holds the channel
                Ended();
              });
}

// Notifies under the lock: Stop may return, and this be destroyed, as soon as it is released.
void Nudger::Ended() {
  StepName next;
  {
    std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      if (--under_way_ == 0) idle_.notify_all();
      return;
    }
    next = std::move(waiting_.front());
    waiting_.pop_front();
  }
  Send(next);
}

void Nudger::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (; !waiting_.empty(); waiting_.pop_front()) Count(NudgeResult::kDropped);
  idle_.wait(lock, [this] { return under_way_ == 0; });
}

}  // namespace unwind::payment
