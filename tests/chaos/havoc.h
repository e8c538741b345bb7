// What a chaos run does to the processes and to the links between them: each has a life of its own, drawn by the seed.
#ifndef UNWIND_TESTS_CHAOS_HAVOC_H_
#define UNWIND_TESTS_CHAOS_HAVOC_H_

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/support/cluster.h"
#include "tests/support/fault_proxy.h"

namespace unwind {

struct HavocReport {
  std::map<Node, int> kills, stops;
  int delays = 0, stalls = 0, cuts = 0;  // of links
};

// The link to each process that others call.
using Links = std::map<Node, std::string>;

// Not thread-safe.
class Havoc {
 public:
  Havoc(Cluster& cluster, FaultProxy& proxy, Links links, std::uint64_t seed);

  // Does what is due. Fails if a process ended that nobody killed.
  absl::Status Tick();

  // Every link works, nobody is stopped, the dead are started again. Returns when every process is healthy.
  absl::Status Heal();

  const HavocReport& report() const { return report_; }

 private:
  enum class Life { kStarting, kUp, kDown, kStopped };
  struct Process {
    Life life = Life::kUp;
    bool was_stopped = false;  // since it was started
    absl::Time next;           // when that changes
    absl::Time started;
  };
  struct Link {
    bool is_bad = false;
    absl::Time next;
  };

  absl::Time In(int least_ms, int most_ms);
  int Draw(int least, int most);
  absl::Status Tick(Node node, Process& process);
  void Tick(Node node, Link& link);

  Cluster& cluster_;
  FaultProxy& proxy_;
  const Links links_;
  std::mt19937_64 random_;
  std::map<Node, Process> processes_;
  std::map<Node, Link> bad_links_;
  HavocReport report_;
  int times_bad_ = 0;  // of links so far; the kinds take turns, so that a short run has each
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CHAOS_HAVOC_H_
