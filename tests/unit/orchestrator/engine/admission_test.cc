// The places for sagas in flight, and how they are shared.
#include "orchestrator/engine/admission.h"

#include "gtest/gtest.h"

namespace unwind {
namespace {

TEST(AdmissionTest, ThereIsRoomForSoMany) {
  Admission admission(2, 9, 1);
  EXPECT_TRUE(admission.TryEnter("a"));
  EXPECT_TRUE(admission.TryEnter("a"));
  EXPECT_FALSE(admission.TryEnter("a"));
  EXPECT_FALSE(admission.TryEnter("b"));
  admission.Leave("a");
  EXPECT_TRUE(admission.TryEnter("b"));
  EXPECT_EQ(admission.in_flight(), 2u);
}

TEST(AdmissionTest, OneDefinitionLeavesRoomForTheOthers) {
  Admission admission(10, 9, 0.8);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(admission.TryEnter("dead"));
  EXPECT_FALSE(admission.TryEnter("dead"));
  EXPECT_TRUE(admission.TryEnter("b"));
  EXPECT_TRUE(admission.TryEnter("b"));
  EXPECT_FALSE(admission.TryEnter("b"));
}

TEST(AdmissionTest, WhatIsRecoveredEntersAlsoWhereThereIsNoRoom) {
  Admission admission(1, 9, 1);
  admission.Enter("a");
  admission.Enter("a");
  EXPECT_EQ(admission.in_flight(), 2u);
  admission.Leave("a");
  EXPECT_FALSE(admission.TryEnter("a"));
}

TEST(AdmissionTest, ASmallShareHasOnePlace) {
  Admission admission(2, 9, 0.1);
  EXPECT_TRUE(admission.TryEnter("a"));
  EXPECT_FALSE(admission.TryEnter("a"));
}

TEST(AdmissionTest, StuckSagasHavePlacesOfTheirOwnAndADefinitionItsShareOfThem) {
  Admission admission(10, 4, 0.5);
  EXPECT_TRUE(admission.TryEnterStuck("dead"));
  EXPECT_TRUE(admission.TryEnterStuck("dead"));
  EXPECT_FALSE(admission.TryEnterStuck("dead"));
  EXPECT_TRUE(admission.TryEnterStuck("b"));
  EXPECT_EQ(admission.in_flight(), 0u);
  admission.LeaveStuck("dead");
  EXPECT_TRUE(admission.TryEnterStuck("dead"));
}

}  // namespace
}  // namespace unwind
