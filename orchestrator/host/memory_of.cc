#include "orchestrator/host/memory_of.h"

#include "common/rpc/memory_sum.h"
#include "orchestrator/host/nudge_forwarder.h"

namespace unwind {
namespace {

constexpr std::size_t kWaiterBytes = 1 << 10;
constexpr std::size_t kOperators = 1000;
constexpr std::size_t kSagaBytes = 2 << 10;
constexpr std::size_t kCallOutBytes = 24 << 10;
constexpr std::size_t kQueues = 3;     // of requests, of replies, of calls that wait
constexpr std::size_t kOfTurn = 8;     // what is read, decided, written and sent
constexpr std::size_t kLists = 2 * 8;  // pages of operators, each as often as a turn
constexpr std::size_t kPageBytes = 4 << 20;

}  // namespace

std::size_t MemoryOf(const Options& options, std::size_t participants) {
  const DriverOptions& driver = options.driver;
  std::size_t bytes = MemoryOfCallsIn(options.admin_listen.empty() ? 1 : 2);
  bytes += (driver.waiters_max + kOperators) * kWaiterBytes;
  bytes += (driver.in_flight_max + driver.stuck_max) * kSagaBytes;
  bytes += driver.saga_memory_max;
  bytes += kQueues * driver.queue_memory_max;
  bytes += participants * options.calls.in_flight_max * (kCallOutBytes + options.calls.reply_bytes_max);
  bytes += NudgeForwarder::kNudgesMax * kCallOutBytes;
  bytes += driver.shards * kOfTurn * driver.turn_bytes_max;
  bytes += kLists * kPageBytes;
  return MemorySum(bytes);
}

}  // namespace unwind
