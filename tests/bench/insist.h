// The end of a load during which something broke: every buyer without an answer asks again, and then what all
// were told must be what the books say.
#ifndef UNWIND_TESTS_BENCH_INSIST_H_
#define UNWIND_TESTS_BENCH_INSIST_H_

#include <string>

#include "absl/status/statusor.h"
#include "tests/bench/load.h"
#include "tests/bench/rig.h"

namespace unwind {

// REQUIRES: `result` is of the only load that `rig` ever had. Returns what each of its callers was told in the end.
absl::StatusOr<Answers> Insist(Rig& rig, const LoadResult& result);

// "OK 12, SAGA_DEADLINE 1".
std::string ToText(const Answers& answers);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_INSIST_H_
