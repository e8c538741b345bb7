// Finished sagas by the million: the rows of a few real ones, in all five databases, multiplied under other ids.
#ifndef UNWIND_TESTS_BENCH_COPIES_H_
#define UNWIND_TESTS_BENCH_COPIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/rig.h"

namespace unwind {

// While it works on a shop its processes must be stopped.
class Copies {
 public:
  explicit Copies(Rig& rig) : rig_(rig) {}

  // Adds `count` copies, or a few more, of orders that were paid; there must be a hundred. The sagas and their history
  // stand there as if they had ended `age` earlier.
  absl::Status Make(std::int64_t count, absl::Duration age);
  std::int64_t made() const { return made_; }
  // How many sagas of them are stored.
  absl::StatusOr<std::int64_t> Count();
  // What the books of the real ones are audited after.
  absl::Status Remove();

 private:
  absl::Status ChooseOriginals();
  std::string IsCopy(const std::string& id) const;
  absl::Status Execute(Node node, const std::string& sql);

  Rig& rig_;
  std::vector<std::string> originals_;  // saga ids
  std::int64_t made_ = 0;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_COPIES_H_
