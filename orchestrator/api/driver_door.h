// The way to the driver for callers that may come before it exists.
#ifndef UNWIND_ORCHESTRATOR_API_DRIVER_DOOR_H_
#define UNWIND_ORCHESTRATOR_API_DRIVER_DOOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/driver.h"

namespace unwind {

// The server listens before the driver is made: were the address in use, taking the lease would have stopped the
// instance that serves there. Until the door is open, callers are UNAVAILABLE and may come again. Thread-safe.
class DriverDoor {
 public:
  // `driver` must live until nobody calls any more.
  void Open(Driver& driver) { driver_ = &driver; }

  void Accept(NewSaga saga, absl::Time answer_by, std::function<void(const std::string&)> accepted,
              std::function<void(Progress)> answered) {
    Driver* const driver = driver_;
    if (driver == nullptr) return answered({.status = Starting(), .saga = {}});
    driver->Accept(std::move(saga), answer_by, std::move(accepted), std::move(answered));
  }

  void Ask(const std::string& saga_id, Event event, std::int64_t seen_version, std::function<void(Progress)> answered) {
    Driver* const driver = driver_;
    if (driver == nullptr) return answered({.status = Starting(), .saga = {}});
    driver->Ask(saga_id, std::move(event), seen_version, std::move(answered));
  }

  std::size_t in_flight() const {
    const Driver* const driver = driver_;
    return driver == nullptr ? 0 : driver->in_flight();
  }

 private:
  static absl::Status Starting() {
    return WithRetryAfter(
        MakeError(absl::StatusCode::kUnavailable, "the orchestrator is starting", {"STARTING", kSagaDomain, {}}),
        absl::Milliseconds(200));
  }

  std::atomic<Driver*> driver_ = nullptr;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_DRIVER_DOOR_H_
