// `when`: a step runs if a field is set.
#include <gtest/gtest.h>

#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

std::shared_ptr<const Definition> LoadWhen(const std::string& when) {
  return LoadText(absl::StrCat(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: a, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, when: input.request_id }
  - { name: b, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, when: )",
                               when, R"( }
response: {}
)"));
}

bool RunsWith(const std::string& when, const std::string& input, const std::string& reply_of_a = "") {
  const auto definition = LoadWhen(when);
  if (definition == nullptr) return false;
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.input = texts.Bytes("lab.v1.RunRequest", input);
  saga.steps[0].reply = texts.Bytes("lab.v1.MakeResponse", reply_of_a);
  return definition->plan().steps[1].when(saga);
}

TEST(When, IsTrueOfAFieldThatIsSet) {
  EXPECT_TRUE(RunsWith("input.coupon", R"(coupon: "c")"));
  EXPECT_FALSE(RunsWith("input.coupon", ""));
  EXPECT_TRUE(RunsWith("input.all.parts", "all { parts { } }"));
  EXPECT_FALSE(RunsWith("input.all.parts", "all { }"));
  EXPECT_TRUE(RunsWith("input.all.part", "all { part { } }"));
  EXPECT_TRUE(RunsWith("input.all.yes", "all { yes: true }"));
  EXPECT_FALSE(RunsWith("input.all.yes", "all { yes: false }"));
  EXPECT_TRUE(RunsWith("input.all.maybe", "all { maybe: 0 }"));
  EXPECT_FALSE(RunsWith("input.all.part.inner.name", "all { part { } }"));
}

TEST(When, ReadsRepliesAlsoOfStepsThatMayBeSkipped) {
  EXPECT_TRUE(RunsWith("a.part_id", "", R"(part_id: "p")"));
  EXPECT_FALSE(RunsWith("a.part_id", ""));
}

TEST(When, IsFalseOfBytesThatDoNotParse) {
  const auto definition = LoadWhen("input.coupon");
  ASSERT_NE(definition, nullptr);
  Saga saga = NewSaga(*definition);
  saga.input = "\xFF";
  EXPECT_FALSE(definition->plan().steps[1].when(saga));
}

TEST(When, OutlivesTheDefinitionInACopyOfThePlan) {
  auto definition = LoadWhen("input.coupon");
  ASSERT_NE(definition, nullptr);
  const Plan plan = definition->plan();
  Saga saga = NewSaga(*definition);
  saga.input = Texts().Bytes("lab.v1.RunRequest", R"(coupon: "c")");
  definition.reset();
  EXPECT_TRUE(plan.steps[1].when(saga));
}

}  // namespace
}  // namespace unwind
