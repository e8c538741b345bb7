#include "orchestrator/participants/grpc_participants.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/bytes.h"
#include "common/rpc/channel.h"
#include "grpcpp/alarm.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "orchestrator/participants/call_queue.h"
#include "orchestrator/participants/call_result.h"

namespace unwind {
namespace {

constexpr char kStopping[] = "the orchestrator is stopping";

// gRPC aborts the process for a header that may not be sent, so such a one is left out.
bool IsLegalValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

CallResult NotSent(grpc::StatusCode code, std::string message) {
  CallResult result;
  result.failure.code = code;
  result.failure.message = std::move(message);
  return result;
}

// Whether the participant itself spoke: else it is down, drowning or lost on the way.
bool IsAlive(const CallResult& result) {
  switch (result.failure.code) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
      return result.effect_free;
    default:
      return true;
  }
}

}  // namespace

// The calls to one target: those that are out, and the queue of the others.
class GrpcParticipants::Target {
 public:
  Target(const std::string& address, const GrpcParticipantsOptions& options, ClientMetrics& metrics)
      : metrics_(metrics), reply_bytes_max_(options.reply_bytes_max), queue_(options.in_flight_max) {
    for (int i = 0; i < options.channels; ++i) {
      stubs_.push_back(std::make_unique<grpc::GenericStub>(NewChannel(address, i, static_cast<int>(reply_bytes_max_))));
    }
  }

  void Invoke(Waiting waiting);
  void Stop();

 private:
  struct Out {
    std::function<void(CallResult)> done;
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
    const ClientMetrics::Series* series = nullptr;
    absl::Time sent;
    CallQueue::Ticket ticket;
    std::list<Out>::iterator self;
  };

  void SendWhatMay();
  void Send(CallQueue::Next next);
  void OnDone(Out& out, const grpc::Status& status);
  void OnAlarm();
  void SetAlarmLocked();
  void Undone(std::size_t calls);

  ClientMetrics& metrics_;
  const std::size_t reply_bytes_max_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;

  std::mutex mutex_;
  std::condition_variable idle_;
  bool stopping_ = false;
  std::size_t undone_ = 0;  // calls whose `done` has not returned, and the alarm
  std::size_t turn_ = 0;    // which stub is next
  CallQueue queue_;
  std::list<Out> out_;
  std::unique_ptr<grpc::Alarm> alarm_;  // null: none is set
};

void GrpcParticipants::Target::Invoke(Waiting waiting) {
  std::optional<Waiting> overtaken;
  {
    std::unique_lock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      return waiting.done(NotSent(grpc::StatusCode::CANCELLED, kStopping));
    }
    ++undone_;
    overtaken = queue_.Push(std::move(waiting));
  }
  SendWhatMay();
  if (!overtaken.has_value()) return;
  overtaken->done(
      NotSent(grpc::StatusCode::CANCELLED, "a newer call of the step overtook this one before it was sent"));
  Undone(1);
}

void GrpcParticipants::Target::SendWhatMay() {
  while (true) {
    std::optional<CallQueue::Next> next;
    {
      std::lock_guard lock(mutex_);
      next = queue_.Pop(absl::Now());
      if (!next.has_value()) return SetAlarmLocked();
    }
    Send(*std::move(next));
  }
}

void GrpcParticipants::Target::SetAlarmLocked() {
  const absl::Time when = queue_.AskAgainAt();
  if (when == absl::InfiniteFuture() || alarm_ != nullptr || stopping_) return;
  ++undone_;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(absl::ToChronoTime(when), [this](bool) { OnAlarm(); });
}

void GrpcParticipants::Target::OnAlarm() {
  std::unique_ptr<grpc::Alarm> alarm;
  {
    std::lock_guard lock(mutex_);
    alarm.swap(alarm_);
  }
  SendWhatMay();
  alarm.reset();
  Undone(1);
}

