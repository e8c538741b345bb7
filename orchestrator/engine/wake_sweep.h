// Brings back into memory the sagas that rest and are due. Nothing else tells that their time has come.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_WAKE_SWEEP_H_
#define UNWIND_ORCHESTRATOR_ENGINE_WAKE_SWEEP_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/engine/driver_context.h"

namespace unwind {

// For one thread.
class WakeSweep {
 public:
  explicit WakeSweep(DriverContext& context) : context_(context) {}

  // See Driver::WakeResting. Nothing while the shards have not come to those of the last sweep.
  absl::StatusOr<Driver::Swept> Sweep();

 private:
  std::size_t PollsAllowed();
  std::size_t RoomFor(const std::string& definition) const;
  absl::StatusOr<std::size_t> Wake(const DefinitionVersion& definition, DueFor what, std::size_t most);

  DriverContext& context_;
  absl::Time polled_at_ = absl::InfinitePast();
  std::size_t first_ = 0;  // the definition whose sagas are asked about first
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_WAKE_SWEEP_H_
