// What can be played, each on processes and databases of its own (see rig.h): a load, or a load during which something
// happens. Each prints its lines and returns the same figures by name. It fails if a saga does not come to its end or
// the books do not add up; whether a figure is good is for the reader.
#ifndef UNWIND_TESTS_BENCH_PLAYS_H_
#define UNWIND_TESTS_BENCH_PLAYS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "tests/bench/scenarios.h"
#include "tests/support/cluster.h"

namespace unwind {

using Figures = absl::StatusOr<nlohmann::json>;

// The load that others are compared with: 128 callers, a hundred products, nothing in the way.
struct Headline {
  double per_second = 0;
  double p99_millis = 0;
};

struct Load {
  int callers = 128;
  double rate = 0;   // an open loop of so many a second
  bool hot = false;  // one product, not a hundred
  bool sold_out = false;
  int fail_percent = 0;  // of payments
  bool two_orchestrators = false;
  std::map<Node, std::vector<std::string>> flags = {};
};

// load_play.cc: nothing happens.
Figures PlayLoad(const BenchOptions& bench, const std::string& name, const Load& load);
// The hot product's rate over that of a hundred products.
Figures PlayHotProduct(const BenchOptions& bench, const std::string& name, const Headline& headline);
// Three times the headline's rate, with few sagas in flight at most: how much is done, and how soon the rest is
// refused.
Figures PlayOverload(const BenchOptions& bench, const std::string& name, const Headline& headline);

// tracing_play.cc: the headline's load untraced, with a tenth of the sagas traced and with all, in turns, five times.
Figures PlayTracing(const BenchOptions& bench, const std::string& name);

// finished_play.cc: the headline's load before and after `bench.finished` sagas are stored that have ended.
Figures PlayFinished(const BenchOptions& bench, const std::string& name);
// While those are purged; the purge begins ten minutes after the orchestrator.
Figures PlayPurge(const BenchOptions& bench, const std::string& name);

// recovery_play.cc: the orchestrator is killed with `in_flight` sagas before their first step, and started again.
Figures PlayRecovery(const BenchOptions& bench, const std::string& name, int in_flight, const Headline& headline);

// takeover_play.cc: one of two orchestrators is killed, again and again.
Figures PlayTakeover(const BenchOptions& bench, const std::string& name);

// memory_play.cc: what a saga in flight costs, without a caller and with one.
Figures PlayMemory(const BenchOptions& bench, const std::string& name);

// waiting_play.cc: `bench.waiting` sagas wait for their customers: what they cost, and how soon all end once all have
// paid at the same moment.
Figures PlayWaiting(const BenchOptions& bench, const std::string& name);
// `bench.finished` rows of sagas that rest, and a restart of their orchestrator.
Figures PlayAtRest(const BenchOptions& bench, const std::string& name);

// slow_play.cc: orders that are never charged, beside others, while the gateway is fast and while it is slow.
Figures PlaySlowParticipant(const BenchOptions& bench, const std::string& name);

// postgres_play.cc: the databases go away under load, for half a minute or again and again.
Figures PlayPostgresStopped(const BenchOptions& bench, const std::string& name);
Figures PlayPostgresKilled(const BenchOptions& bench, const std::string& name);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_PLAYS_H_
