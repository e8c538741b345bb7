#include "orchestrator/core/outcome.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace unwind {
namespace {

// The table of rule S1, written out a second time: google.rpc.Code -> outcome of an action or a compensation.
const std::map<int, Outcome> kTable = {
    {0, Outcome::kOk},        // OK
    {1, Outcome::kUnknown},   // CANCELLED
    {2, Outcome::kUnknown},   // UNKNOWN
    {3, Outcome::kRefused},   // INVALID_ARGUMENT
    {4, Outcome::kUnknown},   // DEADLINE_EXCEEDED
    {5, Outcome::kRefused},   // NOT_FOUND
    {6, Outcome::kRefused},   // ALREADY_EXISTS
    {7, Outcome::kRefused},   // PERMISSION_DENIED
    {8, Outcome::kUnknown},   // RESOURCE_EXHAUSTED
    {9, Outcome::kRefused},   // FAILED_PRECONDITION
    {10, Outcome::kUnknown},  // ABORTED
    {11, Outcome::kRefused},  // OUT_OF_RANGE
    {12, Outcome::kRefused},  // UNIMPLEMENTED
    {13, Outcome::kUnknown},  // INTERNAL
    {14, Outcome::kUnknown},  // UNAVAILABLE
    {15, Outcome::kUnknown},  // DATA_LOSS
    {16, Outcome::kRefused},  // UNAUTHENTICATED
};

TEST(OutcomeTest, ReadsAllSeventeenCodesByTheTable) {
  ASSERT_EQ(kTable.size(), 17u);
  for (const auto& [code, outcome] : kTable) {
    EXPECT_EQ(ReadOutcome(Phase::kAction, code, "ANY", {}), outcome) << "code " << code;
    EXPECT_EQ(ReadOutcome(Phase::kCompensation, code, "ANY", {}), outcome) << "code " << code;
    EXPECT_EQ(ReadOutcome(Phase::kCompensation, code, "ANY", {{code, Outcome::kFenced}}), outcome)
        << "code " << code << ": a step's own table is its action's";
  }
}

TEST(OutcomeTest, CodesFromOutsideTheTableAreUnknown) {
  for (const int code : {-1, 17, 20, 1000})
    EXPECT_EQ(ReadOutcome(Phase::kAction, code, "", {}), Outcome::kUnknown) << code;
}

TEST(OutcomeTest, OnlyAbortedWithReasonFencedIsFenced) {
  for (const auto& [code, outcome] : kTable) {
    const Outcome expected = code == 10 ? Outcome::kFenced : outcome;
    EXPECT_EQ(ReadOutcome(Phase::kAction, code, kReasonFenced, {}), expected) << "code " << code;
  }
}

TEST(OutcomeTest, AStepMayOverrideRefusedAndUnknownButNeverOkOrFenced) {
  const OutcomeOverrides overrides = {
      {0, Outcome::kRefused}, {5, Outcome::kUnknown}, {10, Outcome::kRefused}, {14, Outcome::kRefused}};
  EXPECT_EQ(ReadOutcome(Phase::kAction, 0, "", overrides), Outcome::kOk);
  EXPECT_EQ(ReadOutcome(Phase::kAction, 5, "", overrides), Outcome::kUnknown);
  EXPECT_EQ(ReadOutcome(Phase::kAction, 14, "", overrides), Outcome::kRefused);
  EXPECT_EQ(ReadOutcome(Phase::kAction, 10, "", overrides), Outcome::kRefused);
  EXPECT_EQ(ReadOutcome(Phase::kAction, 10, kReasonFenced, overrides), Outcome::kFenced);
}

TEST(OutcomeTest, AResolveKnowsOnlyItHappenedAndItNeverWill) {
  for (const auto& [code, outcome] : kTable) {
    for (const char* reason : {"", kReasonFenced, kReasonKeyReused, kReasonNeverHappened}) {
      Outcome expected = code == 0 ? Outcome::kOk : Outcome::kUnknown;
      if (code == 9 && std::string(reason) == kReasonNeverHappened) expected = Outcome::kRefused;
      EXPECT_EQ(ReadOutcome(Phase::kResolve, code, reason, {{9, Outcome::kRefused}}), expected)
          << code << " " << reason;
    }
  }
}

TEST(OutcomeTest, AStoredRefusalIsFinalWhateverItsCodeUnlessTheBarrierItselfRefused) {
  for (const Phase phase : {Phase::kAction, Phase::kCompensation}) {
    for (int code = 1; code <= 16; ++code) {
      EXPECT_TRUE(IsFinalRefusal(phase, code, "CARD_DECLINED", true)) << code;
      EXPECT_TRUE(IsFinalRefusal(phase, code, "", true)) << code;
      EXPECT_FALSE(IsFinalRefusal(phase, code, "CARD_DECLINED", false)) << code;
      EXPECT_FALSE(IsFinalRefusal(phase, code, kReasonFenced, true)) << code;
      EXPECT_FALSE(IsFinalRefusal(phase, code, kReasonKeyReused, true)) << code;
    }
    EXPECT_FALSE(IsFinalRefusal(phase, 0, "", true));
  }
  EXPECT_FALSE(IsFinalRefusal(Phase::kResolve, 9, "CARD_DECLINED", true));
}

}  // namespace
}  // namespace unwind
