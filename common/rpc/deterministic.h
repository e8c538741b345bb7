// The same bytes for equal messages: a map's order is random otherwise.
#ifndef UNWIND_COMMON_RPC_DETERMINISTIC_H_
#define UNWIND_COMMON_RPC_DETERMINISTIC_H_

#include <string>

#include "google/protobuf/message_lite.h"

namespace unwind {

// A proto2 message may lack required fields. REQUIRES: less than 2 GiB, which is protobuf's own limit.
std::string DeterministicBytes(const google::protobuf::MessageLite& message);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_DETERMINISTIC_H_
