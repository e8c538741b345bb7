#include "orchestrator/participants/grpc_participants.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/rpc/bytes.h"
#include "common/rpc/channel.h"
#include "common/rpc/renewed_channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "orchestrator/core/names.h"
#include "orchestrator/participants/alarm.h"
#include "orchestrator/participants/call_queue.h"
#include "orchestrator/participants/call_result.h"
#include "orchestrator/participants/held_back.h"

namespace unwind {
namespace {

constexpr char kStopping[] = "the orchestrator is stopping";
constexpr absl::Duration kNoRoomPause = absl::Seconds(5);
constexpr std::size_t kReceivedAloneMax = 16 << 20;  // on a connection of one call
constexpr std::size_t kCallBytes = 1 << 10;          // of a call that waits, besides what its saga's caller chose
constexpr absl::Duration kSettled = absl::Milliseconds(50);  // by then a channel knows that its connection ended

// gRPC aborts the process for a header that may not be sent, so such a one is left out.
bool IsLegalValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

CallResult NotSent(grpc::StatusCode code, std::string message) {
  CallResult result;
  result.is_answered = false;
  result.failure.code = code;
  result.failure.message = std::move(message);
  return result;
}

// Of a call that waits.
std::size_t BytesOf(const Call& call) {
  std::size_t bytes =
      kCallBytes + call.request.capacity() + call.trace.tracestate.capacity() + call.trace.baggage.capacity();
  for (const auto& [name, value] : call.metadata) bytes += 2 * sizeof(std::string) + name.capacity() + value.capacity();
  return bytes;
}

CallResult NoRoom(const std::string& address) {
  CallResult result = NotSent(grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("too many calls wait for ", address));
  result.failure.reason = "CALL_NOT_SENT";
  result.failure.domain = kSagaDomain;
  result.by_transport = true;
  result.retry_after = kNoRoomPause;
  return result;
}

CallQueue::End EndOf(const CallResult& result) {
  using End = CallQueue::End;
  if (result.by_transport) return End::kCut;
  switch (result.failure.code) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
      return result.effect_free ? End::kAnswered : End::kFailed;
    default:
      return End::kAnswered;
  }
}

}  // namespace

// The calls to one target: those that are out, and the queue of the others.
class GrpcParticipants::Target {
 public:
  Target(const std::string& address, const GrpcParticipantsOptions& options, std::size_t queue_bytes_max,
         ParticipantMetrics& metrics)
      : address_(address),
        reply_bytes_max_(options.reply_bytes_max),
        metrics_(metrics),
        gauges_(metrics.Of(address)),
        queue_memory_(queue_bytes_max),
        queue_(options.in_flight_max) {
    for (int i = 0; i < options.channels; ++i) shared_.push_back(NewConnection(kReceivedBytesMax));
  }

  void Invoke(Waiting waiting);
  void Stop();

 private:
  struct Connection {
    Connection(const std::string& address, std::function<std::shared_ptr<grpc::Channel>()> make)
        : channel(address, std::move(make)) {}
    RenewedChannel channel;
    absl::Time cut_at = absl::InfinitePast();  // when a call's end said last that it ended

    // Whether a call that is sent `at` that time makes a connection anew rather than share that end.
    bool IsSettled(absl::Time at) const { return at - cut_at > kSettled; }
  };
  struct Out {
    std::function<void(CallResult)> done;
    std::string key;
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
    const ClientMetrics::Series* series = nullptr;
    absl::Time sent;  // by SteadyNow, as all times here
    Connection* connection = nullptr;
    CallQueue::Ticket ticket;
    std::list<Out>::iterator self;
  };

  std::unique_ptr<Connection> NewConnection(std::size_t received_bytes_max);
  Connection& PickLocked(bool alone);
  void SendWhatMay();
  void Send(CallQueue::Next next);
  void OnDone(Out& out, const grpc::Status& status);
  bool IsAtFaultLocked(const Out& out) const;
  void Tell(HeldBack::Say say, const Failure& last) const;
  void Undone(std::size_t calls);

  const std::string address_;
  const std::size_t reply_bytes_max_;
  ParticipantMetrics& metrics_;
  const ParticipantMetrics::Target gauges_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> shared_;
  std::vector<std::unique_ptr<Connection>> private_;  // each for one call at a time, made when first needed
  std::deque<Connection*> free_;                      // of private_, the one that rested longest first
  int made_ = 0;                                      // connections
  std::condition_variable idle_;
  bool stopping_ = false;
  std::size_t undone_ = 0;     // calls whose `done` has not returned
  std::size_t turn_ = 0;       // which of shared_ is next
  MemoryBudget queue_memory_;  // of the calls in it
  CallQueue queue_;
  HeldBack held_back_;
  std::list<Out> out_;
  Alarm alarm_{[this] { SendWhatMay(); }};  // last: its thread runs on what is above
};

