// Page tokens of list methods: opaque, url-safe, and good only with the filters they were made for. They prove nothing:
// anyone who may list may make one.
#ifndef UNWIND_COMMON_RPC_PAGE_TOKEN_H_
#define UNWIND_COMMON_RPC_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace unwind {

// What a list method answers for its page_size: 0 means 50, more than 500 means 500. REQUIRES: `asked` is not negative.
std::int64_t PageSize(std::int32_t asked);

// `position`: where the next page begins. `filters`: the method and every argument that chooses what is listed; no part
// may hold a newline. Both are printable ASCII.
std::string WritePageToken(const std::vector<std::string>& filters, absl::string_view position);

// The position of `token`; empty for an empty token. INVALID_ARGUMENT, reason INVALID_PAGE_TOKEN, if it is not one that
// was made for these filters.
absl::StatusOr<std::string> ReadPageToken(absl::string_view domain, const std::vector<std::string>& filters,
                                          absl::string_view token);

// The error of a token whose position means nothing to the method.
absl::Status BadPageToken(absl::string_view domain);

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_PAGE_TOKEN_H_
