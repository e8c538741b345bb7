#include "tests/sim/nudges.h"

#include "common/rpc/error.h"
#include "saga/participant/v1/nudge_service.pb.h"

namespace unwind::sim {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(2);
constexpr absl::Duration kLaterMax = absl::Seconds(20);

}  // namespace

void Nudges::Tell(Node from, const std::string& saga_id, const std::string& step) {
  if (faults_.Strikes(Fault::kNudgeLost, 0.8)) return;
  ::saga::participant::v1::NudgeRequest request;
  request.set_saga_id(saga_id);
  request.set_step(step);
  if (faults_.Strikes(Fault::kNudgeStray, 0.3)) {
    world_.dice().Chance(0.5) ? request.set_saga_id("nobody") : request.set_step("reserve_stock");
  }
  const std::string bytes = request.SerializeAsString();
  const int copies = faults_.Strikes(Fault::kNudgeTwice, 0.5) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    // At once: before the pending answer is heard.
    const absl::Duration after = faults_.Strikes(Fault::kNudgeEarly, 0.5)
                                     ? absl::ZeroDuration()
                                     : world_.dice().Spread(absl::Milliseconds(1), kLaterMax);
    world_.In(after, [this, from, bytes] {
      const bool to_b = orchestrators_ > 1 && world_.dice().Chance(0.5);
      Send(from, to_b ? Node::kOrchestratorB : Node::kOrchestratorA, bytes, orchestrators_ > 1);
    });
  }
}

void Nudges::Send(Node from, Node to, const std::string& bytes, bool forwards) {
  network_.Call(from, to, {kNudge, bytes, {}, kTimeout}, [this, from, to, bytes, forwards](const Reply& reply) {
    if (reply.status.ok()) faults_.tally().Count(Outcome::kNudged);
    if (GetErrorInfo(reply.status).reason != "SAGA_ELSEWHERE") return;
    faults_.tally().Count(Outcome::kNudgedElsewhere);
    if (forwards) Send(from, to == Node::kOrchestratorA ? Node::kOrchestratorB : Node::kOrchestratorA, bytes, false);
  });
}

}  // namespace unwind::sim
