#include "tests/bench/scenarios.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr char kHeadline[] = "128 callers";

struct Scenario {
  std::string name;
  std::function<Figures(const std::string& name, const Headline& headline)> play;
  bool in_quick = false;
  bool needs_headline = false;  // compares itself with it
  bool on_request = false;      // only if --only chooses it
};

class Program {
 public:
  explicit Program(const BenchOptions& bench) : bench_(bench) {
    AddLoads();
    AddWhatHappensUnderLoad();
    if (bench.on_postgres) AddOutages();
  }

  // In the order in which they are played.
  std::vector<Scenario> Chosen() const {
    std::vector<Scenario> chosen;
    for (const Scenario& scenario : all_) {
      const bool by_default = bench_.only.empty() && !scenario.on_request;
      const bool by_name = !bench_.only.empty() && absl::StrContains(scenario.name, bench_.only);
      if ((by_default || by_name) && (!bench_.quick || scenario.in_quick)) chosen.push_back(scenario);
    }
    const auto needs = [](const Scenario& scenario) { return scenario.needs_headline; };
    const bool is_there = !chosen.empty() && chosen.front().name == kHeadline;
    if (!is_there && std::any_of(chosen.begin(), chosen.end(), needs)) chosen.insert(chosen.begin(), all_.front());
    return chosen;
  }

  std::string Names() const {
    return absl::StrJoin(all_, ", ", [](std::string* out, const Scenario& scenario) { *out += scenario.name; });
  }

 private:
  void AddLoad(const std::string& name, const Load& load, bool in_quick = false) {
    all_.push_back({.name = name,
                    .play = [this, load](const std::string& as, const Headline&) { return PlayLoad(bench_, as, load); },
                    .in_quick = in_quick});
  }

  void AddLoads() {
    AddLoad(kHeadline, {}, /*in_quick=*/true);
    AddLoad("50 a second", {.rate = 50}, /*in_quick=*/true);
    AddLoad("1 caller", {.callers = 1});
    AddLoad("4 callers", {.callers = 4});
    AddLoad("16 callers", {.callers = 16});
    AddLoad("64 callers", {.callers = 64});
    AddLoad("256 callers", {.callers = 256});
    AddCompared("one hot product", PlayHotProduct);
    AddLoad("10 % of payments fail", {.fail_percent = 10});
    AddLoad("30 % of payments fail", {.fail_percent = 30});
    AddLoad("sold out", {.sold_out = true});
    AddLoad("two orchestrators", {.two_orchestrators = true});
    AddCompared("three times too much", PlayOverload);
  }

  void AddWhatHappensUnderLoad() {
    Add(absl::StrCat(bench_.finished, " finished"), PlayFinished);
    Add("old sagas being purged", PlayPurge, /*on_request=*/true);
    for (const int in_flight : bench_.in_flight) {
      all_.push_back({.name = absl::StrCat("recovery of ", in_flight),
                      .play = [this, in_flight](
                                  const std::string& as,
                                  const Headline& headline) { return PlayRecovery(bench_, as, in_flight, headline); },
                      .needs_headline = true});
    }
    Add("takeover", PlayTakeover);
    Add("tracing", PlayTracing, /*on_request=*/true);
    Add("the gateway is slow", PlaySlowParticipant);
    Add("memory in flight", PlayMemory);
    Add(absl::StrCat(bench_.waiting, " waiting"), PlayWaiting);
    Add(absl::StrCat(bench_.finished, " at rest"), PlayAtRest, /*on_request=*/true);
  }

  void AddOutages() {
    Add("PostgreSQL stopped 30 s", PlayPostgresStopped);
    Add("PostgreSQL killed", PlayPostgresKilled);
  }

  void Add(const std::string& name, Figures (*play)(const BenchOptions&, const std::string&), bool on_request = false) {
    all_.push_back({.name = name,
                    .play = [this, play](const std::string& as, const Headline&) { return play(bench_, as); },
                    .on_request = on_request});
  }

  void AddCompared(const std::string& name, Figures (*play)(const BenchOptions&, const std::string&, const Headline&)) {
    all_.push_back(
        {.name = name,
         .play = [this, play](const std::string& as, const Headline& headline) { return play(bench_, as, headline); },
         .needs_headline = true});
  }

  const BenchOptions& bench_;
  std::vector<Scenario> all_;
};

}  // namespace

absl::Status RunScenarios(const BenchOptions& options, nlohmann::json& json) {
  const Program program(options);
  const std::vector<Scenario> chosen = program.Chosen();
  if (chosen.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no scenario has '", options.only, "' in its name; there are: ", program.Names()));
  }
  Headline headline;
  std::vector<std::string> failed;
  PrintHead();
  for (const Scenario& scenario : chosen) {
    Tell(scenario.name);
    const bool lacks_headline = scenario.needs_headline && headline.per_second == 0;
    const Figures row = lacks_headline ? absl::FailedPreconditionError("there is no headline to compare with")
                                       : scenario.play(scenario.name, headline);
    if (!row.ok()) {
      std::cerr << "FAILED  " << scenario.name << ": " << row.status().message() << "\n";
      failed.push_back(scenario.name);
      continue;
    }
    if (scenario.name == kHeadline) {
      headline = {.per_second = (*row)["sagas_per_second"].get<double>(), .p99_millis = (*row)["p99_ms"].get<double>()};
      for (const char* key : {"sagas_per_second", "ratio", "p50_ms", "p95_ms", "p99_ms"}) json[key] = (*row)[key];
      PrintParts((*row)["cpu_micros_per_saga"]);
    }
    json["scenarios"].push_back(*row);
  }
  json["failed"] = failed;
  if (failed.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("these scenarios failed: ", absl::StrJoin(failed, ", ")));
}

}  // namespace unwind
