// What processes cost: read from /proc.
#ifndef UNWIND_TESTS_SUPPORT_CPU_H_
#define UNWIND_TESTS_SUPPORT_CPU_H_

#include <sys/types.h>

#include <cstdint>

namespace unwind {

// CPU seconds of a process and of all its children, those that have ended too. 0 if there is no such process.
double CpuSeconds(pid_t pid);

// Of this process alone.
double OwnCpuSeconds();

// Of all children of this process that have ended and were waited for.
double EndedChildrenCpuSeconds();

// Resident set of a process, KiB. 0 if there is no such process.
std::int64_t ResidentKib(pid_t pid);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_CPU_H_
