#include <string>

#include "common/participant/participant.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

std::string Read(const std::string& owner) {
  const std::optional<StepName> step = StepOf(owner);
  return step.has_value() ? absl::StrCat(step->saga_id, " ", step->step) : "none";
}

TEST(StepOf, IsWhatOwnerOfWrote) {
  for (const auto& [saga, step] : {std::pair("s1", "collect"), std::pair("a/b", "c/d"), std::pair("1:x", "y:2")}) {
    EXPECT_EQ(Read(OwnerOf({.key_scope = "", .saga_id = saga, .step = step})), absl::StrCat(saga, " ", step));
  }
}

TEST(StepOf, OfACallWithoutASagaIsNone) {
  EXPECT_EQ(Read(OwnerOf({.key_scope = "", .saga_id = "a-key", .step = ""})), "none");
  EXPECT_EQ(Read(OwnerOf({.key_scope = "member m1", .saga_id = "a-key", .step = ""})), "none");
  for (const char* const nothing : {"", "s1", "2:s1", "9:s1/collect", "x:s1/collect", "-1:s1/collect", "2:s1collect"}) {
    EXPECT_EQ(Read(nothing), "none") << nothing;
  }
}

}  // namespace
}  // namespace unwind
