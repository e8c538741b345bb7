// Sagas by filter, page by page.
#ifndef UNWIND_SAGACTL_PAGES_H_
#define UNWIND_SAGACTL_PAGES_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

// The states of sagas that have not ended.
inline constexpr saga::v1::Saga::State kUnfinished[] = {
    saga::v1::Saga::STATE_PARKED, saga::v1::Saga::STATE_COMPENSATING, saga::v1::Saga::STATE_RUNNING};

// "parked" and so on, as --state takes them.
std::vector<std::string> StateNames();
// Those of kUnfinished.
std::vector<std::string> UnfinishedStateNames();
bool IsUnfinished(saga::v1::Saga::State state);
// REQUIRES: `name` is one of them, in any case, or empty: UNSPECIFIED.
saga::v1::Saga::State StateOf(absl::string_view name);

// Hands each saga that `request` chooses to `take`, newest first, until it says false; names those that cannot be read
// on session.err.
absl::Status ForEachSaga(Session& session, saga::v1::ListSagasRequest request,
                         const std::function<bool(const saga::v1::Saga&)>& take);

// The unfinished sagas of `states` that `request` and `is_wanted` choose, each once, as it was last seen, newest first.
// At most `most` of each state are looked for. One that moved from a state to another meanwhile may be missed.
absl::StatusOr<std::vector<saga::v1::Saga>> FindUnfinished(Session& session, saga::v1::ListSagasRequest request,
                                                           const std::vector<saga::v1::Saga::State>& states,
                                                           std::size_t most,
                                                           const std::function<bool(const saga::v1::Saga&)>& is_wanted);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_PAGES_H_
