// A time as the protos say it.
#ifndef UNWIND_ORDER_SVC_TIMESTAMP_H_
#define UNWIND_ORDER_SVC_TIMESTAMP_H_

#include <cstdint>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace unwind::order {

// To the microsecond, as rows have it.
inline void WriteTime(absl::Time from, google::protobuf::Timestamp& to) {
  const std::int64_t micros = absl::ToUnixMicros(from);
  to.set_seconds(micros / 1000000);
  to.set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

}  // namespace unwind::order

#endif  // UNWIND_ORDER_SVC_TIMESTAMP_H_
