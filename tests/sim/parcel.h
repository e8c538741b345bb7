// Where a parcel of the depot is in its life.
#ifndef UNWIND_TESTS_SIM_PARCEL_H_
#define UNWIND_TESTS_SIM_PARCEL_H_

#include <cstdint>

namespace unwind::sim {

// Stored in the depot's books.
enum class ParcelState : std::uint8_t {
  kPacking = 1,
  kPacked = 2,
  kNotPacked = 3,  // refused for good
  kUnpacking = 4,
  kUnpacked = 5,
  kShipping = 6,
  kShipped = 7,
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_PARCEL_H_
