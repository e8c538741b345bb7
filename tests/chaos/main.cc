// unwind_chaos: the real processes of the shop under load, killed, stopped, cut off from each other and started again,
// at random, for as long as it is told; then everything is healed, and the books must be in order. Exit 0 only if they
// are, and if enough happened.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <random>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/flags.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/chaos/buyers.h"
#include "tests/chaos/happened.h"
#include "tests/chaos/havoc.h"
#include "tests/support/audit.h"
#include "tests/support/cpu.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"
#include "tests/support/short_waits.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wares.h"

ABSL_FLAG(double, minutes, 1,
          "How long processes are killed and links are cut; longer where too little has happened by then.");
ABSL_FLAG(std::uint64_t, seed, 0, "Of every draw; 0: any. It repeats the faults, not how they fall on the calls.");
ABSL_FLAG(int, buyers, 128, "Buyers who order, pay and cancel, each one thing after the other.");
ABSL_FLAG(std::string, store, "sqlite",
          "What the processes keep their databases in: sqlite, or a postgres of this run's own.");
ABSL_FLAG(std::string, bin_dir, "", "Folder of the programs; empty: the folder of this one.");
ABSL_FLAG(bool, keep, false, "Keep the databases and logs.");

namespace unwind {
namespace {

constexpr double kPaidLeast = 0.5;  // of the orders that nobody refused
// Sagas for each second of CPU that the processes use. A busy machine gives them less of it, and then they do less.
constexpr double kSagasACpuSecondLeast = 30;
constexpr absl::Duration kRestPatience = absl::Seconds(60);
constexpr absl::Duration kReportEvery = absl::Seconds(30);
constexpr absl::Duration kLookEvery = absl::Seconds(5);  // whether enough has happened
constexpr int kProducts = 24;
constexpr int kScarceEvery = 12;  // one product in so many sells out
constexpr std::int64_t kPlenty = 1000000;
constexpr std::int64_t kScarce = 5;
constexpr std::int64_t kPriceMinor = 1000;
constexpr int kCampaignsPerMinute = 8;
constexpr std::int64_t kOffMinor = 700;
// How long checkouts wait to be paid.
constexpr Waits kWaits = {absl::Milliseconds(200), absl::Seconds(1), absl::Seconds(3)};
// What the payment gateway does to captures and refunds. Every key has its own fate. What is finished later leaves even
// a busy machine the time to fence it first.
constexpr const char* kGatewayFaults[] = {"--fail_percent=8",           "--hang_percent=3",
                                          "--async_percent=20",         "--async_delay_ms=1500",
                                          "--webhook_delay_ms=100",     "--webhook_lost_percent=20",
                                          "--webhook_twice_percent=20", "--webhook_early_percent=20",
                                          "--webhook_forged_percent=5", "--after_fence_percent=50"};

struct Result {
  std::uint64_t seed = 0;
  double minutes = 0;
  BuyersReport buyers;
  HavocReport havoc;
  AuditReport audit;
  std::vector<Happening> happened;  // in the books
  double paid_share = 0;
  absl::Duration under_load, until_rest;
  double cpu_seconds = 0;  // of the processes, from their first start on
  std::vector<std::string> failures;

