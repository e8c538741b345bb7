// The sum that README.md, "Memory", computes: what a process may take above what it takes at rest. The limits are
// flags, the bytes of each were measured, and tests/e2e/memory_test.cc holds processes to the sum.
#ifndef UNWIND_COMMON_RPC_MEMORY_SUM_H_
#define UNWIND_COMMON_RPC_MEMORY_SUM_H_

#include <cstddef>

namespace unwind {

// Of calls in on `ports` ports and the messages under way, in bytes, by this process's flags.
std::size_t MemoryOfCallsIn(std::size_t ports);

// All parts together, and what the allocator cannot use.
constexpr std::size_t MemorySum(std::size_t parts) { return parts + parts / 4; }

// Exports `sum` as memory_limits_bytes.
void ExportMemorySum(std::size_t sum);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_MEMORY_SUM_H_
