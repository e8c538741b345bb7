// unwind_chaos: the five real processes under load, killed, stopped, cut off from each other and started again, at
// random, for as long as it is told; then everything is healed, and the books must be in order. Exit 0 only if they
// are, and if enough happened.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <random>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/flags.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/chaos/buyers.h"
#include "tests/chaos/havoc.h"
#include "tests/support/audit.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

ABSL_FLAG(double, minutes, 1, "How long processes are killed and links are cut.");
ABSL_FLAG(std::uint64_t, seed, 0, "Of every draw; 0: any. It repeats the faults, not how they fall on the calls.");
ABSL_FLAG(int, buyers, 64, "Buyers who place and cancel orders, each one after the other.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of this run's own.");
ABSL_FLAG(std::string, bin_dir, "", "Folder of the five programs; empty: the folder of this one.");
ABSL_FLAG(bool, keep, false, "Keep the databases and logs.");

namespace unwind {
namespace {

constexpr double kSagasPerMinute = 1000;  // the least of an honest run: 10,000 in ten minutes
constexpr double kKillsPerMinute = 10;    // of each kind of process
constexpr double kFaultsPerMinute = 5;    // of each kind, of links
constexpr double kCompletedLeast = 0.2;   // of all sagas
constexpr absl::Duration kRestPatience = absl::Seconds(60);
constexpr absl::Duration kReportEvery = absl::Seconds(30);
constexpr int kProducts = 24;
constexpr int kScarceEvery = 4;  // one product in so many sells out
constexpr std::int64_t kPlenty = 1000000;
constexpr std::int64_t kScarce = 200;
constexpr std::int64_t kPriceMinor = 1000;

struct Result {
  std::uint64_t seed = 0;
  double minutes = 0;
  BuyersReport buyers;
  HavocReport havoc;
  AuditReport audit;
  absl::Duration until_rest;
  std::vector<std::string> failures;

