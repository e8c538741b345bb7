#include "orchestrator/host/nudge_forwarder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/base/target.h"
#include "common/rpc/credentials.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/refusals.h"
#include "orchestrator/host/instance_name.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"

namespace unwind {
namespace {

namespace v1 = ::saga::participant::v1;

constexpr char kMethod[] = "/saga.participant.v1.NudgeService/Nudge";
constexpr std::size_t kBatchMax = 64;  // that share one look at each owner's row
constexpr std::size_t kRoutesMax = 100;

struct Asked {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  v1::NudgeRequest request;
  v1::NudgeResponse response;
  ForeignNudge nudge;
};

// Only an orchestrator's own words are passed on: others, such as a policy's, would be taken for this instance's.
absl::Status ReadAnswer(const absl::Status& status, const ForeignNudge& nudge, const std::string& address) {
  if (status.ok() || GetErrorInfo(status).domain == kSagaDomain) return status;
  return OwnerUnreachable(
      nudge.saga_id, nudge.owner,
      absl::StrCat("at ", address, ": ", absl::StatusCodeToString(status.code()), ", ", status.message()));
}

}  // namespace

NudgeForwarder::NudgeForwarder(std::string instance, FindHolder find, ClientMetrics& metrics)
    : instance_(std::move(instance)),
      find_(std::move(find)),
      series_(metrics.Of(kMethod)),
      queue_(kBatchMax, kNudgesMax, [this](std::vector<ForeignNudge> nudges) { Send(std::move(nudges)); }) {}

void NudgeForwarder::Forward(ForeignNudge nudge) {
  if (!calls_.Begin()) return nudge.answered(TooManyNudges());
  const auto answered = nudge.answered;
  if (queue_.Push(std::move(nudge))) return;
  answered(TooManyNudges());
  calls_.End();
}

void NudgeForwarder::Stop() {
  queue_.Stop();
  calls_.Stop();
}

void NudgeForwarder::Send(std::vector<ForeignNudge> nudges) {
  std::map<std::string, absl::StatusOr<std::string>> addresses;
  for (ForeignNudge& nudge : nudges) {
    auto found = addresses.find(nudge.owner);
    if (found == addresses.end()) found = addresses.emplace(nudge.owner, AddressOf(nudge.owner)).first;
    const absl::StatusOr<std::string>& address = found->second;
    if (address.ok()) {
      Ask(std::move(nudge), *address);
    } else {
      End(nudge, OwnerUnreachable(nudge.saga_id, nudge.owner, address.status().message()));
    }
  }
}

// Where it may be called; the error's message says why not.
absl::StatusOr<std::string> NudgeForwarder::AddressOf(const std::string& owner) {
  const absl::StatusOr<std::optional<LeaseHolder>> holder = find_(owner);
  if (!holder.ok()) return absl::UnavailableError("the store did not say where it is");
  if (!holder->has_value() || !(*holder)->is_current) {
    return absl::NotFoundError("its lease is over, and another instance takes the saga");
  }
  std::string address = CallAddressIn((*holder)->address);
  RETURN_IF_ERROR(CheckTarget(address));
  RETURN_IF_ERROR(Transport::CheckTargetOf("advertise", address));
  return address;
}

void NudgeForwarder::Ask(ForeignNudge nudge, const std::string& address) {
  auto asked = std::make_shared<Asked>();
  asked->context->set_deadline(absl::ToChronoTime(absl::Now() + kWaitMax));
  asked->context->AddMetadata(kForwardedByHeader, instance_);
  asked->request.set_saga_id(nudge.saga_id);
  asked->request.set_step(nudge.step);
  asked->nudge = std::move(nudge);
  series_.started->Increment();
  const auto stub = v1::NudgeService::NewStub(ChannelTo(asked->nudge.owner, address).Get());
  stub->async()->Nudge(asked->context.get(), &asked->request, &asked->response,
                       [this, asked, address, begun = SteadyNow()](const grpc::Status& end) {
                         series_.Finish(end.error_code(), SteadyNow() - begun);
                         asked->context.reset();  // before End: it holds the channel
                         End(asked->nudge, ReadAnswer(FromGrpc(end), asked->nudge, address));
                       });
}

void NudgeForwarder::End(const ForeignNudge& nudge, absl::Status status) {
  nudge.answered(std::move(status));
  calls_.End();
}

RenewedChannel& NudgeForwarder::ChannelTo(const std::string& owner, const std::string& address) {
  if (routes_.size() >= kRoutesMax && routes_.count(owner) == 0) routes_.clear();
  Route& route = routes_[owner];
  if (route.address != address) route = {address, std::make_unique<RenewedChannel>(address)};
  return *route.channel;
}

}  // namespace unwind
