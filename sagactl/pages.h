// Sagas by filter, page by page.
#ifndef UNWIND_SAGACTL_PAGES_H_
#define UNWIND_SAGACTL_PAGES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

// The states of sagas that have not ended.
inline constexpr saga::v1::Saga::State kUnfinished[] = {
    saga::v1::Saga::STATE_PARKED, saga::v1::Saga::STATE_COMPENSATING, saga::v1::Saga::STATE_RUNNING};

// "parked" and so on, as --state takes them.
std::vector<std::string> StateNames();
// REQUIRES: `name` is one of them, in any case, or empty: UNSPECIFIED.
saga::v1::Saga::State StateOf(absl::string_view name);

// Hands each saga that `request` chooses to `take`, newest first, until it says false; names those that cannot be read
// on session.err.
absl::Status ForEachSaga(Session& session, saga::v1::ListSagasRequest request,
                         const std::function<bool(const saga::v1::Saga&)>& take);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_PAGES_H_