  double completed() const {
    return audit.sagas == 0 ? 0 : static_cast<double>(audit.sagas_completed) / static_cast<double>(audit.sagas);
  }
};

template <typename Count>
void Require(Result& result, const std::string& what, Count count, double per_minute) {
  const double minutes = result.minutes < 1 ? result.minutes / 3 : result.minutes;  // short runs are uneven
  const double least = std::max(1.0, std::floor(per_minute * minutes));
  if (static_cast<double>(count) >= least) return;
  result.failures.push_back(absl::StrFormat("TOO LITTLE HAPPENED: %s %d times, and in %.2f minutes it must be %.0f",
                                            what, count, result.minutes, least));
}

// An empty run proves nothing.
void RequireThatItHappened(Result& result) {
  Require(result, "sagas were started", result.audit.sagas, kSagasPerMinute);
  for (const Node node : kNodes) {
    Require(result, absl::StrCat(NodeName(node), " was killed"), result.havoc.kills[node], kKillsPerMinute);
  }
  Require(result, "a link was delayed", result.havoc.delays, kFaultsPerMinute);
  Require(result, "a link was stalled", result.havoc.stalls, kFaultsPerMinute);
  Require(result, "a link was cut", result.havoc.cuts, kFaultsPerMinute);
  Require(result, "an order was cancelled", result.buyers.cancelled, kFaultsPerMinute);
  Require(result, "a saga was undone", result.audit.sagas_aborted, kFaultsPerMinute);
  if (result.completed() < kCompletedLeast) {
    result.failures.push_back(
        absl::StrFormat("TOO LITTLE HAPPENED: only %.1f %% of the sagas completed, it must be %.0f",
                        100 * result.completed(), 100 * kCompletedLeast));
  }
}

void RequireThatItHolds(Result& result) {
  for (const AuditRule& rule : result.audit.rules) {
    for (const std::string& violation : rule.violations) {
      result.failures.push_back(absl::StrCat("VIOLATED: ", rule.name, ": ", violation));
    }
  }
  for (const std::string& each : result.buyers.contradictions) result.failures.push_back("CONTRADICTED: " + each);
  for (const std::string& each : result.buyers.untold) result.failures.push_back("UNANSWERED: " + each);
}

absl::StatusOr<std::vector<Shelf>> FillShelves(Shop& shop) {
  std::vector<Shelf> shelves;
  for (int i = 0; i < kProducts; ++i) {
    shelves.push_back({absl::StrCat("product-", i), i % kScarceEvery == 0 ? kScarce : kPlenty});
    RETURN_IF_ERROR(shop.Restock(shelves.back().product, shelves.back().pieces, kPriceMinor * (i + 1)));
  }
  return shelves;
}

absl::Status AwaitRest(Shop& shop) {
  absl::StatusOr<int> unfinished = -1;
  const bool rests = Eventually(kRestPatience, [&] {
    unfinished = shop.Unfinished();
    return unfinished.ok() && *unfinished == 0;
  });
  if (rests) return absl::OkStatus();
  RETURN_IF_ERROR(unfinished.status());
  return absl::DeadlineExceededError(absl::StrCat(*unfinished, " sagas are not over ",
                                                  absl::FormatDuration(kRestPatience), " after everything was healed"));
}

absl::Status MakeHavoc(Havoc& havoc, const Buyers& buyers, absl::Duration length) {
  const absl::Time end = absl::Now() + length;
  absl::Time next_report = absl::Now() + kReportEvery;
  absl::Status status;
  Eventually(length, [&] {
    status = havoc.Tick();
    if (absl::Now() >= next_report) {
      int kills = 0;
      for (const auto& [node, count] : havoc.report().kills) kills += count;
      std::printf("  %4.1f minutes to go: %d orders, %d kills\n",
                  std::max(0.0, absl::ToDoubleMinutes(end - absl::Now())), buyers.orders(), kills);
      next_report += kReportEvery;
    }
    return !status.ok();
  });
  return status;
}

absl::Status Run(Cluster& cluster, FaultProxy& proxy, const Links& links, Result& result) {
  Shop shop(cluster);
  ASSIGN_OR_RETURN(std::vector<Shelf> shelves, FillShelves(shop));
  Havoc havoc(cluster, proxy, links, result.seed);
  Buyers buyers(cluster.Address(Node::kOrchestrator), absl::GetFlag(FLAGS_buyers), std::move(shelves), result.seed);
  const absl::Status havoc_made = MakeHavoc(havoc, buyers, absl::Minutes(result.minutes));
  result.havoc = havoc.report();
  RETURN_IF_ERROR(havoc_made);
  std::printf("Healing: every link works, every process runs.\n");
  const absl::Time healed = absl::Now();
  RETURN_IF_ERROR(havoc.Heal());
  buyers.Finish(kRestPatience);
  RETURN_IF_ERROR(AwaitRest(shop));
  result.until_rest = absl::Now() - healed;
  std::printf("At rest. Every buyer repeats every call and must be told the same again.\n");
  result.buyers = buyers.AskAgain();
  RETURN_IF_ERROR(AwaitRest(shop));
  ASSIGN_OR_RETURN(result.audit, Audit(cluster));
  return absl::OkStatus();
}

void Print(const Result& result) {
  const BuyersReport& buyers = result.buyers;
  std::printf("\n%s", ToText(result.audit).c_str());
  std::printf("\n  %-14s %7s %7s\n", "process", "kills", "stops");
  for (const Node node : kNodes) {
    const auto count = [node](const std::map<Node, int>& counts) {
      return counts.contains(node) ? counts.at(node) : 0;
    };
    std::printf("  %-14s %7d %7d\n", NodeName(node).c_str(), count(result.havoc.kills), count(result.havoc.stops));
  }
  std::printf("  links: %d delays, %d stalls, %d cuts\n", result.havoc.delays, result.havoc.stalls, result.havoc.cuts);
  std::printf("  buyers: %d orders, %d paid; %d cancellations, %d cancelled; %d calls; %d never answered\n",
              buyers.orders, buyers.paid, buyers.cancels, buyers.cancelled, buyers.calls,
              static_cast<int>(buyers.untold.size()));
  for (const auto& [reason, count] : buyers.refusals) std::printf("    refused %-24s %d\n", reason.c_str(), count);
  std::printf("  sagas: %d started, %d completed, %d aborted: %.1f %% completed; at rest %.1f s after the healing\n",
              static_cast<int>(result.audit.sagas), static_cast<int>(result.audit.sagas_completed),
              static_cast<int>(result.audit.sagas_aborted), 100 * result.completed(),
              absl::ToDoubleSeconds(result.until_rest));
  for (const std::string& failure : result.failures) std::printf("FAILED  %s\n", failure.c_str());
}

nlohmann::json ToJson(const Result& result) {
  nlohmann::json kills, stops;
  for (const auto& [node, count] : result.havoc.kills) kills[NodeName(node)] = count;
  for (const auto& [node, count] : result.havoc.stops) stops[NodeName(node)] = count;
  return {{"chaos",
           {{"seed", result.seed},
            {"minutes", result.minutes},
            {"store", absl::GetFlag(FLAGS_store)},
            {"sagas", result.audit.sagas},
            {"completed", result.audit.sagas_completed},
            {"aborted", result.audit.sagas_aborted},
            {"unknown", result.buyers.untold.size()},
            {"success_ratio", result.completed()},
            {"orders", result.buyers.orders},
            {"cancelled", result.buyers.cancelled},
            {"refusals", result.buyers.refusals},
            {"kills", kills},
            {"stops", stops},
            {"delays", result.havoc.delays},
            {"stalls", result.havoc.stalls},
            {"cuts", result.havoc.cuts},
            {"rest_seconds", absl::ToDoubleSeconds(result.until_rest)},
            {"failures", result.failures}}},
          {"ok", result.failures.empty()}};
}

// Starts everything, with a link before each process that another calls.
absl::Status Play(const std::string& bin_dir, Result& result) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FaultProxy> proxy, FaultProxy::Start());
  Links links;
  ClusterOptions options;
  options.bin_dir = bin_dir;
  options.postgres = absl::GetFlag(FLAGS_store) == "postgres";
  options.keep_scratch = absl::GetFlag(FLAGS_keep);
  options.extra_flags[Node::kGateway] = {"--fail_percent=8", "--hang_percent=3",
                                         absl::StrCat("--seed=", result.seed % 1000000)};
  options.link = [&](Node node, const std::string& address) {
    if (!links.contains(node)) {
      const absl::StatusOr<std::string> link = proxy->AddLink(address);
      links[node] = link.ok() ? *link : address;
    }
    return links.at(node);
  };
  ASSIGN_OR_RETURN(const std::unique_ptr<Cluster> cluster, Cluster::Start(options));
  std::printf("Five processes run in %s; havoc for %.2f minutes with seed %d.\n", cluster->scratch().c_str(),
              result.minutes, static_cast<int>(result.seed));
  return Run(*cluster, *proxy, links, result);
}

