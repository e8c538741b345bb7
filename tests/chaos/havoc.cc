#include "tests/chaos/havoc.h"

#include <signal.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

// Of a process, in milliseconds. Together they kill each about every four seconds.
constexpr int kUpMin = 1200, kUpMax = 3400;
constexpr int kDownMin = 0, kDownMax = 700;
constexpr int kStoppedMin = 20, kStoppedMax = 1200;
constexpr int kStopPercent = 40;  // of the killed, once before

// Of a link.
constexpr int kGoodMin = 1500, kGoodMax = 8000;
constexpr int kBadMin = 50, kBadMax = 1200;
constexpr int kDelayMin = 5, kDelayMax = 600;

}  // namespace

Havoc::Havoc(Cluster& cluster, FaultProxy& proxy, Links links, std::uint64_t seed)
    : cluster_(cluster), proxy_(proxy), links_(std::move(links)), random_(seed) {
  for (const Node node : kNodes) processes_[node] = {.life = Life::kUp, .was_stopped = false, .next = In(0, kUpMax)};
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
  if (absl::Now() < process.next) return absl::OkStatus();
  switch (process.life) {
    case Life::kUp:
      if (!process.was_stopped && Draw(1, 100) <= kStopPercent) {
        cluster_.Signal(node, SIGSTOP);
        ++report_.stops[node];
        process = {.life = Life::kStopped, .was_stopped = true, .next = In(kStoppedMin, kStoppedMax)};
      } else {
        cluster_.Kill(node);
        ++report_.kills[node];
        process = {.life = Life::kDown, .was_stopped = false, .next = In(kDownMin, kDownMax)};
      }
      return absl::OkStatus();
    case Life::kStopped:
      cluster_.Signal(node, SIGCONT);
      process = {.life = Life::kUp, .was_stopped = true, .next = In(kUpMin, kUpMax)};
      return absl::OkStatus();
    case Life::kDown:
      process = {.life = Life::kUp, .was_stopped = false, .next = In(kUpMin, kUpMax)};
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
    RETURN_IF_ERROR(WaitUntilHealthy(cluster_.Channel(node), absl::Seconds(30)));
  }
  return absl::OkStatus();
}

}  // namespace unwind
