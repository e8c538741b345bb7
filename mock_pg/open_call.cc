#include "mock_pg/open_call.h"

#include <utility>

#include "common/rpc/error.h"
#include "mock_pg/ledger.h"

namespace unwind::pg {
namespace {

absl::Status Stopping() {
  return MakeError(absl::StatusCode::kUnavailable, "the gateway is stopping",
                   {"SHUTTING_DOWN", std::string(kErrorDomain), {}});
}

}  // namespace

void IdleCalls::Add(const std::shared_ptr<Caller>& caller) {
  {
    std::lock_guard lock(mutex_);
    if (caller->is_taken()) return;  // its OnDone may have passed, and then nothing would remove it
    if (!closed_) {
      callers_.insert(caller);
      return;
    }
  }
  if (caller->Take()) caller->Finish(Stopping());
}

void IdleCalls::Remove(const std::shared_ptr<Caller>& caller) {
  std::lock_guard lock(mutex_);
  callers_.erase(caller);
}

void IdleCalls::Close() {
  std::set<std::shared_ptr<Caller>> callers;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    callers.swap(callers_);
  }
  for (const std::shared_ptr<Caller>& caller : callers) {
    if (caller->Take()) caller->Finish(Stopping());
  }
}

OpenCall::OpenCall(IdleCalls& idle, std::function<void()> answered)
    : idle_(idle),
      answered_(std::move(answered)),
      caller_(std::make_shared<Caller>([this](const absl::Status& status) { Finish(ToGrpc(status)); })) {}

void OpenCall::OnCancel() {
  left_ = true;
  if (caller_->Take()) caller_->Finish(absl::CancelledError("the caller left"));
}

void OpenCall::OnDone() {
  idle_.Remove(caller_);
  if (!left_ && caller_->is_counted()) answered_();
  delete this;
}

}  // namespace unwind::pg
