#include "tests/sim/faults.h"

namespace unwind::sim {
namespace {

constexpr double kOnPercent[] = {10, 30, 50, 80};  // how much of the swarm a seed has

constexpr std::array<const char*, kFaults> kFaultNames = {
    "message lost",
    "message duplicated",
    "message comes again",
    "message long delayed",
    "message overtaken",
    "partition",
    "connection ends",
    "orchestrator crash",
    "orchestrator paused",
    "zombie orchestrator",
    "order_svc crash",
    "stock_svc crash",
    "payment_svc crash",
    "depot crash",
    "coupon_svc crash",
    "wallet_svc crash",
    "gateway crash",
    "crash before commit",
    "crash after commit",
    "slow service",
    "participant asks to wait",
    "refusal under another code",
    "queue full",
    "mail lost",
    "commit torn, not stored",
    "commit torn, stored",
    "commit torn, lands late",
    "load fails",
    "store away",
    "store blocks, then stores",
    "store blocks, then fails",
    "store blocks, stores unsaid",
    "store refuses all writes",
    "store refuses a saga",
    "database busy",
    "database commit unknown",
    "clock forward",
    "clock back",
    "card declined",
    "gateway silent",
    "capture finished later",
    "parcel never packed",
    "nudge lost",
    "nudge twice",
    "nudge early",
    "nudge astray",
    "buyer retries",
    "buyer leaves",
    "same key, other body",
    "buyer cancels",
    "customer never pays",
    "customer pays late",
    "customer pays twice",
    "customer cancels",
    "saga cancelled",
    "step retried by a person",
    "poisoned step",
    "policy switched on",
    "definition paused",
};

constexpr std::array<const char*, kOutcomes> kOutcomeNames = {
    "completed",
    "aborted",
    "parked",
    "resolved: happened",
    "resolved: never",
    "taken over",
    "fenced",
    "stale reply",
    "stale epoch",
    "row moved",
    "key reused",
    "attached",
    "cancelled",
    "deadline",
    "timeout",
    "overloaded",
    "told still running",
    "told the store is away",
    "order cancelled",
    "stock not enough",
    "product not found",
    "order already exists",
    "payment failed",
    "payment timeout",
    "step compensated",
    "parked step retried",
    "claimed",
    "taken from its owner",
    "quarantined",
    "quarantined saga moved on",
    "shed from memory",
    "found from before the policy",
    "pause held",
    "told of a pause",
    "told: not finished",
    "wait decided",
    "not finished in time",
    "payment expired",
    "payment cancelled",
    "told for now",
    "nudge taken",
    "nudge elsewhere",
    "told: paid already",
    "told: paid too late",
    "attempt declined",
    "attempt open",
    "follower born",
    "follower born parked",
    "born of one who knows it not",
    "definition learnt",
};

}  // namespace

const char* NameOf(Fault fault) { return kFaultNames[static_cast<std::size_t>(fault)]; }
const char* NameOf(Outcome outcome) { return kOutcomeNames[static_cast<std::size_t>(outcome)]; }

void Tally::Add(const Tally& other) {
  for (std::size_t i = 0; i < kFaults; ++i) faults[i] += other.faults[i];
  for (std::size_t i = 0; i < kOutcomes; ++i) outcomes[i] += other.outcomes[i];
  seeds += other.seeds;
  sagas += other.sagas;
  messages += other.messages;
  replayed += other.replayed;
  events += other.events;
  simulated_seconds += other.simulated_seconds;
}

Faults::Faults(World& world) : world_(world) {
  const double on = kOnPercent[world_.dice().Between(0, 3)] / 100;
  for (double& intensity : intensity_) {
    const bool drawn = world_.dice().Chance(on);
    const double strength = world_.dice().Spread(0.02, 1.0);
    intensity = drawn ? strength : 0;
  }
}

bool Faults::Strikes(Fault fault, double most) {
  if (!on(fault) || !world_.dice().Chance(intensity(fault) * most)) return false;
  Count(fault);
  return true;
}

}  // namespace unwind::sim
