#include <algorithm>
#include <future>
#include <random>

#include "absl/functional/function_ref.h"
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

constexpr double kRate = 30;
constexpr absl::Duration kStopped = absl::Seconds(30);
constexpr int kKilledLengths = 12;  // of the bench's length
constexpr int kKillPauseMinMs = 5000, kKillPauseMaxMs = 40000;
constexpr absl::Duration kPatience = absl::Minutes(2);

// Of the sagas that began before `back`.
absl::StatusOr<double> SecondsUntilDrained(Rig& rig, absl::Time back) {
  const std::int64_t since = absl::ToUnixNanos(back);
  ASSIGN_OR_RETURN(
      const std::int64_t over,
      rig.Number(Node::kOrchestrator, absl::StrCat("SELECT MAX(update_time) FROM saga WHERE create_time <= ", since)));
  return std::max(0.0, static_cast<double>(over - since) / 1e9);
}

// `havoc` is what happens to the server under load; it returns when the server was up for good.
Figures PlayHavoc(const BenchOptions& bench, const std::string& name, absl::Duration length,
                  absl::FunctionRef<absl::StatusOr<absl::Time>(PostgresServer&)> havoc) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench));
  LoadOptions orders = rig->Orders();
  orders.rate = kRate;
  orders.length = length;
  std::future<LoadResult> load = StartLoad(std::move(orders));
  const absl::StatusOr<absl::Time> back = havoc(*rig->cluster().postgres());
  const LoadResult result = load.get();
  RETURN_IF_ERROR(back.status());
  RETURN_IF_ERROR(rig->AwaitRest(kPatience));
  ASSIGN_OR_RETURN(const Answers answers, Insist(*rig, result));
  ASSIGN_OR_RETURN(const double drained, SecondsUntilDrained(*rig, *back));

  nlohmann::json row = Describe(bench, name, result);
  row["final_answers"] = answers;
  row["untold"] = result.untold.size();
  row["drained_seconds"] = drained;
  PrintLine(name, absl::StrFormat("%.0f/s: nothing lost, nothing doubled; drained %.1f s after the server was back; %d "
                                  "calls had to be repeated; told in the end: %s",
                                  kRate, drained, result.untold.size(), ToText(answers)));
  return row;
}

}  // namespace

Figures PlayPostgresStopped(const BenchOptions& bench, const std::string& name) {
  return PlayHavoc(bench, name, 2 * bench.length + kStopped, [&](PostgresServer& server) -> absl::StatusOr<absl::Time> {
    absl::SleepFor(bench.length);
    RETURN_IF_ERROR(server.StopNow());
    Tell("PostgreSQL is stopped");
    absl::SleepFor(kStopped);
    RETURN_IF_ERROR(server.StartAgain());
    return absl::Now();
  });
}

Figures PlayPostgresKilled(const BenchOptions& bench, const std::string& name) {
  const absl::Duration length = kKilledLengths * bench.length;
  int kills = 0;
  const auto kill_again_and_again = [&](PostgresServer& server) -> absl::StatusOr<absl::Time> {
    std::mt19937_64 random(bench.seed);
    std::uniform_int_distribution<int> pause(kKillPauseMinMs, kKillPauseMaxMs);
    const absl::Time end = absl::Now() + length;
    absl::Time back = absl::Now();
    for (;;) {
      const absl::Duration next = absl::Milliseconds(pause(random));
      if (back + next >= end) return back;
      absl::SleepFor(next);
      RETURN_IF_ERROR(server.Kill());
      RETURN_IF_ERROR(server.StartAgain());
      back = absl::Now();
      Tell(absl::StrCat("PostgreSQL was killed and is back, kill ", ++kills));
    }
  };
  ASSIGN_OR_RETURN(nlohmann::json row, PlayHavoc(bench, name, length, kill_again_and_again));
  row["kills"] = kills;
  row["seed"] = bench.seed;
  PrintLine("", absl::StrFormat("%d kills -9 of the server, --seed=%d", kills, bench.seed));
  return row;
}

}  // namespace unwind
