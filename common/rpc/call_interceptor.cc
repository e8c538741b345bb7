#include "common/rpc/call_interceptor.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/base/trace_context.h"
#include "common/observe/tracer.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "common/rpc/unimplemented.h"

namespace unwind {
namespace {

using grpc::experimental::InterceptorBatchMethods;
using Hook = grpc::experimental::InterceptionHookPoints;

class UnaryInterceptor final : public grpc::experimental::Interceptor {
 public:
  UnaryInterceptor(const char* path, const grpc::ServerContextBase& context)
      : path_(path), context_(context), counter_(path) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_MESSAGE))
      unreadable_ = methods->GetRecvMessage() == nullptr;
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_INITIAL_METADATA) && ProcessTracer() != nullptr)
      span_ = OpenServerSpan(path_, ReadTraceContext(*methods->GetRecvInitialMetadata()));
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_STATUS)) {
      if (unreadable_) {
        const absl::Status& refusal = AdmissionOf(context_).status;
        methods->ModifySendStatus(ToGrpc(refusal.ok() ? Unreadable() : refusal));
      } else if (HasNoHandler(methods->GetSendStatus())) {
        const absl::Status& refusal = AdmissionOf(context_).status;
        methods->ModifySendStatus(ToGrpc(refusal.ok() ? NoSuchMethod(path_) : refusal));
      }
      Finish(methods->GetSendStatus());
    }
    methods->Proceed();
  }

 private:
  void Finish(const grpc::Status& status) {
    counter_.Finish(static_cast<absl::StatusCode>(status.error_code()));
    if (span_.is_open()) span_.End(ErrorOf(FromGrpc(status)), CallAttributes(path_, status.error_code()));
  }

  static absl::Status Unreadable() {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "the bytes sent are not this method's request, or a string in it is not UTF-8",
                     {.reason = "INVALID_REQUEST", .domain = kTransportDomain, .metadata = {}});
  }

  static bool HasNoHandler(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNIMPLEMENTED && status.error_message().empty();
  }

  const std::string path_;
  const grpc::ServerContextBase& context_;
  CallCounter counter_;
  OpenSpan span_;
  bool unreadable_ = false;
};

class StreamInterceptor final : public grpc::experimental::Interceptor {
 public:
  StreamInterceptor(EndlessStreams& streams, grpc::ServerContextBase& context) : streams_(streams), context_(context) {}
  ~StreamInterceptor() override {
    if (call_ != nullptr) streams_.Remove(call_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    // Only now the context has its call.
    if (call_ == nullptr) {
      call_ = context_.c_call();
      streams_.Add(call_);
    }
    methods->Proceed();
  }

 private:
  EndlessStreams& streams_;
  grpc::ServerContextBase& context_;
  grpc_call* call_ = nullptr;
};

class CallInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallInterceptorFactory(EndlessStreams& streams) : streams_(streams) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    using Type = grpc::experimental::ServerRpcInfo::Type;
    const char* const method = info->method();
    if (method == nullptr || method[0] != '/') return nullptr;
    if (info->type() == Type::UNARY) return new UnaryInterceptor(method, *info->server_context());
    const bool endless = absl::StartsWith(method, "/grpc.");
    return endless ? new StreamInterceptor(streams_, *info->server_context()) : nullptr;
  }

 private:
  EndlessStreams& streams_;
};

void End(grpc_call* call) { grpc_call_cancel_with_status(call, GRPC_STATUS_UNAVAILABLE, "the server stops", nullptr); }

}  // namespace

EndlessStreams::~EndlessStreams() {
  for (grpc_call* const call : calls_) grpc_call_unref(call);
}

void EndlessStreams::Add(grpc_call* call) {
  grpc_call_ref(call);
  bool ended = false;
  {
    std::lock_guard lock(mutex_);
    calls_.insert(call);
    ended = ended_;
  }
  if (ended) End(call);
}

void EndlessStreams::Remove(grpc_call* call) {
  {
    std::lock_guard lock(mutex_);
    if (calls_.erase(call) == 0) return;
  }
  grpc_call_unref(call);
}

void EndlessStreams::EndAll() {
  std::set<grpc_call*> calls;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    calls = calls_;
    for (grpc_call* const call : calls) grpc_call_ref(call);
  }
  for (grpc_call* const call : calls) {
    End(call);
    grpc_call_unref(call);
  }
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewCallInterceptors(EndlessStreams& streams) {
  return std::make_unique<CallInterceptorFactory>(streams);
}

}  // namespace unwind
