// What a scenario plays on: processes and databases of its own, a hundred products that never sell out, and a look at
// both from outside.
#ifndef UNWIND_TESTS_BENCH_RIG_H_
#define UNWIND_TESTS_BENCH_RIG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/db/connection.h"
#include "tests/bench/load.h"
#include "tests/bench/scenarios.h"
#include "tests/support/audit.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"

namespace unwind {

// What goes on during a long run: to stderr, so that the figures stay alone.
void Tell(absl::string_view what);

struct RigOptions {
  std::map<Node, std::vector<std::string>> flags;
  std::string definitions = "orchestrator/sagas";
  bool two_orchestrators = false;
  bool webhooks = false;  // see ClusterOptions
};

struct Snapshot {
  std::map<std::string, double> cpu;  // seconds, by process
  std::int64_t bytes = 0;             // stored
};

// Not thread-safe. Its processes end with the thread that made it.
class Rig {
 public:
  static absl::StatusOr<std::unique_ptr<Rig>> Start(const BenchOptions& bench, RigOptions options = {});

  Cluster& cluster() { return *cluster_; }
  Shop& shop() { return *shop_; }
  std::vector<Node> nodes() const;

  // Ends all processes, which only works at rest; starts them again over what is stored.
  absl::Status StopAll();
  absl::Status StartAll();

  // Leaves `product`, which is new, without a piece.
  absl::Status SellOut(const std::string& product);
  // Orders of one piece each, by as many members, of all products or of one, dealt out over the orchestrators.
  LoadOptions Orders() const;
  LoadOptions OrdersOf(const std::string& product) const;
  // Two seconds of `load` as a closed loop, and then rest.
  absl::Status WarmUp(LoadOptions load);

  // The rows of a query of one column in the database of `node`.
  absl::StatusOr<std::vector<std::int64_t>> Numbers(Node node, const std::string& sql);
  absl::StatusOr<std::vector<std::string>> Texts(Node node, const std::string& sql);
  absl::StatusOr<std::int64_t> Number(Node node, const std::string& sql);
  absl::StatusOr<std::int64_t> Unfinished();  // sagas

  // Returns when `count(number)` says so of the number of unfinished sagas, which it tells now and then.
  absl::Status AwaitUnfinished(absl::Duration patience, const std::function<bool(std::int64_t)>& count);
  // OK once no saga is under way.
  absl::Status AwaitRest(absl::Duration patience = absl::Seconds(60));
  // Fails with what the audit finds.
  absl::StatusOr<AuditReport> CheckBooks();

  absl::StatusOr<Snapshot> Look();
  double ResidentMib(Node node) const;
  double PeakMib(Node node) { return static_cast<double>(cluster_->PeakKib(node)) / 1024; }

 private:
  Rig(RigOptions options, std::unique_ptr<Cluster> cluster);
  // The rows of one column of type Value.
  template <class Value>
  absl::StatusOr<std::vector<Value>> Select(Node node, const std::string& sql);

  const RigOptions options_;
  const std::unique_ptr<Cluster> cluster_;
  const std::unique_ptr<Shop> shop_;
  std::map<Node, std::unique_ptr<Connection>> connections_;  // to look into their databases
};

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_RIG_H_
