#include "payment_svc/gateway_notes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace unwind::payment {
namespace {

CallKey CallOf(const std::string& saga, barrier::Phase phase = barrier::Phase::kAction) {
  return {.key_scope = "", .saga_id = saga, .step = "charge", .phase = phase};
}

Question Fence(const std::string& key) {
  return {.verb = Question::Verb::kFence, .key = key, .amount = {}, .captured = ""};
}

TEST(GatewayNotes, AreTakenOnceByTheirOwnCall) {
  GatewayNotes notes;
  notes.SetQuestion(CallOf("s1"), Fence("k1"));
  notes.SetSettled(CallOf("s1"), "owner");
  EXPECT_FALSE(notes.TakeQuestion(CallOf("s2")));
  EXPECT_FALSE(notes.TakeQuestion(CallOf("s1", barrier::Phase::kResolve)));
  EXPECT_EQ(notes.TakeSettled(CallOf("s2")), "");
  EXPECT_EQ(notes.TakeQuestion(CallOf("s1")), Fence("k1"));
  EXPECT_FALSE(notes.TakeQuestion(CallOf("s1")));
  EXPECT_EQ(notes.TakeSettled(CallOf("s1")), "owner");
  EXPECT_EQ(notes.TakeSettled(CallOf("s1")), "");
}

// Else each call whose commit fails for good would be kept for ever.
TEST(GatewayNotes, WhatWasNotCommittedEndsWithTheNextBatch) {
  GatewayNotes notes;
  notes.SetQuestion(CallOf("s1"), Fence("k1"));
  notes.SetSettled(CallOf("s1"), "owner");
  notes.RememberNever("k2");
  notes.Begin();
  EXPECT_FALSE(notes.TakeQuestion(CallOf("s1")));
  EXPECT_EQ(notes.TakeSettled(CallOf("s1")), "");
  EXPECT_TRUE(notes.IsNever("k2"));
}

TEST(GatewayNotes, NeversAreBounded) {
  GatewayNotes notes;
  for (std::size_t i = 0; i <= GatewayNotes::kNeversMax; ++i) notes.RememberNever(absl::StrCat("k", i));
  EXPECT_TRUE(notes.IsNever(absl::StrCat("k", GatewayNotes::kNeversMax)));
  EXPECT_FALSE(notes.IsNever("k0"));
}

}  // namespace
}  // namespace unwind::payment
