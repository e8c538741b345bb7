#include "common/rpc/gate.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/metrics/registry.h"
#include "common/rpc/error.h"
#include "common/rpc/principal.h"
#include "grpc/grpc.h"
#include "prometheus/counter.h"

namespace unwind {
namespace {

using grpc::experimental::InterceptorBatchMethods;
using Hook = grpc::experimental::InterceptionHookPoints;

class GateInterceptor final : public grpc::experimental::Interceptor {
 public:
  GateInterceptor(Gate& gate, const char* path, grpc::ServerContextBase& context)
      : gate_(gate), path_(path), context_(context) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    // The first time is before the handler, and only then the context has its call.
    if (!decided_) {
      decided_ = true;
      admission_ = gate_.Admit(context_, path_);
      SetAdmission(context_, admission_);
      if (MustEndHere()) End();
    }
    if (MustEndHere() && methods->QueryInterceptionHookPoint(Hook::PRE_SEND_STATUS)) {
      methods->ModifySendStatus(ToGrpc(admission_.status));  // what the metrics count
    }
    methods->Proceed();
  }

 private:
  bool MustEndHere() const { return !admission_.status.ok() && absl::StartsWith(path_, "/grpc."); }

  void End() {
    grpc_call_cancel_with_status(context_.c_call(), static_cast<grpc_status_code>(admission_.status.code()),
                                 std::string(admission_.status.message()).c_str(), nullptr);
  }

  Gate& gate_;
  const std::string path_;
  grpc::ServerContextBase& context_;
  Admission admission_;
  bool decided_ = false;
};

class GateFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit GateFactory(Gate& gate) : gate_(gate) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    const char* const method = info->method();
    return new GateInterceptor(gate_, method == nullptr ? "" : method, *info->server_context());
  }

 private:
  Gate& gate_;
};

// Methods that are not served have no series of their own: a caller may name as many as it likes.
void Count(absl::string_view path, const std::string& reason) {
  static auto& family = prometheus::BuildCounter()
                            .Name("policy_refused_total")
                            .Help("Calls that the policy refused, by the reason they were told.")
                            .Register(*ProcessRegistry());
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  family
      .Add({{"grpc_service", parts.size() == 3 ? parts[1] : "unknown"},
            {"grpc_method", parts.size() == 3 ? parts[2] : "unknown"},
            {"reason", reason}})
      .Increment();
}

}  // namespace

Gate::Gate(Policy policy)
    : policy_(std::move(policy)), identify_([this](const grpc::ServerContextBase& context) {
        return PeerIdentity(*context.auth_context(), policy_.spiffe_prefix());
      }) {}

Gate::Gate(Policy policy, Identify identify) : policy_(std::move(policy)), identify_(std::move(identify)) {}

Admission Gate::Admit(const grpc::ServerContextBase& context, absl::string_view path) {
  Admission admission = policy_.Decide(path, identify_(context), context.client_metadata());
  if (!admission.status.ok()) Report(admission, path);
  return admission;
}

void Gate::Report(const Admission& refused, absl::string_view path) {
  const ErrorInfo info = GetErrorInfo(refused.status);
  Count(policy_.Knows(path) ? path : "", info.reason);
  const std::int64_t times = log_.Happened(SteadyNow());
  if (times == 0) return;
  const auto denied = info.metadata.find("denied");
  Log(Severity::kWarning, "the policy refuses calls",
      {{"caller", refused.principal.service},
       {"method", path.substr(0, 200)},
       {"denied", denied == info.metadata.end() ? "" : denied->second},
       {"reason", info.reason},
       {"times", absl::StrCat(times)}});
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewGateInterceptors(Gate& gate) {
  return std::make_unique<GateFactory>(gate);
}

}  // namespace unwind