void GrpcParticipants::Target::Invoke(Waiting waiting) {
  std::optional<Waiting> overtaken;
  {
    std::unique_lock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      return waiting.done(NotSent(grpc::StatusCode::CANCELLED, kStopping));
    }
    std::optional<MemoryHold> memory = MemoryHold::Try(queue_memory_, BytesOf(waiting.call));
    if (!memory.has_value()) {
      lock.unlock();
      return waiting.done(NoRoom(address_));
    }
    waiting.memory = *std::move(memory);
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
      next = queue_.Pop(SteadyNow());
      gauges_.waiting.Set(static_cast<double>(queue_.waiting()));
      gauges_.out.Set(static_cast<double>(queue_.out()));
      if (!next.has_value()) return alarm_.Set(queue_.AskAgainAt());
    }
    Send(*std::move(next));
  }
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
  out.series = &metrics_.calls().Of(call.method);
  out.sent = SteadyNow();
  out.ticket = next.ticket;
  out.self = node.begin();
  call.issued_at = absl::Now();  // it may have waited
  out.context.set_deadline(absl::ToChronoTime(call.issued_at + call.timeout));
  out.key = KeyOf(call);
  for (const auto& [key, value] : MetadataOf(call)) {
    if (IsLegalValue(value)) out.context.AddMetadata(key, value);
  }
  {
    std::lock_guard lock(mutex_);
    out.connection = &PickLocked(out.ticket.alone);
    out_.splice(out_.end(), node);
    if (stopping_) out.context.TryCancel();
  }
  out.series->started->Increment();
  grpc::GenericStub(out.connection->channel.Get())
      .UnaryCall(&out.context, call.method, grpc::StubOptions(), &out.request, &out.response,
                 [this, &out](const grpc::Status& status) { OnDone(out, status); });
}

std::unique_ptr<GrpcParticipants::Target::Connection> GrpcParticipants::Target::NewConnection(
    std::size_t received_bytes_max) {
  return std::make_unique<Connection>(address_, [this, index = made_++, received_bytes_max] {
    return NewChannel(address_, index, static_cast<int>(reply_bytes_max_), received_bytes_max);
  });
}

GrpcParticipants::Target::Connection& GrpcParticipants::Target::PickLocked(bool alone) {
  if (!alone) return *shared_[turn_++ % shared_.size()];
  // A connection that has just ended would share its end with the call, which would then never be at fault.
  const bool is_settled = !free_.empty() && free_.front()->IsSettled(SteadyNow());
  if (free_.empty() || (!is_settled && private_.size() < CallQueue::kAloneMax)) {
    private_.push_back(NewConnection(kReceivedAloneMax));
    return *private_.back();
  }
  Connection& longest_at_rest = *free_.front();
  free_.pop_front();
  return longest_at_rest;
}

// One that was alone, unless it may have got the connection that the call before it had ended.
bool GrpcParticipants::Target::IsAtFaultLocked(const Out& out) const {
  return out.ticket.alone && out.connection->IsSettled(out.sent);
}

void GrpcParticipants::Target::Tell(HeldBack::Say say, const Failure& last) const {
  switch (say) {
    case HeldBack::Say::kNothing:
      return;
    case HeldBack::Say::kHeldBack:
      return Log(Severity::kWarning, "a participant does not answer; calls to it are held back",
                 {{"target", address_}, {"code", absl::StrCat(last.code)}, {"error", last.message}});
    case HeldBack::Say::kAnswersAgain:
      return Log(Severity::kInfo, "a participant answers again", {{"target", address_}});
  }
}

void GrpcParticipants::Target::OnDone(Out& out, const grpc::Status& status) {
  CallResult result = ReadResult({.status = status,
                                  .response = out.response,
                                  .trailers = out.context.GetServerTrailingMetadata(),
                                  .key = out.key,
                                  .request_bytes = out.request.Length(),
                                  .reply_bytes_max = reply_bytes_max_});
  out.series->Finish(result.failure.code, SteadyNow() - out.sent);
  const std::function<void(CallResult)> done = std::move(out.done);
  HeldBack::Say say = HeldBack::Say::kNothing;
  {
    // Destroyed outside the lock, but here: its context holds the channel, and gRPC does not survive that the last
    // holder of a channel lets go on gRPC's own thread. Once undone_ is 0 that would be this one.
    std::list<Out> node;
    std::lock_guard lock(mutex_);
    if (result.by_transport) {
      result.by_transport = !IsAtFaultLocked(out);
      out.connection->cut_at = SteadyNow();
    }
    queue_.OnDone(out.ticket, EndOf(result));
    say = held_back_.Update(queue_.is_held_back(), SteadyNow());
    gauges_.held_back.Set(held_back_.held_back() ? 1 : 0);
    if (out.ticket.alone) free_.push_back(out.connection);
    node.splice(node.end(), out_, out.self);
  }
  SendWhatMay();
  Tell(say, result.failure);
  done(std::move(result));
  Undone(1);  // last: once it is idle, Stop returns and this object may go
}

void GrpcParticipants::Target::Stop() {
  std::vector<Waiting> unsent;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    unsent = queue_.TakeAll();
    for (Out& out : out_) out.context.TryCancel();
  }
  alarm_.Stop();
  for (const Waiting& waiting : unsent) waiting.done(NotSent(grpc::StatusCode::CANCELLED, kStopping));
  std::unique_lock lock(mutex_);
  undone_ -= unsent.size();
  idle_.wait(lock, [this] { return undone_ == 0; });
}

GrpcParticipants::GrpcParticipants(const Routes& routes, const GrpcParticipantsOptions& options,
                                   ParticipantMetrics& metrics) {
  for (const auto& [service, address] : routes) targets_.try_emplace(address);
  for (const auto& [service, address] : routes) {
    std::unique_ptr<Target>& target = targets_[address];
    const std::size_t queue_bytes_max = options.queue_bytes_max / targets_.size();
    if (target == nullptr) target = std::make_unique<Target>(address, options, queue_bytes_max, metrics);
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
