#include "common/rpc/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/rpc/error.h"

namespace unwind {
namespace {

constexpr std::int32_t kPageSizeDefault = 50;
constexpr std::int32_t kPageSizeMax = 500;

// Before the position, inside the token: the format's version and the filters, each ended by a newline.
std::string Prefix(const std::vector<std::string>& filters) {
  return absl::StrCat("1\n", absl::StrJoin(filters, "\n"), "\n");
}

bool IsPlain(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::int64_t PageSize(std::int32_t asked) { return asked == 0 ? kPageSizeDefault : std::min(asked, kPageSizeMax); }

std::string WritePageToken(const std::vector<std::string>& filters, absl::string_view position) {
  return absl::WebSafeBase64Escape(absl::StrCat(Prefix(filters), position));
}

absl::StatusOr<std::string> ReadPageToken(absl::string_view domain, const std::vector<std::string>& filters,
                                          absl::string_view token) {
  if (token.empty()) return "";
  std::string plain;
  absl::string_view position;
  if (absl::WebSafeBase64Unescape(token, &plain)) position = plain;
  const bool ours = absl::ConsumePrefix(&position, Prefix(filters)) && !position.empty() &&
                    std::all_of(position.begin(), position.end(), IsPlain);
  if (!ours) return BadPageToken(domain);
  return std::string(position);
}

absl::Status BadPageToken(absl::string_view domain) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   "page_token is not the next_page_token of a call with the same filters; start again without one",
                   {"INVALID_PAGE_TOKEN", std::string(domain), {}});
}

}  // namespace unwind
