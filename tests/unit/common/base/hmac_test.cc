#include "common/base/hmac.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using testing::HasSubstr;
using testing::Not;

// RFC 4231, test cases 1, 2 and 6.
TEST(HexHmacSha256, IsThatOfTheRfc) {
  EXPECT_EQ(HexHmacSha256(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HexHmacSha256("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexHmacSha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(EqualInConstantTime, ComparesBytes) {
  EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_FALSE(EqualInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualInConstantTime("abc", "ab"));
  EXPECT_FALSE(EqualInConstantTime("abc", ""));
}

class SecretFileTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Read(const std::string& text) {
    std::ofstream(folder_.File("secret"), std::ios::binary) << text;
    return ReadSecretFile("the_flag", folder_.File("secret"));
  }

  const TempDir folder_;
};

TEST_F(SecretFileTest, SpaceAtItsEndsIsNotOfTheSecret) {
  EXPECT_EQ(*Read("\n 0123456789abcdef\r\n"), "0123456789abcdef");
  EXPECT_EQ(*Read("with a space and more"), "with a space and more");
}

TEST_F(SecretFileTest, WhatIsNoSecretIsSaidAndNotShown) {
  EXPECT_THAT(std::string(Read("short\n").status().message()), HasSubstr("--the_flag: the secret in"));
  EXPECT_THAT(std::string(Read("short\n").status().message()), Not(HasSubstr("short")));
  EXPECT_EQ(Read("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Read(std::string(kSecretBytesMax + 1, 'a')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Read(std::string(kSecretBytesMax, 'a')).ok());
  EXPECT_EQ(ReadSecretFile("the_flag", folder_.File("none")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReadSecretFile("the_flag", folder_.path()).status().code(), absl::StatusCode::kUnavailable)
      << "a directory";
}

}  // namespace
}  // namespace unwind