void GrpcParticipants::Target::Undone(std::size_t calls) {
  std::lock_guard lock(mutex_);
  undone_ -= calls;
  if (undone_ == 0) idle_.notify_all();
}

void GrpcParticipants::Target::Send(CallQueue::Next next) {
  Call& call = next.waiting.call;
  std::list<Out> node(1);
  Out& out = node.front();
  out.done = std::move(next.waiting.done);
  out.request = ToBuffer(call.request);
  out.series = &metrics_.Of(call.method);
  out.sent = absl::Now();
  out.ticket = next.ticket;
  out.self = node.begin();
  out.context.set_deadline(absl::ToChronoTime(out.sent + call.timeout));
  call.issued_at = out.sent;  // it may have waited
  for (const auto& [key, value] : MetadataOf(call)) {
    if (IsLegalValue(value)) out.context.AddMetadata(key, value);
  }
  grpc::GenericStub* stub = nullptr;
  {
    std::lock_guard lock(mutex_);
    stub = stubs_[turn_++ % stubs_.size()].get();
    out_.splice(out_.end(), node);
    if (stopping_) out.context.TryCancel();
  }
  out.series->started->Increment();
  stub->UnaryCall(&out.context, call.method, grpc::StubOptions(), &out.request, &out.response,
                  [this, &out](const grpc::Status& status) { OnDone(out, status); });
}

void GrpcParticipants::Target::OnDone(Out& out, const grpc::Status& status) {
  CallResult result = ReadResult({.status = status,
                                  .response = out.response,
                                  .trailers = out.context.GetServerTrailingMetadata(),
                                  .request_bytes = out.request.Length(),
                                  .reply_bytes_max = reply_bytes_max_});
  out.series->Finish(result.failure.code, absl::Now() - out.sent);
  const std::function<void(CallResult)> done = std::move(out.done);
  {
    // Destroyed outside the lock, but here: its context holds the channel, and gRPC does not survive that the last
    // holder of a channel lets go on gRPC's own thread. Once undone_ is 0 that would be this one.
    std::list<Out> node;
    std::lock_guard lock(mutex_);
    queue_.OnDone(out.ticket, IsAlive(result));
    node.splice(node.end(), out_, out.self);
  }
  SendWhatMay();
  done(std::move(result));
  Undone(1);  // last: once it is idle, Stop returns and this object may go
}

void GrpcParticipants::Target::Stop() {
  std::vector<Waiting> unsent;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    unsent = queue_.TakeAll();
    if (alarm_ != nullptr) alarm_->Cancel();
    for (Out& out : out_) out.context.TryCancel();
  }
  for (const Waiting& waiting : unsent) waiting.done(NotSent(grpc::StatusCode::CANCELLED, kStopping));
  std::unique_lock lock(mutex_);
  undone_ -= unsent.size();
  idle_.wait(lock, [this] { return undone_ == 0; });
}

GrpcParticipants::GrpcParticipants(const Routes& routes, const GrpcParticipantsOptions& options,
                                   ClientMetrics& metrics) {
  for (const auto& [service, address] : routes) {
    std::unique_ptr<Target>& target = targets_[address];
    if (target == nullptr) target = std::make_unique<Target>(address, options, metrics);
    by_service_.emplace(service, target.get());
  }
}

GrpcParticipants::~GrpcParticipants() { Stop(); }

void GrpcParticipants::Invoke(Call call, std::function<void(CallResult)> done) {
  const absl::string_view service = ServiceOf(call.method);
  const auto it = by_service_.find(service);
  if (it == by_service_.end()) {
    return done(
        NotSent(grpc::StatusCode::UNAVAILABLE, absl::StrCat("--participants does not say where ", service, " is")));
  }
  it->second->Invoke({std::move(call), std::move(done)});
}

void GrpcParticipants::Stop() {
  for (const auto& [address, target] : targets_) target->Stop();
}

}  // namespace unwind
