// One gRPC call of the mock gateway from its arrival to its end. A call may end for three reasons at once (it is
// answered, its caller leaves, the process stops), so the thread that ends it must take it first, and only one can.
#ifndef UNWIND_MOCK_PG_OPEN_CALL_H_
#define UNWIND_MOCK_PG_OPEN_CALL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"

namespace unwind::pg {

// What outlives the reactor: an answer may come when the call has long ended. Thread-safe.
class Caller {
 public:
  explicit Caller(std::function<void(absl::Status)> finish) : finish_(std::move(finish)) {}

  // The right to end the call, given once. Its response may be written between this and Finish.
  bool Take() { return !taken_.exchange(true); }
  bool is_taken() const { return taken_; }

  // REQUIRES: Take said true. The reactor may be gone when this returns.
  void Finish(absl::Status status) { finish_(std::move(status)); }

  // The answer counts for the scenario's crash_after. REQUIRES: Take said true, Finish is not called yet.
  void Count() { is_counted_ = true; }
  bool is_counted() const { return is_counted_; }

 private:
  std::atomic<bool> taken_ = false;
  std::atomic<bool> is_counted_ = false;
  const std::function<void(absl::Status)> finish_;
};

// The calls that nobody is working on: delayed or hung. Close ends them, so that they do not hold up a shutdown.
// Thread-safe.
class IdleCalls {
 public:
  void Add(const std::shared_ptr<Caller>& caller);
  void Remove(const std::shared_ptr<Caller>& caller);

  // Ends them with UNAVAILABLE, and every later one as it comes.
  void Close();

 private:
  std::mutex mutex_;
  std::set<std::shared_ptr<Caller>> callers_;
  bool closed_ = false;
};

// The reactor; deletes itself at the call's end.
class OpenCall final : public grpc::ServerUnaryReactor {
 public:
  // `answered` runs when an answer that counts has been sent to a caller who was still there.
  OpenCall(IdleCalls& idle, std::function<void()> answered);

  const std::shared_ptr<Caller>& caller() const { return caller_; }

 private:
  void OnCancel() override;
  void OnDone() override;

  IdleCalls& idle_;
  const std::function<void()> answered_;
  const std::shared_ptr<Caller> caller_;
  std::atomic<bool> left_ = false;
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_OPEN_CALL_H_
