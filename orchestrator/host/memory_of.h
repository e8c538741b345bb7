// What an orchestrator may take by its flags, in bytes: the rows of README.md, "Memory".
#ifndef UNWIND_ORCHESTRATOR_HOST_MEMORY_OF_H_
#define UNWIND_ORCHESTRATOR_HOST_MEMORY_OF_H_

#include <cstddef>

#include "orchestrator/host/options.h"

namespace unwind {

// With the flags of the ports as this process has them. `participants`: to how many addresses calls go.
std::size_t MemoryOf(const Options& options, std::size_t participants);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_MEMORY_OF_H_
