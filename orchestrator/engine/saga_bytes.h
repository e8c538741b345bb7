// About how much memory a saga and its parts take besides their own structs.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SAGA_BYTES_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SAGA_BYTES_H_

#include <cstddef>

#include "orchestrator/core/advance.h"
#include "orchestrator/core/saga.h"

namespace unwind {

std::size_t BytesOf(const Failure& failure);
std::size_t BytesOf(const Saga& saga);
std::size_t BytesOf(const Replied& reply);
std::size_t BytesOf(const Event& event);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SAGA_BYTES_H_
