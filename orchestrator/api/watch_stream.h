// A server stream of sagas: at most one message is on its way to the reader, and none waits behind it.
#ifndef UNWIND_ORCHESTRATOR_API_WATCH_STREAM_H_
#define UNWIND_ORCHESTRATOR_API_WATCH_STREAM_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "grpc/grpc.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "orchestrator/api/watches.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

inline void Fill(saga::v1::WatchSagaResponse& response, const std::vector<SharedSaga>& sagas) {
  *response.mutable_saga() = *sagas.back();
}
inline void Fill(saga::v1::WatchSagasResponse& response, const std::vector<SharedSaga>& sagas) {
  response.clear_sagas();
  for (const SharedSaga& saga : sagas) *response.add_sagas() = *saga;
}

template <class Response>
class WatchStream final : public grpc::ServerWriteReactor<Response>, public WatchSink {
 public:
  // It lives until its call is over, which `closed` is told, on a gRPC thread, and until nobody holds it.
  static std::shared_ptr<WatchStream> Open(grpc::CallbackServerContext* context,
                                           std::function<void(const WatchSink*)> closed) {
    std::shared_ptr<WatchStream> stream(new WatchStream(context, std::move(closed)));
    stream->self_ = stream;
    return stream;
  }

  bool IsReady() override {
    std::lock_guard lock(mutex_);
    return !writing_ && !end_.has_value();
  }

  void Tell(const std::vector<SharedSaga>& sagas) override {
    {
      std::lock_guard lock(mutex_);
      if (writing_ || end_.has_value()) return;
      writing_ = true;
    }
    Fill(response_, sagas);
    this->StartWrite(&response_);
  }

  void End(absl::Status status) override {
    {
      std::lock_guard lock(mutex_);
      if (end_.has_value()) return;
      end_ = std::move(status);
      if (writing_) return;  // OnWriteDone ends it
    }
    FinishNow();
  }

  void Cut() override {
    grpc_call* blocked = nullptr;
    {
      std::lock_guard lock(mutex_);
      if (!writing_) return;
      blocked = context_->c_call();  // lives, for its write is not done
      grpc_call_ref(blocked);
    }
    grpc_call_cancel_with_status(blocked, GRPC_STATUS_UNAVAILABLE, "the watch has ended, and is not read", nullptr);
    grpc_call_unref(blocked);
  }

 private:
  WatchStream(grpc::CallbackServerContext* context, std::function<void(const WatchSink*)> closed)
      : context_(context), closed_(std::move(closed)) {
    this->StartSendInitialMetadata();  // so that its reader knows at once that it is taken
  }

  void OnWriteDone(bool) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      if (!end_.has_value()) return;
    }
    FinishNow();
  }

  void OnCancel() override { End(absl::CancelledError("the reader left")); }

  void OnDone() override {
    closed_(this);
    self_.reset();
  }

  // Once: by whom end_ was set while nothing was written, or by the end of that write.
  void FinishNow() {
    AddPushback(*context_, *end_);
    this->Finish(ToGrpc(*end_));
  }

  grpc::CallbackServerContext* const context_;
  const std::function<void(const WatchSink*)> closed_;
  std::shared_ptr<WatchStream> self_;
  Response response_;  // what is written
  std::mutex mutex_;   // guards both below
  bool writing_ = false;
  std::optional<absl::Status> end_;  // set once
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_WATCH_STREAM_H_
