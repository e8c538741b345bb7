// unwind_crash: real processes that die at every named place, in every step and phase of what the shop does, and are
// started again. Exit 0 only if every place was reached and everything was as it must be every time.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/flags.h"
#include "nlohmann/json.hpp"
#include "tests/crash/stage.h"

ABSL_FLAG(std::string, part, "",
          "Only the cases of plain orders in which orchestrator, participant, gateway or several die, or those of "
          "tender, follow, checkout, cancel or charge; empty: all.");
ABSL_FLAG(bool, brief, false, "Of the cases of what is no plain order, those that differ in more than their step.");
ABSL_FLAG(std::string, only, "", "Only the cases whose name contains this.");
ABSL_FLAG(std::string, place, "", "Play only this place, in --tale: POINT@STEP/PHASE.");
ABSL_FLAG(std::string, tale, "paid",
          "The tale of --place, such as paid, declined or checkout: see tests/crash/tales.h.");
ABSL_FLAG(int, seeds, 0, "Play every case in so many crowds, each drawn by its seed; 0: once, with a single order.");
ABSL_FLAG(int, first_seed, 1, "The first of the seeds.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of this run's own.");
ABSL_FLAG(std::string, bin_dir, "", "Folder of the programs; empty: the folder of this one.");
ABSL_FLAG(int, jobs, 4, "Play so many cases at once, each on a cluster of its own.");
ABSL_FLAG(bool, keep, false, "Keep the databases and logs.");

namespace unwind {
namespace {

struct Totals {
  int cases = 0, unreached = 0, violations = 0, deaths = 0, clients = 0, done = 0;
  std::map<std::string, int> reached;  // by the place's name without its call
  std::vector<std::string> failures;
};

bool OnPostgres() { return absl::GetFlag(FLAGS_store) == "postgres"; }

// On PostgreSQL a turn is one statement, which a process cannot die within.
bool IsPlayable(const CrashCase& which) {
  return !OnPostgres() || !absl::StrContains(NameOf(which), "orchestrator.in_commit");
}

std::vector<CrashCase> ChosenCases() {
  if (const std::string place = absl::GetFlag(FLAGS_place); !place.empty()) {
    for (const TaleFacts& facts : AllTales()) {
      if (absl::GetFlag(FLAGS_tale) == facts.name) {
        return {{.part = "", .tale = facts.tale, .acts = {{place}}, .stands_for = ""}};
      }
    }
    return {};
  }
  std::vector<CrashCase> cases = absl::GetFlag(FLAGS_brief) ? BriefCases() : AllCases();
  const std::string part = absl::GetFlag(FLAGS_part), only = absl::GetFlag(FLAGS_only);
  std::erase_if(cases, [&](const CrashCase& which) {
    return (!part.empty() && which.part != part) || !absl::StrContains(NameOf(which), only) || !IsPlayable(which);
  });
  return cases;
}

void Note(const CrashCase& which, const CaseResult& result, int seed, Totals& totals) {
  const std::string name = seed == 0 ? NameOf(which) : absl::StrCat(NameOf(which), " (seed ", seed, ")");
  std::string verdict = "as it must be";
  if (!result.wrong.empty()) {
    ++totals.violations;
    verdict = "WRONG: " + result.wrong;
  } else if (!result.reached) {
    ++totals.unreached;
    verdict = "NOT REACHED: no process died at every place of this case";
  }
  if (result.wrong.empty() && result.reached) {
    for (const auto& act : which.acts) {
      for (const std::string& place : act) ++totals.reached[place.substr(0, place.find('@'))];
    }
  } else {
    totals.failures.push_back(absl::StrCat(name, ": ", verdict));
  }
  ++totals.cases;
  totals.deaths += result.deaths;
  totals.clients += result.clients;
  totals.done += result.done;
  std::printf("  %5.0f ms  %2d deaths  %2d of %2d done  %s: %s\n", absl::ToDoubleMilliseconds(result.took),
              result.deaths, result.done, result.clients, name.c_str(), verdict.c_str());
}

// Its seed's crowd of a case is the same whatever else is played.
std::mt19937_64 RandomOf(int seed, const CrashCase& which) {
  const std::string text = absl::StrCat(seed, " ", NameOf(which));
  std::seed_seq mixed(text.begin(), text.end());
  return std::mt19937_64(mixed);
}

// The cases once, side by side: most of their time is waiting.
class Players {
 public:
  Players(const ClusterOptions& options, std::vector<CrashCase> cases, int seed, Totals& totals)
      : options_(options), cases_(std::move(cases)), seed_(seed), totals_(totals) {}

  // False: a cluster could not be started.
  bool Play() {
    const std::size_t most = (cases_.size() + kCasesMin - 1) / kCasesMin;
    std::vector<std::thread> threads;
    while (threads.size() < std::min(most, static_cast<std::size_t>(absl::GetFlag(FLAGS_jobs)))) {
      threads.emplace_back([this] { PlayOnOneCluster(); });
    }
    for (std::thread& thread : threads) thread.join();
    return error_.ok();
  }

