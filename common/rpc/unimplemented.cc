#include "common/rpc/unimplemented.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"

namespace unwind {
namespace {

constexpr std::size_t kShownMax = 200;  // bytes of a path

class Reactor final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Reactor(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

absl::Status NoSuchMethod(const std::string& path) {
  return MakeError(absl::StatusCode::kUnimplemented,
                   absl::StrCat("no method ", absl::Utf8SafeCEscape(path.substr(0, kShownMax)), " is served here"),
                   {.reason = "METHOD_UNKNOWN", .domain = kTransportDomain, .metadata = {}});
}

grpc::ServerGenericBidiReactor* UnimplementedService::CreateReactor(grpc::GenericCallbackServerContext* context) {
  const absl::Status& refusal = AdmissionOf(*context).status;
  return Refuse(refusal.ok() ? NoSuchMethod(context->method()) : refusal);
}

grpc::ServerGenericBidiReactor* Refuse(const absl::Status& status) { return new Reactor(status); }

}  // namespace unwind
