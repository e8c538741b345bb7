// unwind_sim: runs a range of seeds and says what happened; or one, and tells its story.
#include <sys/resource.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "nlohmann/json.hpp"
#include "tests/sim/simulation.h"

ABSL_FLAG(std::string, seeds, "1..100", "The seeds to run, first..last.");
ABSL_FLAG(std::uint64_t, seed, 0, "One seed instead.");
ABSL_FLAG(int, sagas, 50, "Orders placed in each seed.");
ABSL_FLAG(bool, trace, false, "Tell the story of each seed.");
ABSL_FLAG(bool, json, false, "Print the summary as one JSON line too.");
ABSL_FLAG(std::string, bug, "none", "A bug to simulate with, to see it found: see tests/sim/bug.h.");
ABSL_FLAG(int, failures_max, 3, "Failing seeds after which it stops.");
ABSL_FLAG(int, every_kind_from, 300,
          "From so many seeds on, a kind of fault or outcome that never occurred is a failure.");
ABSL_DECLARE_FLAG(std::string, log_level);

namespace unwind::sim {
namespace {

constexpr absl::Duration kWordEvery = absl::Seconds(30);  // of progress, on stderr

constexpr char kUsage[] =
    "unwind_sim: the whole product on a simulated network, clock and store, one world a seed.\n\n"
    "  unwind_sim --seeds=1..1000 [--sagas=50] [--json]\n"
    "  unwind_sim --seed=123 --trace";

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool ReadSeeds(std::uint64_t& first, std::uint64_t& last) {
  if (const std::uint64_t seed = absl::GetFlag(FLAGS_seed); seed != 0) {
    first = last = seed;
    return true;
  }
  const std::vector<std::string> ends = absl::StrSplit(absl::GetFlag(FLAGS_seeds), "..");
  return ends.size() == 2 && absl::SimpleAtoi(ends[0], &first) && absl::SimpleAtoi(ends[1], &last) && first <= last;
}

bool ReadBug(Bug& bug) {
  const std::string name = absl::GetFlag(FLAGS_bug);
  bug = Bug::kNone;
  if (name == NameOf(bug)) return true;
  for (const Bug each : kBugs) {
    if (name == NameOf(each)) {
      bug = each;
      return true;
    }
  }
  return false;
}

struct Summary {
  Tally tally;
  double cpu_seconds = 0;
  int failures = 0;
  std::vector<std::string> never;  // kinds that did not occur
};

template <class Kind, std::size_t kKinds>
void PrintKinds(const char* title, const std::array<std::int64_t, kKinds>& counts, Summary& summary) {
  std::printf("%s\n", title);
  for (std::size_t i = 0; i < kKinds; ++i) {
    const char* const name = NameOf(static_cast<Kind>(i));
    std::printf("  %-28s %12lld\n", name, static_cast<long long>(counts[i]));
    if (counts[i] == 0) summary.never.emplace_back(name);
  }
}

void Print(Summary& summary) {
  const Tally& tally = summary.tally;
  PrintKinds<Fault>("faults that struck", tally.faults, summary);
  PrintKinds<Outcome>("what came of it", tally.outcomes, summary);
  std::printf("%lld seeds, %lld sagas, %lld messages, %lld replayed, %lld events, %.1f simulated hours\n",
              static_cast<long long>(tally.seeds), static_cast<long long>(tally.sagas),
              static_cast<long long>(tally.messages), static_cast<long long>(tally.replayed),
              static_cast<long long>(tally.events), tally.simulated_seconds / 3600);
  std::printf("%.1f CPU-seconds, %.0f sagas per CPU-second, %d failing seeds\n", summary.cpu_seconds,
              static_cast<double>(tally.sagas) / summary.cpu_seconds, summary.failures);
}

void PrintJson(const Summary& summary) {
  nlohmann::ordered_json line;
  line["seeds"] = summary.tally.seeds;
  line["sagas"] = summary.tally.sagas;
  line["messages"] = summary.tally.messages;
  line["failing_seeds"] = summary.failures;
  line["cpu_seconds"] = summary.cpu_seconds;
  line["sagas_per_cpu_second"] = static_cast<double>(summary.tally.sagas) / summary.cpu_seconds;
  for (std::size_t i = 0; i < kFaults; ++i) line["faults"][NameOf(static_cast<Fault>(i))] = summary.tally.faults[i];
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    line["outcomes"][NameOf(static_cast<Outcome>(i))] = summary.tally.outcomes[i];
  }
  std::printf("%s\n", line.dump().c_str());
}

void PrintFailure(const std::string& program, std::uint64_t seed, const SimulationResult& result) {
  std::printf("seed %llu FAILS:\n", static_cast<unsigned long long>(seed));
  for (const std::string& violation : result.violations) std::printf("  %s\n", violation.c_str());
  const std::string bug = absl::GetFlag(FLAGS_bug);
  std::printf("replay it: %s --seed=%llu --sagas=%d%s --trace\n", program.c_str(),
              static_cast<unsigned long long>(seed), absl::GetFlag(FLAGS_sagas),
              bug == "none" ? "" : absl::StrCat(" --bug=", bug).c_str());
}

int Run(const std::string& program) {
  std::uint64_t first = 0, last = 0;
  SimulationOptions options;
  if (!ReadSeeds(first, last) || !ReadBug(options.bug) || absl::GetFlag(FLAGS_sagas) < 1) {
    std::fprintf(stderr, "%s\n", kUsage);
    return 2;
  }
  options.sagas = absl::GetFlag(FLAGS_sagas);
  options.tells = absl::GetFlag(FLAGS_trace);
  Shop shop;
  Summary summary;
  const double began = CpuSeconds();
  absl::Time next_word = absl::Now() + kWordEvery;
  for (std::uint64_t seed = first; seed <= last && summary.failures < absl::GetFlag(FLAGS_failures_max); ++seed) {
    options.seed = seed;
    const SimulationResult result = Simulate(shop, options);
    std::fputs(result.story.c_str(), stdout);
    if (options.tells)
      std::printf("seed %llu, hash %016llx\n", static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(result.hash));
    summary.tally.Add(result.tally);
    if (absl::Now() >= next_word) {
      std::fprintf(stderr, "  seed %llu of %llu..%llu: %lld sagas, %d failing seeds\n",
                   static_cast<unsigned long long>(seed), static_cast<unsigned long long>(first),
                   static_cast<unsigned long long>(last), static_cast<long long>(summary.tally.sagas),
                   summary.failures);
      next_word = absl::Now() + kWordEvery;
    }
    if (result.violations.empty()) continue;
    ++summary.failures;
    PrintFailure(program, seed, result);
  }
  summary.cpu_seconds = CpuSeconds() - began;
  Print(summary);
  if (absl::GetFlag(FLAGS_json)) PrintJson(summary);
  const bool judged = summary.tally.seeds >= absl::GetFlag(FLAGS_every_kind_from);
  for (const std::string& kind : summary.never) {
    if (judged) std::printf("NEVER OCCURRED: %s\n", kind.c_str());
  }
  return summary.failures > 0 || (judged && !summary.never.empty()) ? 1 : 0;
}

}  // namespace
}  // namespace unwind::sim

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a run that is ended from outside has said what it knew
  unwind::ParseFlagsOnly(argc, argv, unwind::sim::kUsage);
  absl::SetFlag(&FLAGS_log_level, "none");
  unwind::InitLog("unwind_sim");
  return unwind::sim::Run(argv[0]);
}