 private:
  static constexpr std::size_t kCasesMin = 4;  // of a cluster, whose start takes longer than most cases

  // One after the other of those that nobody plays yet. On a new cluster after a violation, which would be found in
  // every later audit too, and from the first case whose checkouts wait another time.
  void PlayOnOneCluster() {
    std::unique_ptr<CrashStage> stage;
    Patience patience = Patience::kLong;
    while (const CrashCase* const which = Next()) {
      if (stage != nullptr && patience != PatienceOf(which->tale)) stage.reset();
      if (stage == nullptr) {
        patience = PatienceOf(which->tale);
        auto started = CrashStage::Start(options_, patience);
        if (!started.ok()) return GiveUp(started.status());
        stage = *std::move(started);
      }
      std::mt19937_64 random = RandomOf(seed_, *which);
      const CaseResult result = seed_ == 0 ? stage->Play(*which) : stage->PlayInCrowd(*which, random);
      const std::lock_guard lock(mutex_);
      Note(*which, result, seed_, totals_);
      if (result.wrong.empty()) continue;
      std::printf("  (its databases and logs: %s, with --keep)\n", stage->scratch().c_str());
      stage.reset();
    }
  }

  // Null: all are played or under way.
  const CrashCase* Next() {
    const std::lock_guard lock(mutex_);
    return next_ == cases_.size() || !error_.ok() ? nullptr : &cases_[next_++];
  }

  void GiveUp(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    std::cerr << status.message() << "\n";
    error_ = status;
  }

  const ClusterOptions& options_;
  const std::vector<CrashCase> cases_;
  const int seed_;
  std::mutex mutex_;
  Totals& totals_;  // with all below guarded by mutex_
  std::size_t next_ = 0;
  absl::Status error_;
};

// In an order that the seed shuffles; at last those that need another cluster.
bool PlayAll(const ClusterOptions& options, std::vector<CrashCase> cases, int seed, Totals& totals) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  if (seed != 0) std::shuffle(cases.begin(), cases.end(), random);
  std::stable_partition(cases.begin(), cases.end(),
                        [](const CrashCase& which) { return PatienceOf(which.tale) == Patience::kLong; });
  return Players(options, std::move(cases), seed, totals).Play();
}

int Report(const Totals& totals, absl::Duration took) {
  std::printf("\n  %-30s %s\n", "place", "died there, in how many calls and combinations");
  for (const auto& [place, times] : totals.reached) std::printf("  %-30s %d\n", place.c_str(), times);
  for (const std::string& failure : totals.failures) std::printf("FAILED  %s\n", failure.c_str());
  const bool ok = totals.failures.empty() && totals.cases > 0;
  if (totals.cases == 0) std::printf("FAILED  there is no such case: nothing was played\n");
  std::printf("%d cases, %d deaths, %d clients (%d done), %d places not reached, %d violations, %.1f s\n", totals.cases,
              totals.deaths, totals.clients, totals.done, totals.unreached, totals.violations,
              absl::ToDoubleSeconds(took));
  const nlohmann::json json = {{"crash",
                                {{"cases", totals.cases},
                                 {"deaths", totals.deaths},
                                 {"clients", totals.clients},
                                 {"done", totals.done},
                                 {"places", totals.reached},
                                 {"unreached", totals.unreached},
                                 {"violations", totals.violations},
                                 {"store", absl::GetFlag(FLAGS_store)},
                                 {"seeds", absl::GetFlag(FLAGS_seeds)},
                                 {"seconds", absl::ToDoubleSeconds(took)}}},
                               {"ok", ok}};
  std::printf("%s\n", json.dump().c_str());
  return ok ? 0 : 1;
}

int Main(const std::string& program) {
  const std::string here = program.substr(0, program.rfind('/'));
  if (const std::string store = absl::GetFlag(FLAGS_store); store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  if (absl::GetFlag(FLAGS_jobs) < 1) {
    std::cerr << "--jobs must be 1 or more\n";
    return 1;
  }
  ClusterOptions options;
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? here : absl::GetFlag(FLAGS_bin_dir);
  options.postgres = OnPostgres();
  options.keep_scratch = absl::GetFlag(FLAGS_keep);
  const absl::Time start = absl::Now();
  const std::vector<CrashCase> cases = ChosenCases();
  const int seeds = absl::GetFlag(FLAGS_seeds), first = absl::GetFlag(FLAGS_first_seed);
  Totals totals;
  if (seeds == 0) {
    if (!PlayAll(options, cases, 0, totals)) return 1;
  }
  for (int seed = first; seed < first + seeds; ++seed) {
    if (!PlayAll(options, cases, seed, totals)) return 1;
  }
  return Report(totals, absl::Now() - start);
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  unwind::ParseFlagsOnly(argc, argv,
                         "Kills the shop's processes at every named place of their code, in every step and phase of "
                         "what they do, starts them again, and audits the books.");
  return unwind::Main(argv[0]);
}
