// RETURN_IF_ERROR and ASSIGN_OR_RETURN, shaped like Abseil's (which Debian's release does not have yet).
#ifndef UNWIND_COMMON_BASE_STATUS_MACROS_H_
#define UNWIND_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expr)                                                              \
  do {                                                                                     \
    if (absl::Status unwind_status_ = (expr); !unwind_status_.ok()) return unwind_status_; \
  } while (false)

#define UNWIND_CONCAT_INNER_(a, b) a##b
#define UNWIND_CONCAT_(a, b) UNWIND_CONCAT_INNER_(a, b)
#define ASSIGN_OR_RETURN(lhs, expr) UNWIND_ASSIGN_OR_RETURN_(UNWIND_CONCAT_(unwind_or_, __LINE__), lhs, expr)
#define UNWIND_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)

#endif  // UNWIND_COMMON_BASE_STATUS_MACROS_H_
