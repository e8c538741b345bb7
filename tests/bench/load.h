// Callers of PlaceOrder: so many that each waits for its answer (closed loop), or one every so often, whether or not
// earlier ones were answered (open loop). There, latency counts from when the call was meant to begin.
#ifndef UNWIND_TESTS_BENCH_LOAD_H_
#define UNWIND_TESTS_BENCH_LOAD_H_

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"

namespace unwind {

struct LoadOptions {
  std::vector<std::string> addresses;                // one connection each; callers are dealt out over them
  int callers = 128;                                 // of a closed loop
  double rate = 0;                                   // calls a second of an open loop; 0: closed
  absl::Duration length = absl::InfiniteDuration();  // an open loop needs an end
  std::uint64_t calls = 0;                           // of a closed loop, at most; 0: as many as there is time for
  bool leave = false;                                // every caller goes away as soon as its saga is accepted
  absl::Duration deadline = absl::Seconds(60);
  std::function<shop::checkout::v1::PlaceOrderRequest(std::uint64_t n)> request;  // called from several threads
};

using Answers = std::map<std::string, std::int64_t>;  // how many, by reason; OK; LEFT

struct LoadResult {
  Answers answers;
  double seconds = 0;                  // from the first call to the last answer
  std::vector<double> millis;          // of the calls that were admitted, ascending
  std::vector<double> refused_millis;  // of those that were (OVERLOADED), ascending
  // Those whose answer says nothing of the order, and what it was; none that was refused admission.
  std::vector<std::pair<shop::checkout::v1::PlaceOrderRequest, std::string>> untold;

  std::int64_t admitted() const { return static_cast<std::int64_t>(millis.size()); }
  double per_second() const { return seconds > 0 ? static_cast<double>(millis.size()) / seconds : 0; }
};

// The value below which `part` of them lie; 0 of none.
double Quantile(const std::vector<double>& ascending, double part);

LoadResult RunLoad(const LoadOptions& options);
// On a thread of its own.
std::future<LoadResult> StartLoad(LoadOptions options);

}  // namespace unwind

#endif  // UNWIND_TESTS_BENCH_LOAD_H_