int Main(const std::string& program) {
  Result result;
  result.minutes = absl::GetFlag(FLAGS_minutes);
  if (!(result.minutes > 0 && result.minutes <= 24 * 60) || absl::GetFlag(FLAGS_buyers) < 1) {
    std::cerr << "--minutes must be more than 0 and at most a day, --buyers at least 1\n";
    return 1;
  }
  if (const std::string store = absl::GetFlag(FLAGS_store); store != "sqlite" && store != "postgres") {
    std::cerr << "--store must be sqlite or postgres, not " << store << "\n";
    return 1;
  }
  result.seed = absl::GetFlag(FLAGS_seed) != 0 ? absl::GetFlag(FLAGS_seed) : std::random_device{}() % 1000000 + 1;
  const std::string here = program.substr(0, program.rfind('/'));
  const absl::Status played = Play(absl::GetFlag(FLAGS_bin_dir).empty() ? here : absl::GetFlag(FLAGS_bin_dir), result);
  if (!played.ok()) result.failures.push_back(std::string(played.message()));
  if (played.ok()) {
    RequireThatItHolds(result);
    RequireThatItHappened(result);
  }
  Print(result);
  std::printf("%s\n", ToJson(result).dump().c_str());
  return result.failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  unwind::ParseFlagsOnly(
      argc, argv,
      "Kills, stops and cuts off the five processes at random, under load; then heals everything and "
      "audits the books.");
  return unwind::Main(argv[0]);
}
