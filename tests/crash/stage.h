// Plays crash cases on one running cluster: runs its clients, arms the places at which processes must
// die, starts again what died, goes on until every caller has an answer, and audits the books.
#ifndef UNWIND_TESTS_CRASH_STAGE_H_
#define UNWIND_TESTS_CRASH_STAGE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/crash/armed_plan.h"
#include "tests/crash/cases.h"
#include "tests/crash/client.h"
#include "tests/support/cluster.h"
#include "tests/support/shop.h"
#include "tests/support/temp_dir.h"

namespace unwind {

struct CaseResult {
  bool reached = false;  // every place of it was died at
  int deaths = 0;        // noted by the processes themselves, as they died
  int clients = 0;
  int done = 0;
  absl::Duration took;
  std::string wrong;  // empty: as it must be
};

// How long the checkouts of a stage wait for their payment.
enum class Patience {
  kLong,   // longer than any case takes
  kShort,  // so that they expire
};
Patience PatienceOf(Tale tale);

class CrashStage {
 public:
  // The programs must be built with crash points. `options` without flags of the programs and without definitions.
  static absl::StatusOr<std::unique_ptr<CrashStage>> Start(ClusterOptions options, Patience patience);

  // One client, whose call must end as the case says. Leaves the shop at rest and every process running.
  CaseResult Play(const CrashCase& which);

  // The same place in a crowd that `random` draws: clients of different sizes and endings under way at once; one of
  // them dies there. Which one, and so how each ends, is left to chance; that it ends, and is told truly, is not.
  CaseResult PlayInCrowd(const CrashCase& which, std::mt19937_64& random);

  const std::string& scratch() const { return cluster_->scratch(); }

 private:
  // Each a set of places to die at, one after the other. Never empty, its last one may be.
  using Acts = std::deque<std::vector<std::string>>;
  using Clients = std::vector<std::unique_ptr<Client>>;

  CrashStage() = default;
  CaseResult PlayOnce(const CrashCase& which, const Clients& clients, int nth);
  absl::Status Prepare(Tale tale, const Clients& clients);
  absl::Status Run(const CrashCase& which, const Clients& clients, int nth, CaseResult& result);
  static absl::Status NoAnswer(const Clients& clients);
  void Arm(const std::vector<std::string>& places, int nth);
  absl::Status Bury(Acts& acts, int& deaths);
  absl::Status CheckRest(Tale tale);

  TempDir folder_;
  ArmedPlan plan_{folder_.path()};
  std::size_t log_read_ = 0;   // lines of the log that were seen
  pg::v1::Scenario scenario_;  // that a gateway is to play which is started again
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Shop> shop_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_STAGE_H_
