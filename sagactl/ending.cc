#include "sagactl/ending.h"

#include "common/rpc/error.h"

namespace unwind::sagactl {
namespace {

constexpr char kOwnDomain[] = "sagactl";
constexpr char kGatewayDomain[] = "gateway.unwind";
constexpr char kCalledWrongly[] = "CALLED_WRONGLY", kNotAll[] = "NOT_ALL", kAnswerNotKnown[] = "NOT_KNOWN";

// Those that HTTP says as 5xx.
bool IsFailureOfServer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsInternal(status) ||
         absl::IsUnknown(status) || absl::IsDataLoss(status);
}

}  // namespace

Ending EndingOf(const absl::Status& status) {
  if (status.ok()) return Ending::kDone;
  const ErrorInfo info = GetErrorInfo(status);
  if (info.domain == kOwnDomain) return info.reason == kAnswerNotKnown ? Ending::kNotKnown : Ending::kRefused;
  // UNIMPLEMENTED is said before anything is done.
  if (info.reason.empty()) return absl::IsUnimplemented(status) ? Ending::kRefused : Ending::kNotKnown;
  if (info.domain == kGatewayDomain) return IsFailureOfServer(status) ? Ending::kNotKnown : Ending::kRefused;
  return info.reason == "STORE_UNAVAILABLE" ? Ending::kNotKnown : Ending::kRefused;
}

const char* Word(Ending ending) {
  switch (ending) {
    case Ending::kDone:
      return "done";
    case Ending::kRefused:
      return "refused";
    case Ending::kNotKnown:
      return "not known";
  }
  return "?";
}

absl::Status CalledWrongly(absl::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what, {kCalledWrongly, kOwnDomain, {}});
}

absl::Status NotAll(absl::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, what, {kNotAll, kOwnDomain, {}});
}

absl::Status NotKnown(absl::string_view what) {
  return MakeError(absl::StatusCode::kUnknown, what, {kAnswerNotKnown, kOwnDomain, {}});
}

bool IsOwn(const absl::Status& status) { return GetErrorInfo(status).domain == kOwnDomain; }

bool IsCalledWrongly(const absl::Status& status) {
  return IsOwn(status) && GetErrorInfo(status).reason == kCalledWrongly;
}

}  // namespace unwind::sagactl
