// Callers of PlaceOrder: so many that each waits for its answer (closed loop), or one every so often, whether or not
// earlier ones were answered (open loop). There, latency counts from when the call was meant to begin.
#ifndef UNWIND_TESTS_BENCH_LOAD_H_
#define UNWIND_TESTS_BENCH_LOAD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"

namespace unwind {

struct LoadOptions {
  std::vector<std::string> addresses;  // one connection each; callers are dealt out over them
  int callers = 64;                    // of a closed loop
  double rate = 0;                     // calls a second of an open loop; 0: closed
  absl::Duration length;
  absl::Duration deadline = absl::Seconds(60);
  std::function<shop::checkout::v1::PlaceOrderRequest(std::uint64_t n)> request;  // called from several threads
};

struct LoadResult {
  std::map<std::string, std::int64_t> answers;  // by reason; OK
  double seconds = 0;                           // from the first call to the last answer
  std::vector<double> millis;                   // of every answer, ascending
  std::vector<double> refused_millis;           // of those that were refused at the door, ascending

  std::int64_t count() const { return static_cast<std::int64_t>(millis.size()); }
  double per_second() const { return seconds > 0 ? static_cast<double>(millis.size()) / seconds : 0; }
};

// The value below which `part` of them lie; 0 of none.
double Quantile(const std::vector<double>& ascending, double part);

LoadResult RunLoad(const LoadOptions& options);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_LOAD_H_
