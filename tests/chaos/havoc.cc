#include "tests/chaos/havoc.h"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

// Of a process, in milliseconds. Together they kill each about every five seconds. A busy machine starts them slowly: a
// process is up longer by several times what its start took, and dies in its start seldom. So the share of the time in
// which nobody can be charged is about the same on every machine; what is charged meanwhile is lost.
constexpr int kUpMin = 2000, kUpMax = 5000;
constexpr int kUpByStart = 4;
constexpr absl::Duration kStartMax = absl::Seconds(3);  // what of a start counts: ticks may be seconds apart
constexpr int kDiesEarlyPercent = 20;
constexpr int kDownMin = 0, kDownMax = 700;
constexpr int kStoppedMin = 20, kStoppedMax = 1200;
constexpr int kStopPercent = 40;  // of the killed, once before

// Of a link.
constexpr int kGoodMin = 2000, kGoodMax = 10000;
constexpr int kBadMin = 50, kBadMax = 1200;
constexpr int kDelayMin = 5, kDelayMax = 600;

}  // namespace

Havoc::Havoc(Cluster& cluster, FaultProxy& proxy, Links links, std::uint64_t seed)
    : cluster_(cluster), proxy_(proxy), links_(std::move(links)), random_(seed) {
  for (const Node node : kNodes) processes_[node].next = In(0, kUpMax);
  for (const auto& [node, link] : links_) bad_links_[node] = {.is_bad = false, .next = In(0, kGoodMax)};
}

int Havoc::Draw(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
absl::Time Havoc::In(int least_ms, int most_ms) { return absl::Now() + absl::Milliseconds(Draw(least_ms, most_ms)); }

absl::Status Havoc::Tick() {
  for (auto& [node, process] : processes_) RETURN_IF_ERROR(Tick(node, process));
  for (auto& [node, link] : bad_links_) Tick(node, link);
  return absl::OkStatus();
}

absl::Status Havoc::Tick(Node node, Process& process) {
  if (process.life != Life::kDown && !cluster_.Running(node)) {
    return absl::FailedPreconditionError(absl::StrCat(NodeName(node), " ended by itself with status ",
                                                      cluster_.ExitStatus(node), "; its log is ",
                                                      cluster_.LogPath(node)));
  }
  if (process.life == Life::kStarting && cluster_.Serves(node)) {
    process.life = Life::kUp;
    process.next = In(kUpMin, kUpMax) + kUpByStart * std::min(absl::Now() - process.started, kStartMax);
  }
  if (absl::Now() < process.next) return absl::OkStatus();
  switch (process.life) {
    case Life::kStarting:
    case Life::kUp:
      if (!process.was_stopped && Draw(1, 100) <= kStopPercent) {
        cluster_.Signal(node, SIGSTOP);
        ++report_.stops[node];
        process.life = Life::kStopped;
        process.was_stopped = true;
        process.next = In(kStoppedMin, kStoppedMax);
      } else {
        cluster_.Kill(node);
        ++report_.kills[node];
        process = {.life = Life::kDown, .was_stopped = false, .next = In(kDownMin, kDownMax), .started = {}};
      }
      return absl::OkStatus();
    case Life::kStopped:
      cluster_.Signal(node, SIGCONT);
      process.life = Life::kUp;
      process.next = In(kUpMin, kUpMax);
      return absl::OkStatus();
    case Life::kDown:
      process.life = Life::kStarting;
      process.next = Draw(1, 100) <= kDiesEarlyPercent ? In(0, kUpMin) : absl::InfiniteFuture();
      process.started = absl::Now();
      return cluster_.Spawn(node);
  }
  std::abort();
}

void Havoc::Tick(Node node, Link& link) {
  if (absl::Now() < link.next) return;
  const std::string& where = links_.at(node);
  link.is_bad = !link.is_bad;
  link.next = link.is_bad ? In(kBadMin, kBadMax) : In(kGoodMin, kGoodMax);
  if (!link.is_bad) {
    proxy_.Delay(where, absl::ZeroDuration());
    proxy_.Stall(where, false);
    proxy_.Cut(where, false);
    return;
  }
  switch (times_bad_++ % 3) {
    case 0:
      proxy_.Delay(where, absl::Milliseconds(Draw(kDelayMin, kDelayMax)));
      ++report_.delays;
      return;
    case 1:
      proxy_.Stall(where, true);
      ++report_.stalls;
      return;
    default:
      proxy_.Cut(where, true);
      ++report_.cuts;
      return;
  }
}

absl::Status Havoc::Heal() {
  proxy_.Heal();
  for (auto& [node, process] : processes_) {
    if (process.life == Life::kStopped) cluster_.Signal(node, SIGCONT);
    if (process.life == Life::kDown) RETURN_IF_ERROR(cluster_.Spawn(node));
    process.life = Life::kUp;
  }
  for (const Node node : kNodes) {
    const absl::Status healthy = WaitUntilHealthy(cluster_.Channel(node), absl::Seconds(30));
    if (!healthy.ok()) return absl::UnavailableError(cluster_.Obituary(node, std::string(healthy.message())));
  }
  return absl::OkStatus();
}

}  // namespace unwind
