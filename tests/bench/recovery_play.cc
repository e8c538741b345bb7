#include <signal.h>

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

constexpr double kSlowestPerSecond = 20;  // of a drain that is still waited for

// What the sagas' own rows say, in seconds after the kill.
struct Recovery {
  std::int64_t resumed = 0;  // sagas
  double first_progress = 0, all_resumed = 0, drained = 0;
};

absl::StatusOr<Recovery> ReadRecovery(Rig& rig, absl::Time killed) {
  const std::int64_t since = absl::ToUnixNanos(killed);
  const auto seconds = [&](const std::string& sql) -> absl::StatusOr<double> {
    ASSIGN_OR_RETURN(const std::int64_t at, rig.Number(Node::kOrchestrator, sql));
    return static_cast<double>(at - since) / 1e9;
  };
  const auto events = [&](const std::string& value, const std::string& what) {
    return absl::StrCat("SELECT ", value, " FROM saga_event WHERE what = '", what, "' AND at >= ", since);
  };
  Recovery recovery;
  ASSIGN_OR_RETURN(recovery.resumed, rig.Number(Node::kOrchestrator, events("COUNT(*)", "taken_over")));
  ASSIGN_OR_RETURN(recovery.first_progress, seconds(events("MIN(at)", "replied")));
  ASSIGN_OR_RETURN(recovery.all_resumed, seconds(events("MAX(at)", "taken_over")));
  ASSIGN_OR_RETURN(recovery.drained, seconds("SELECT MAX(update_time) FROM saga"));
  return recovery;
}

}  // namespace

// They stand before their first step, so that what is left of them is a whole saga, as the headline's are.
Figures PlayRecovery(const BenchOptions& bench, const std::string& name, int in_flight, const Headline& headline) {
  const TempDir folder;
  ASSIGN_OR_RETURN(const std::string definition, WritePatientOrders(folder));
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench, RigFor(definition, in_flight)));
  RETURN_IF_ERROR(rig->WarmUp(rig->Orders()));  // connected, so that calls hang and do not fail
  Cluster& cluster = rig->cluster();
  cluster.Signal(Node::kOrder, SIGSTOP);
  RETURN_IF_ERROR(StartAndLeave(*rig, in_flight));
  const absl::Time killed = absl::Now();
  cluster.Kill(Node::kOrchestrator);
  cluster.Signal(Node::kOrder, SIGCONT);
  RETURN_IF_ERROR(cluster.Restart(Node::kOrchestrator));
  RETURN_IF_ERROR(rig->AwaitRest(absl::Minutes(1) + absl::Seconds(in_flight / kSlowestPerSecond)));
  ASSIGN_OR_RETURN(const AuditReport books, rig->CheckBooks());
  ASSIGN_OR_RETURN(const Recovery recovery, ReadRecovery(*rig, killed));

  const double rate = Ratio(in_flight, recovery.drained);
  nlohmann::json row = {{"scenario", name},
                        {"sagas_per_second", rate},
                        {"limit", bench.limit},
                        {"ratio", Ratio(rate, bench.limit)},
                        {"in_flight", in_flight},
                        {"resumed", recovery.resumed},
                        {"first_progress_seconds", recovery.first_progress},
                        {"all_resumed_seconds", recovery.all_resumed},
                        {"drained_seconds", recovery.drained},
                        {"drain_over_headline", Ratio(rate, headline.per_second)},
                        {"undone", books.sagas_aborted},
                        {"peak_mib", {{"orchestrator", rig->PeakMib(Node::kOrchestrator)}}}};
  PrintLine(name,
            absl::StrFormat("after kill -9: first progress %.2f s, %d resumed %.2f s, drained %.1f s at %.0f/s, "
                            "drain / headline %.2f; %d undone; orchestrator %.0f MiB at most",
                            recovery.first_progress, recovery.resumed, recovery.all_resumed, recovery.drained, rate,
                            Ratio(rate, headline.per_second), books.sagas_aborted, rig->PeakMib(Node::kOrchestrator)));
  return row;
}

}  // namespace unwind
