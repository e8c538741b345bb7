#include "common/rpc/deterministic.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

google::rpc::ErrorInfo WithEntries(int step) {
  google::rpc::ErrorInfo info;
  for (int i = 0; i < 100; ++i) (*info.mutable_metadata())[absl::StrCat("k", i * step % 100)] = absl::StrCat(i);
  return info;
}

TEST(DeterministicBytes, AreTheSameForEqualMessages) {
  google::rpc::ErrorInfo forwards;
  google::rpc::ErrorInfo backwards;
  for (int i = 0; i < 100; ++i) {
    (*forwards.mutable_metadata())[absl::StrCat("k", i)] = "v";
    (*backwards.mutable_metadata())[absl::StrCat("k", 99 - i)] = "v";
  }
  EXPECT_EQ(DeterministicBytes(forwards), DeterministicBytes(backwards));
  EXPECT_NE(DeterministicBytes(forwards), DeterministicBytes(WithEntries(7)));
  EXPECT_EQ(DeterministicBytes(WithEntries(7)), DeterministicBytes(WithEntries(7)));
}

TEST(DeterministicBytes, ParseAsTheMessage) {
  const google::rpc::ErrorInfo info = WithEntries(3);
  google::rpc::ErrorInfo parsed;
  ASSERT_TRUE(parsed.ParseFromString(DeterministicBytes(info)));
  EXPECT_EQ(parsed.metadata().size(), info.metadata().size());
  EXPECT_EQ(DeterministicBytes(google::rpc::ErrorInfo()), "");
}

}  // namespace
}  // namespace unwind
