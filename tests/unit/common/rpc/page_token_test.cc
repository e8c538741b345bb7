#include "common/rpc/page_token.h"

#include "absl/strings/escaping.h"
#include "common/rpc/error.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(PageTokenTest, ComesBackWithTheSameFilters) {
  const std::string token = WritePageToken({"sagas", "place-order", "1"}, "0190-id");
  EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            std::string::npos);
  const auto position = ReadPageToken("saga.unwind", {"sagas", "place-order", "1"}, token);
  ASSERT_TRUE(position.ok()) << position.status();
  EXPECT_EQ(*position, "0190-id");
}

TEST(PageTokenTest, AnEmptyTokenIsTheFirstPage) {
  const auto position = ReadPageToken("saga.unwind", {"sagas", "", "0"}, "");
  ASSERT_TRUE(position.ok());
  EXPECT_EQ(*position, "");
}

TEST(PageTokenTest, IsRefusedWithOtherFiltersOrWhenItIsNone) {
  const std::string token = WritePageToken({"sagas", "place-order", "1"}, "id");
  std::string without_position;
  absl::WebSafeBase64Escape("1\nsagas\nplace-order\n1\n", &without_position);
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"sagas", "place-order", "2"}, token},   {{"sagas", "", "1"}, token},
      {{"history", "place-order", "1"}, token}, {{"sagas", "place-order", "1"}, "!!"},
      {{"sagas", "place-order", "1"}, "aa"},    {{"sagas", "place-order", "1"}, without_position},
  };
  for (const auto& [filters, bad] : cases) {
    const auto position = ReadPageToken("saga.unwind", filters, bad);
    EXPECT_EQ(position.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(GetErrorInfo(position.status()).reason, "INVALID_PAGE_TOKEN") << bad;
  }
}

}  // namespace
}  // namespace unwind
