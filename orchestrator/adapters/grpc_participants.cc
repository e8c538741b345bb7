#include "orchestrator/adapters/grpc_participants.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "orchestrator/adapters/bytes.h"
#include "orchestrator/adapters/call_failure.h"

namespace unwind {
namespace {

constexpr char kOutcomeTrailer[] = "saga-outcome";
constexpr char kEffectFree[] = "refused";
constexpr char kStopping[] = "the orchestrator is stopping";

// A call that was not sent yet.
struct Waiting {
  Call call;
  std::function<void(CallResult)> done;
};

// gRPC aborts the process for a header that may not be sent, so such a one is left out.
bool IsLegalValue(absl::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

absl::string_view ValueOf(const Call& call, absl::string_view name) {
  for (const auto& [key, value] : call.metadata) {
    if (key == name) return value;
  }
  return "";
}

// What the calls of one saga's step share: the idempotency key without its phase.
std::string StepOf(const Call& call) {
  const absl::string_view key = ValueOf(call, "idempotency-key");
  return std::string(key.substr(0, key.rfind('/')));
}

// Compensations and resolves go before actions: going back frees what others wait for.
bool GoesFirst(const Call& call) { return ValueOf(call, "saga-phase") != "action"; }

CallResult NotSent(grpc::StatusCode code, std::string message) {
  CallResult result;
  result.failure.code = code;
  result.failure.message = std::move(message);
  return result;
}

bool SaysEffectFree(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find(kOutcomeTrailer);
  return it != trailers.end() && it->second == kEffectFree;
}

}  // namespace

// The calls to one target: at most `in_flight_max` are out, the others wait in order.
class GrpcParticipants::Target {
 public:
  Target(const std::string& address, const GrpcParticipantsOptions& options, ClientMetrics& metrics)
      : out_max_(options.in_flight_max), metrics_(metrics) {
    for (int i = 0; i < options.channels; ++i)
      stubs_.push_back(std::make_unique<grpc::GenericStub>(NewChannel(address, i)));
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
    std::list<Out>::iterator self;
  };

  void Send(Waiting waiting);
  void OnDone(Out& out, const grpc::Status& status);
  std::optional<Waiting> EnqueueLocked(Waiting waiting);
  void Undone(std::size_t calls);
  std::optional<Waiting> NextLocked();

  const std::size_t out_max_;
  ClientMetrics& metrics_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;

  std::mutex mutex_;
  std::condition_variable idle_;
  bool stopping_ = false;
  std::size_t slots_taken_ = 0;  // at most out_max_
  std::size_t undone_ = 0;       // calls whose `done` has not returned
  std::size_t turn_ = 0;         // which stub is next
  std::deque<Waiting> first_;
  std::list<Waiting> others_;
  std::unordered_map<std::string, std::list<Waiting>::iterator> waiting_actions_;  // of others_, by step
  std::list<Out> out_;
};

void GrpcParticipants::Target::Invoke(Waiting waiting) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return waiting.done(NotSent(grpc::StatusCode::CANCELLED, kStopping));
  }
  ++undone_;
  if (slots_taken_ < out_max_) {
    ++slots_taken_;
    lock.unlock();
    return Send(std::move(waiting));
  }
  const std::optional<Waiting> overtaken = EnqueueLocked(std::move(waiting));
  lock.unlock();
  if (!overtaken.has_value()) return;
  overtaken->done(NotSent(grpc::StatusCode::CANCELLED, "the saga went back before the call was sent"));
  Undone(1);
}

// Returns the step's own action if that still waits: it must not come after its compensation or resolve.
std::optional<Waiting> GrpcParticipants::Target::EnqueueLocked(Waiting waiting) {
  std::string step = StepOf(waiting.call);
  if (!GoesFirst(waiting.call)) {
    others_.push_back(std::move(waiting));
    if (!step.empty()) waiting_actions_[std::move(step)] = std::prev(others_.end());
    return std::nullopt;
  }
  first_.push_back(std::move(waiting));
  const auto action = waiting_actions_.find(step);
  if (action == waiting_actions_.end()) return std::nullopt;
  Waiting overtaken = std::move(*action->second);
  others_.erase(action->second);
  waiting_actions_.erase(action);
  return overtaken;
}

void GrpcParticipants::Target::Undone(std::size_t calls) {
  std::lock_guard lock(mutex_);
  undone_ -= calls;
  if (undone_ == 0) idle_.notify_all();
}

// REQUIRES: a slot was taken for it.
void GrpcParticipants::Target::Send(Waiting waiting) {
  std::list<Out> node(1);
  Out& out = node.front();
  out.done = std::move(waiting.done);
  out.request = ToBuffer(waiting.call.request);
  out.series = &metrics_.Of(waiting.call.method);
  out.sent = absl::Now();
  out.self = node.begin();
  out.context.set_deadline(absl::ToChronoTime(out.sent + waiting.call.timeout));
  for (const auto& [key, value] : waiting.call.metadata) {
    if (key == "saga-issued-at") {
      out.context.AddMetadata(key, absl::StrCat(absl::ToUnixMillis(out.sent)));  // it may have waited
    } else if (IsLegalValue(value)) {
      out.context.AddMetadata(key, value);
    }
  }
  grpc::GenericStub* stub = nullptr;
  {
    std::lock_guard lock(mutex_);
    stub = stubs_[turn_++ % stubs_.size()].get();
    out_.splice(out_.end(), node);
    if (stopping_) out.context.TryCancel();
  }
  out.series->started->Increment();
  stub->UnaryCall(&out.context, waiting.call.method, grpc::StubOptions(), &out.request, &out.response,
                  [this, &out](const grpc::Status& status) { OnDone(out, status); });
}

void GrpcParticipants::Target::OnDone(Out& out, const grpc::Status& status) {
  CallResult result;
  result.failure = ReadFailure(status);
  result.effect_free = !status.ok() && SaysEffectFree(out.context);
  if (status.ok()) result.reply = ToBytes(out.response);
  out.series->Finish(result.failure.code, absl::Now() - out.sent);
  const std::function<void(CallResult)> done = std::move(out.done);

  std::optional<Waiting> next;
  {
    // Destroyed outside the lock, but here: its context holds the channel, and gRPC does not survive that the last
    // holder of a channel lets go on gRPC's own thread. Once undone_ is 0 that would be this one.
    std::list<Out> node;
    std::lock_guard lock(mutex_);
    node.splice(node.end(), out_, out.self);
    next = NextLocked();
    if (!next.has_value()) --slots_taken_;
  }
  if (next.has_value()) Send(*std::move(next));
  done(std::move(result));
  Undone(1);  // last: once it is idle, Stop returns and this object may go
}

std::optional<Waiting> GrpcParticipants::Target::NextLocked() {
  std::optional<Waiting> next;
  if (!first_.empty()) {
    next = std::move(first_.front());
    first_.pop_front();
  } else if (!others_.empty()) {
    const auto known = waiting_actions_.find(StepOf(others_.front().call));
    if (known != waiting_actions_.end() && known->second == others_.begin()) waiting_actions_.erase(known);
    next = std::move(others_.front());
    others_.pop_front();
  }
  return next;
}

void GrpcParticipants::Target::Stop() {
  std::deque<Waiting> unsent;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    unsent.swap(first_);
    std::move(others_.begin(), others_.end(), std::back_inserter(unsent));
    others_.clear();
    waiting_actions_.clear();
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