  double completed() const {
    return audit.sagas == 0 ? 0 : static_cast<double>(audit.sagas_completed) / static_cast<double>(audit.sagas);
  }
  double a_minute() const {
    const double minutes_of_load = absl::ToDoubleMinutes(under_load);
    return minutes_of_load == 0 ? 0 : static_cast<double>(audit.sagas) / minutes_of_load;
  }
  double a_cpu_second() const { return cpu_seconds == 0 ? 0 : static_cast<double>(audit.sagas) / cpu_seconds; }
};

// How long a run goes on at most until enough has happened. A busy machine needs longer for it.
absl::Duration Patience(double minutes) { return absl::Minutes(5 * minutes + 5); }

std::vector<std::string> TooLittle(const Result& result) {
  std::vector<Happening> all = HappenedTo(result.havoc);
  all.insert(all.end(), result.happened.begin(), result.happened.end());
  return TooLittle(all, result.minutes);
}

// An empty run proves nothing, and one of orders that fail little.
void RequireThatItHappened(Result& result) {
  for (const std::string& each : TooLittle(result)) result.failures.push_back("TOO LITTLE HAPPENED: " + each);
  if (result.paid_share < kPaidLeast) {
    result.failures.push_back(
        absl::StrFormat("TOO LITTLE HAPPENED: of the orders that nobody refused %.1f %% were paid, it must be %.0f",
                        100 * result.paid_share, 100 * kPaidLeast));
  }
  if (result.a_cpu_second() < kSagasACpuSecondLeast) {
    result.failures.push_back(absl::StrFormat("TOO LITTLE HAPPENED: %.1f sagas for a second of CPU, it must be %.0f",
                                              result.a_cpu_second(), kSagasACpuSecondLeast));
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

absl::StatusOr<Offer> FillShelves(Shop& shop, double minutes) {
  Offer offer;
  for (int i = 0; i < kProducts; ++i) {
    offer.shelves.push_back({absl::StrCat("product-", i), i % kScarceEvery == 0 ? kScarce : kPlenty});
    RETURN_IF_ERROR(shop.Restock(offer.shelves.back().product, offer.shelves.back().pieces, kPriceMinor * (i + 1)));
  }
  Wares wares(shop.cluster());
  for (int i = 0; i < kCampaignsPerMinute * absl::ToDoubleMinutes(Patience(minutes)); ++i) {
    offer.campaigns.push_back(absl::StrCat("campaign-", i));
    RETURN_IF_ERROR(wares.Begin(Wares::AmountOff(offer.campaigns.back(), kOffMinor)));
  }
  auto apologies = Wares::PercentOff("sold-out", 10, kOffMinor);
  apologies.set_for_apologies(true);
  RETURN_IF_ERROR(wares.Begin(apologies));
  return offer;
}

// Every saga is over, and payment_svc has no question to the gateway any more.
absl::Status AwaitSettled(Shop& shop) {
  RETURN_IF_ERROR(AwaitRest(shop, kRestPatience));
  return AwaitSettled(shop.cluster(), kRestPatience);
}

absl::Status ReadHappened(Books& books, Result& result) {
  ASSIGN_OR_RETURN(result.happened, HappenedIn(books));
  ASSIGN_OR_RETURN(result.paid_share, PaidShare(books));
  return absl::OkStatus();
}

// Sagas may be running, and processes may be dead.
absl::Status ReadHappened(const Cluster& cluster, Result& result) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Books> books, OpenBooks(cluster, {"saga_event", "saga_barrier"}));
  return ReadHappened(*books, result);
}

absl::Status ReadBooks(const Cluster& cluster, Result& result) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Books> books, OpenBooks(cluster));
  ASSIGN_OR_RETURN(result.audit, Audit(*books));
  return ReadHappened(*books, result);
}

void Tell(const Havoc& havoc, const Buyers& buyers, const std::string& what_next) {
  int kills = 0;
  for (const auto& [node, count] : havoc.report().kills) kills += count;
  std::printf("  %d orders, %d kills; %s\n", buyers.orders(), kills, what_next.c_str());
}

// What has happened too little until now. The books are read last: that takes seconds, in which nobody is killed.
std::vector<std::string> Look(const Cluster& cluster, const Havoc& havoc, Result& result) {
  result.havoc = havoc.report();
  std::vector<std::string> lacks = TooLittle(HappenedTo(result.havoc), result.minutes);
  if (!lacks.empty()) return lacks;
  // A database may be held just now; then the next time.
  if (const absl::Status read = ReadHappened(cluster, result); !read.ok()) return {std::string(read.message())};
  return TooLittle(result.happened, result.minutes);
}

// For as long as the run is told to, and then until enough has happened, as long as its patience lasts.
absl::Status MakeHavoc(const Cluster& cluster, Havoc& havoc, const Buyers& buyers, Result& result) {
  const absl::Time end = absl::Now() + absl::Minutes(result.minutes);
  absl::Time next_report = absl::Now() + kReportEvery, next_look = end;
  absl::Status status;
  Eventually(Patience(result.minutes), [&] {
    status = havoc.Tick();
    if (!status.ok()) return true;
    if (absl::Now() < end && absl::Now() >= next_report) {
      Tell(havoc, buyers, absl::StrFormat("%.1f minutes to go", absl::ToDoubleMinutes(end - absl::Now())));
      next_report += kReportEvery;
    }
    if (absl::Now() < next_look) return false;
    const std::vector<std::string> lacks = Look(cluster, havoc, result);
    next_look = absl::Now() + kLookEvery;
    if (!lacks.empty()) Tell(havoc, buyers, absl::StrCat("it goes on: ", lacks.front()));
    return lacks.empty();
  });
  result.havoc = havoc.report();
  return status;
}

