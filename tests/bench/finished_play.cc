#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "tests/bench/copies.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr char kRetention[] = "--retention=1h";
constexpr absl::Duration kOlderThanThat = absl::Hours(2);
constexpr absl::Duration kPurgePatience = absl::Minutes(3);

absl::StatusOr<nlohmann::json> Measure(const BenchOptions& bench, Rig& rig, const std::string& name) {
  LoadOptions orders = rig.Orders();
  RETURN_IF_ERROR(rig.WarmUp(orders));
  orders.length = bench.length;
  ASSIGN_OR_RETURN(const Snapshot before, rig.Look());
  const LoadResult result = RunLoad(orders);
  RETURN_IF_ERROR(rig.AwaitRest());
  ASSIGN_OR_RETURN(const Snapshot after, rig.Look());
  nlohmann::json row = Describe(bench, name, result);
  DescribeCost(rig, before, after, result, row);
  PrintRow(row);
  return row;
}

double RateRatio(const nlohmann::json& row, const nlohmann::json& of) {
  return Ratio(row["sagas_per_second"].get<double>(), of["sagas_per_second"].get<double>());
}

absl::Status CheckRealBooks(Rig& rig, Copies& copies) {
  RETURN_IF_ERROR(rig.StopAll());
  RETURN_IF_ERROR(copies.Remove());
  return rig.CheckBooks().status();
}

// Waits for the first purge. True if there was one.
absl::StatusOr<bool> AwaitPurge(Copies& copies) {
  Tell("waiting for the first purge, which comes a minute after the start");
  const absl::Time until = absl::Now() + kPurgePatience;
  while (absl::Now() < until) {
    ASSIGN_OR_RETURN(const std::int64_t left, copies.Count());
    if (left < copies.made()) return true;
    absl::SleepFor(absl::Seconds(1));
  }
  return false;
}

}  // namespace

Figures PlayFinished(const BenchOptions& bench, const std::string& name) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench));
  ASSIGN_OR_RETURN(const nlohmann::json empty, Measure(bench, *rig, "none finished before"));
  RETURN_IF_ERROR(rig->StopAll());
  Copies copies(*rig);
  RETURN_IF_ERROR(copies.Make(bench.finished, absl::ZeroDuration()));
  RETURN_IF_ERROR(rig->StartAll());
  ASSIGN_OR_RETURN(nlohmann::json row, Measure(bench, *rig, name));

  ASSIGN_OR_RETURN(const std::int64_t left, copies.Count());
  if (left != copies.made()) {
    return absl::DataLossError(absl::StrCat(name, ": ", left, " of ", copies.made(), " finished sagas are left"));
  }
  RETURN_IF_ERROR(CheckRealBooks(*rig, copies));
  row["finished"] = copies.made();
  row["empty"] = empty;
  row["finished_over_empty"] = RateRatio(row, empty);
  PrintLine("", absl::StrFormat("rate with %d finished / empty %.2f", copies.made(), RateRatio(row, empty)));
  return row;
}

Figures PlayPurge(const BenchOptions& bench, const std::string& name) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench, {.flags = {{Node::kOrchestrator, {kRetention}}}}));
  RETURN_IF_ERROR(rig->WarmUp(rig->Orders()));
  RETURN_IF_ERROR(rig->StopAll());
  Copies copies(*rig);
  RETURN_IF_ERROR(copies.Make(bench.finished, kOlderThanThat));
  RETURN_IF_ERROR(rig->StartAll());
  ASSIGN_OR_RETURN(const nlohmann::json quiet, Measure(bench, *rig, "finished, none purged"));
  ASSIGN_OR_RETURN(const bool purges, AwaitPurge(copies));
  if (!purges) return absl::DeadlineExceededError(absl::StrCat(name, ": nothing is purged"));
  ASSIGN_OR_RETURN(const std::int64_t before, copies.Count());
  ASSIGN_OR_RETURN(nlohmann::json row, Measure(bench, *rig, name));
  ASSIGN_OR_RETURN(const std::int64_t after, copies.Count());
  RETURN_IF_ERROR(CheckRealBooks(*rig, copies));
  row["purged"] = before - after;
  row["quiet"] = quiet;
  row["purging_over_quiet"] = RateRatio(row, quiet);
  PrintLine("",
            absl::StrFormat("rate while %d are purged / while none is %.2f", before - after, RateRatio(row, quiet)));
  return row;
}

}  // namespace unwind
