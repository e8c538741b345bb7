#include <signal.h>

#include <future>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/in_flight.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr int kFirst = 1000;  // what every orchestrator needs anyway
constexpr int kMoreAlone = 10000;
constexpr int kMoreWithCallers = 3000;
constexpr absl::Duration kCallersWait = absl::Minutes(20);
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr absl::Duration kSettle = absl::Seconds(2);

// The orchestrator's memory once `count` sagas have reserved their stock and wait for their charge.
absl::StatusOr<double> MibAt(Rig& rig, int count) {
  RETURN_IF_ERROR(rig.AwaitUnfinished(kPatience, [&](std::int64_t) {
    const auto held = rig.Number(Node::kStock, "SELECT COUNT(*) FROM reservations WHERE state = 1");
    return held.ok() && *held >= count;
  }));
  absl::SleepFor(kSettle);
  return rig.ResidentMib(Node::kOrchestrator);
}

absl::Status LetGo(Rig& rig) {
  rig.cluster().Signal(Node::kPayment, SIGCONT);
  return rig.AwaitRest(kPatience);
}

// Connected before, so that calls hang and do not fail.
absl::Status StopPayments(Rig& rig) {
  RETURN_IF_ERROR(rig.WarmUp(rig.Orders()));
  rig.cluster().Signal(Node::kPayment, SIGSTOP);
  return absl::OkStatus();
}

absl::StatusOr<double> KibAlone(Rig& rig) {
  RETURN_IF_ERROR(StopPayments(rig));
  RETURN_IF_ERROR(StartAndLeave(rig, kFirst));
  ASSIGN_OR_RETURN(const double before, MibAt(rig, kFirst));
  RETURN_IF_ERROR(StartAndLeave(rig, kMoreAlone));
  ASSIGN_OR_RETURN(const double after, MibAt(rig, kFirst + kMoreAlone));
  RETURN_IF_ERROR(LetGo(rig));
  RETURN_IF_ERROR(rig.CheckBooks().status());
  return (after - before) * 1024 / kMoreAlone;
}

std::future<LoadResult> StartAndWait(const Rig& rig, int callers) {
  LoadOptions orders = rig.Orders();
  orders.callers = callers;
  orders.calls = static_cast<std::uint64_t>(callers);
  orders.deadline = kCallersWait;
  return StartLoad(std::move(orders));
}

absl::StatusOr<double> KibWithCallers(Rig& rig) {
  RETURN_IF_ERROR(StopPayments(rig));
  std::future<LoadResult> first = StartAndWait(rig, kFirst);
  const absl::StatusOr<double> before = MibAt(rig, kFirst);
  std::future<LoadResult> more = StartAndWait(rig, kMoreWithCallers);
  const absl::StatusOr<double> after = MibAt(rig, kFirst + kMoreWithCallers);
  const absl::Status gone = LetGo(rig);
  const LoadResult answered = first.get(), answered_too = more.get();
  RETURN_IF_ERROR(before.status());
  RETURN_IF_ERROR(after.status());
  RETURN_IF_ERROR(gone);
  if (!answered.untold.empty() || !answered_too.untold.empty()) return absl::InternalError("callers were not answered");
  RETURN_IF_ERROR(rig.CheckBooks().status());
  return (*after - *before) * 1024 / kMoreWithCallers;
}

}  // namespace

Figures PlayMemory(const BenchOptions& bench, const std::string& name) {
  const TempDir folder;
  ASSIGN_OR_RETURN(const std::string definition, WritePatientOrders(folder));
  std::unique_ptr<Rig> rig;
  ASSIGN_OR_RETURN(rig, Rig::Start(bench, RigFor(definition, kFirst + kMoreAlone)));
  ASSIGN_OR_RETURN(const double alone, KibAlone(*rig));
  rig.reset();
  ASSIGN_OR_RETURN(rig, Rig::Start(bench, RigFor(definition, kFirst + kMoreWithCallers)));
  ASSIGN_OR_RETURN(const double with_callers, KibWithCallers(*rig));
  PrintLine(name, absl::StrFormat("beyond the first %d: %.1f KiB each of %d whose callers left, %.1f KiB each of %d "
                                  "whose callers wait",
                                  kFirst, alone, kMoreAlone, with_callers, kMoreWithCallers));
  return nlohmann::json{{"scenario", name}, {"kib_per_saga", alone}, {"kib_per_saga_with_caller", with_callers}};
}

}  // namespace unwind
