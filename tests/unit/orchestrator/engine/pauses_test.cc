#include "orchestrator/engine/pauses.h"

#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PausesTest : public testing::Test {
 protected:
  PausesTest() {
    for (const char* name : {"a", "b"}) {
      EXPECT_TRUE(store_.PutDefinition({.name = name, .version = 1, .hash = {}, .yaml = {}, .descriptors = {}}).ok());
    }
  }

  FaultyStore store_;
  Pauses pauses_{store_};
};

TEST_F(PausesTest, TheyAreThoseThatWereReadLast) {
  ASSERT_TRUE(store_.PutPause("a", "kim", "why").ok());
  EXPECT_TRUE(pauses_.Check("a").ok());
  ASSERT_TRUE(pauses_.Read().ok());
  EXPECT_THAT(pauses_.names(), ElementsAre("a"));
  EXPECT_EQ(GetErrorInfo(pauses_.Check("a")).reason, "DEFINITION_PAUSED");
  EXPECT_TRUE(pauses_.Check("b").ok());
  ASSERT_TRUE(store_.RemovePause("a").ok());
  ASSERT_TRUE(pauses_.Read().ok());
  EXPECT_THAT(pauses_.names(), IsEmpty());
  EXPECT_TRUE(pauses_.Check("a").ok());
}

TEST_F(PausesTest, AnErrorLeavesThem) {
  ASSERT_TRUE(store_.PutPause("a", "kim", "why").ok());
  ASSERT_TRUE(pauses_.Read().ok());
  store_.SetAway(true);
  EXPECT_FALSE(pauses_.Read().ok());
  EXPECT_THAT(pauses_.names(), ElementsAre("a"));
}

TEST_F(PausesTest, AReadThatEndsLateDoesNotUndoWhatALaterOneSaw) {
  store_.SetAfterPauses([this] {
    EXPECT_TRUE(store_.PutPause("a", "kim", "why").ok());
    EXPECT_TRUE(pauses_.Read().ok());
  });
  ASSERT_TRUE(pauses_.Read().ok());
  EXPECT_THAT(pauses_.names(), ElementsAre("a"));
}

}  // namespace
}  // namespace unwind
