// Numbers that nobody can foretell, from the kernel: for ids that are all a caller needs to know to read or cancel.
#ifndef UNWIND_COMMON_BASE_SYSTEM_RANDOM_H_
#define UNWIND_COMMON_BASE_SYSTEM_RANDOM_H_

#include <sys/random.h>
#include <sys/types.h>

#include <cstdint>

#include "common/base/check.h"

namespace unwind {

// Thread-safe.
struct SystemRandom {
  std::uint64_t operator()() const {
    std::uint64_t number = 0;
    CHECK(getrandom(&number, sizeof(number), 0) == static_cast<ssize_t>(sizeof(number)));
    return number;
  }
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_SYSTEM_RANDOM_H_
