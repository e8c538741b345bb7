#include <algorithm>
#include <future>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/insist.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr absl::Duration kLease = absl::Seconds(2);
constexpr int kRounds = 5;
constexpr absl::Duration kUp = absl::Seconds(4), kDown = absl::Seconds(6);  // of one orchestrator, in each round
constexpr double kRate = 50;
constexpr int kGatewayMillis = 800;  // so that many sagas are under way when an orchestrator dies

absl::StatusOr<std::vector<absl::Time>> KillInTurn(Rig& rig) {
  std::vector<absl::Time> kills;
  for (int i = 0; i < kRounds; ++i) {
    const Node node = i % 2 == 0 ? Node::kOrchestrator : Node::kSecondOrchestrator;
    absl::SleepFor(kUp);
    kills.push_back(absl::Now());
    rig.cluster().Kill(node);
    absl::SleepFor(kDown);
    RETURN_IF_ERROR(rig.cluster().Restart(node));
    Tell(absl::StrCat(NodeName(node), " was killed and is back"));
  }
  return kills;
}

// For every saga that was taken over, the milliseconds from its owner's death until `value` of its takeover's row,
// ascending.
absl::StatusOr<std::vector<double>> MillisSince(Rig& rig, const std::vector<absl::Time>& kills, const char* value) {
  std::vector<double> millis;
  for (std::size_t i = 0; i < kills.size(); ++i) {
    const std::int64_t from = absl::ToUnixNanos(kills[i]);
    const std::int64_t to = absl::ToUnixNanos(kills[i] + kDown);
    ASSIGN_OR_RETURN(const std::vector<std::int64_t> times,
                     rig.Numbers(Node::kOrchestrator, absl::StrCat("SELECT ", value,
                                                                   " FROM saga_event e JOIN saga s ON s.id = e.saga_id"
                                                                   " WHERE e.what = 'taken_over' AND e.at BETWEEN ",
                                                                   from, " AND ", to)));
    for (const std::int64_t time : times) millis.push_back(static_cast<double>(time - from) / 1e6);
  }
  std::sort(millis.begin(), millis.end());
  return millis;
}

}  // namespace

Figures PlayTakeover(const BenchOptions& bench, const std::string& name) {
  const std::vector<std::string> flags = {absl::StrCat("--lease=", absl::FormatDuration(kLease))};
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig,
                   Rig::Start(bench, {.flags = {{Node::kOrchestrator, flags}, {Node::kSecondOrchestrator, flags}},
                                      .two_orchestrators = true}));
  pg::v1::Scenario gateway;
  gateway.set_delay_ms(kGatewayMillis);
  RETURN_IF_ERROR(rig->shop().SetScenario(gateway));
  LoadOptions orders = rig->Orders();
  orders.rate = kRate;
  orders.length = kRounds * (kUp + kDown);
  std::future<LoadResult> load = StartLoad(std::move(orders));
  const auto kills = KillInTurn(*rig);
  const LoadResult result = load.get();
  RETURN_IF_ERROR(kills.status());
  ASSIGN_OR_RETURN(const auto answers, Insist(*rig, result));
  ASSIGN_OR_RETURN(const std::vector<double> taken, MillisSince(*rig, *kills, "e.at"));
  ASSIGN_OR_RETURN(const std::vector<double> over, MillisSince(*rig, *kills, "s.update_time"));

  nlohmann::json row = Describe(bench, name, result);
  row["final_answers"] = answers;
  row["kills"] = kills->size();
  row["taken_over"] = taken.size();
  row["lease_ms"] = absl::ToDoubleMilliseconds(kLease);
  row["taken_over_p50_ms"] = Quantile(taken, 0.50);
  row["taken_over_p99_ms"] = Quantile(taken, 0.99);
  row["over_p99_ms"] = Quantile(over, 0.99);
  PrintLine(name,
            absl::StrFormat("lease %.0f ms, %d kills -9: %d sagas taken over after p50 %.0f, p99 %.0f ms, over "
                            "after p99 %.0f ms; %d calls had to be repeated; told in the end: %s",
                            absl::ToDoubleMilliseconds(kLease), kills->size(), taken.size(), Quantile(taken, 0.50),
                            Quantile(taken, 0.99), Quantile(over, 0.99), result.untold.size(), ToText(answers)));
  return row;
}

}  // namespace unwind
