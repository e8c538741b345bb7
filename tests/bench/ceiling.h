// What the machine could do at best: the price of a raw unary call between two processes, and of a raw row inserted in
// batches into the same kind of store, each the best of a sweep. An order saga has a nominal number of both, fixed
// whatever the code does, so their price gives a limit that no code on this gRPC and this store could pass.
#ifndef UNWIND_TESTS_BENCH_CEILING_H_
#define UNWIND_TESTS_BENCH_CEILING_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace unwind {

constexpr int kNominalCalls = 7;  // the client's, five steps, the gateway
constexpr int kNominalRows = 26;  // 7 saga writes, 7 of history, 2 for each of 5 participant calls, 2 of the gateway

struct Raw {
  double cpu_micros = 0;  // of all processes together, for one
  double per_second = 0;
  std::string setting;  // at which it was the cheapest
};

// The echo is another process of `program`. `length` of each setting of the sweep.
absl::StatusOr<Raw> MeasureRawCalls(const std::string& program, const std::string& scratch, absl::Duration length);
// Serves the echo until it is killed; writes its port into `port_file`.
int ServeEcho(const std::string& port_file);

// `database`: what --db takes, of its own; `cpu`: seconds used by the store's processes other than this one.
absl::StatusOr<Raw> MeasureRawRows(const std::string& database, const std::function<double()>& cpu,
                                   absl::Duration length);

// Sagas a second.
double Limit(const Raw& call, const Raw& row, int cores);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_CEILING_H_
