#include "orchestrator/api/store_errors.h"

#include "common/base/log.h"
#include "common/rpc/error.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {
About ById(const std::string& saga_id) { return {{"saga_id", saga_id}}; }

absl::Status ToCaller(const absl::Status& status, const About& about) {
  if (status.ok() || !GetErrorInfo(status).reason.empty()) return status;
  if (absl::IsNotFound(status)) {
    return MakeError(absl::StatusCode::kNotFound, "there is no such saga", {"SAGA_NOT_FOUND", kSagaDomain, about});
  }
  if (absl::IsDataLoss(status)) {
    return MakeError(absl::StatusCode::kDataLoss, std::string(status.message()),
                     {"SAGA_UNREADABLE", kSagaDomain, about});
  }
  if (absl::IsUnavailable(status)) return StoreSilent();
  Log(Severity::kError, "the store failed", {{"error", status.message()}});
  return MakeError(absl::StatusCode::kInternal, "the saga store failed; the log of the orchestrator says why",
                   {"STORE_FAILED", kSagaDomain, about});
}

}  // namespace unwind