absl::Status Run(Cluster& cluster, FaultProxy& proxy, const Links& links, Result& result) {
  Shop shop(cluster);
  ASSIGN_OR_RETURN(Offer offer, FillShelves(shop, result.minutes));
  Havoc havoc(cluster, proxy, links, result.seed);
  Buyers buyers(cluster, absl::GetFlag(FLAGS_buyers), std::move(offer), result.seed);
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(MakeHavoc(cluster, havoc, buyers, result));
  std::printf("Healing: every link works, every process runs.\n");
  const absl::Time healed = absl::Now();
  result.under_load = healed - start;
  RETURN_IF_ERROR(havoc.Heal());
  buyers.Finish(kRestPatience);
  if (const absl::Status settled = AwaitSettled(shop); !settled.ok()) {
    ReadBooks(cluster, result).IgnoreError();  // they say what is not
    return settled;
  }
  result.until_rest = absl::Now() - healed;
  std::printf("At rest. Every buyer repeats every call and must be told the same again.\n");
  result.buyers = buyers.AskAgain();
  RETURN_IF_ERROR(AwaitSettled(shop));
  return ReadBooks(cluster, result);
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
  std::printf("  buyers made %d calls; %d were never answered\n", buyers.calls, static_cast<int>(buyers.untold.size()));
  std::printf("\n  %-26s %7s %7s\n", "asked for", "times", "granted");
  for (const auto& [kind, tally] : buyers.tallies) {
    std::printf("  %-26s %7d %7d\n", kind.c_str(), tally.sent, tally.granted);
  }
  for (const auto& [reason, count] : buyers.refusals) std::printf("    refused %-24s %d\n", reason.c_str(), count);
  for (const Happening& each : result.happened) {
    std::printf("  %-56s %7d\n", each.what.c_str(), static_cast<int>(each.times));
  }
  std::printf("  of the orders that nobody refused %.1f %% were paid\n", 100 * result.paid_share);
  std::printf("  sagas: %d started, %d completed, %d aborted: %.1f %% completed; at rest %.1f s after the healing\n",
              static_cast<int>(result.audit.sagas), static_cast<int>(result.audit.sagas_completed),
              static_cast<int>(result.audit.sagas_aborted), 100 * result.completed(),
              absl::ToDoubleSeconds(result.until_rest));
  std::printf("  %.0f sagas a minute of havoc, %.1f for each second of CPU that the processes used\n",
              result.a_minute(), result.a_cpu_second());
  for (const std::string& failure : result.failures) std::printf("FAILED  %s\n", failure.c_str());
}

nlohmann::json ToJson(const Result& result) {
  nlohmann::json kills, stops;
  for (const auto& [node, count] : result.havoc.kills) kills[NodeName(node)] = count;
  for (const auto& [node, count] : result.havoc.stops) stops[NodeName(node)] = count;
  nlohmann::json asked, happened;
  for (const Happening& each : result.happened) happened[each.what] = each.times;
  for (const auto& [kind, tally] : result.buyers.tallies) {
    asked[kind] = {{"times", tally.sent}, {"granted", tally.granted}};
  }
  return {{"chaos",
           {{"seed", result.seed},
            {"minutes", result.minutes},
            {"store", absl::GetFlag(FLAGS_store)},
            {"sagas", result.audit.sagas},
            {"completed", result.audit.sagas_completed},
            {"aborted", result.audit.sagas_aborted},
            {"unknown", result.buyers.untold.size()},
            {"success_ratio", result.completed()},
            {"followers", result.audit.followers},
            {"sagas_a_minute", result.a_minute()},
            {"sagas_a_cpu_second", result.a_cpu_second()},
            {"asked", asked},
            {"paid_share", result.paid_share},
            {"happened", happened},
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
  const TempDir folder;
  options.definitions = folder.File("sagas");
  RETURN_IF_ERROR(WriteWithWaits("orchestrator/sagas", options.definitions, kWaits));
  options.webhooks = true;
  std::vector<std::string>& gateway_flags = options.extra_flags[Node::kGateway];
  gateway_flags.assign(std::begin(kGatewayFaults), std::end(kGatewayFaults));
  gateway_flags.push_back(absl::StrCat("--seed=", result.seed % 1000000));
  // What follows an order has to wait for its turn, so that cancels come before what the order earns.
  options.extra_flags[Node::kOrchestrator] = {"--followers_max=25"};
  options.link = [&](Node node, const std::string& address) {
    if (!links.contains(node)) {
      const absl::StatusOr<std::string> link = proxy->AddLink(address);
      links[node] = link.ok() ? *link : address;
    }
    return links.at(node);
  };
  ASSIGN_OR_RETURN(const std::unique_ptr<Cluster> cluster, Cluster::Start(options));
  std::printf("Seven processes run in %s; havoc for %.2f minutes with seed %d.\n", cluster->scratch().c_str(),
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
  result.cpu_seconds = EndedChildrenCpuSeconds();
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
      "Kills, stops and cuts off the processes of the shop at random, under load; then heals everything and "
      "audits the books.");
  return unwind::Main(argv[0]);
}
