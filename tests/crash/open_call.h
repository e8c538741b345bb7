// A unary call that is under way, of any method.
#ifndef UNWIND_TESTS_CRASH_OPEN_CALL_H_
#define UNWIND_TESTS_CRASH_OPEN_CALL_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace unwind {

template <class Service, class Request, class Response>
class OpenCall {
 public:
  using Method = void (Service::StubInterface::async_interface::*)(grpc::ClientContext*, const Request*, Response*,
                                                                   std::function<void(grpc::Status)>);

  // `key`: the metadata `idempotency-key`, unless it is empty.
  OpenCall(const std::shared_ptr<grpc::Channel>& channel, Method method, const Request& request,
           absl::Duration deadline, const std::string& key)
      : stub_(Service::NewStub(channel)), request_(request) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    if (!key.empty()) context_.AddMetadata("idempotency-key", key);
    (static_cast<typename Service::StubInterface*>(stub_.get())->async()->*method)(
        &context_, &request_, &response_, [this](const grpc::Status& status) { End(status); });
  }
  ~OpenCall() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return is_over_; });
  }
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;

  bool IsOver() {
    const std::lock_guard lock(mutex_);
    return is_over_;
  }
  // Of a call that is over.
  const grpc::Status& status() const { return status_; }
  const Response& response() const { return response_; }

 private:
  // Notifies under the lock: this may be destroyed as soon as it is released.
  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    is_over_ = true;
    ended_.notify_all();
  }

  const std::unique_ptr<typename Service::Stub> stub_;
  const Request request_;
  Response response_;
  grpc::ClientContext context_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  grpc::Status status_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_OPEN_CALL_H_
