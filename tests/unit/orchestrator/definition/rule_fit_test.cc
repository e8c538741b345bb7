// Warnings of a definition: sources that are wider than what they go into, texts that were meant as paths.
#include "orchestrator/definition/rule_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kRequired[] =
    "is required, but what it is read from may not be set; make that field required too by its saga.v1.rules, or end a "
    "first_of with a literal";
constexpr char kSameRules[] = "refuses; give the served request's field the same saga.v1.rules";

// Of a step with this call, on line 6; `more` are other keys of the step.
std::vector<std::string> Warnings(const std::string& method, const std::string& request, const std::string& more = "") {
  const auto definition = LoadText(
      absl::StrCat("saga: lab\nversion: 1\nserves: lab.v1.Lab/Run\nsteps:\n", "  - name: a\n    action: lab.v1.Parts/",
                   method, "\n    request: ", request, "\n    compensation: none\n", more, "response: {}\n"));
  return definition == nullptr ? std::vector<std::string>{"it does not load"} : definition->warnings();
}

std::string OfLine7(const std::string& what) { return absl::StrCat("test.yaml:7: warning: ", what); }

TEST(RuleFit, SourcesWithTheSameRulesFit) {
  EXPECT_THAT(Warnings("Check",
                       "{ id: input.strict.id, name: input.strict.name, raw: input.strict.raw, amount: "
                       "input.strict.amount, count: input.strict.count, color: input.strict.color, words: "
                       "input.strict.words, parts: input.strict.parts, part: input.strict.part, share: "
                       "input.strict.share }"),
              IsEmpty());
  EXPECT_THAT(Warnings("Check", "{ id: saga.id, name: x, color: RED, parts: input.strict.parts, part: { name: y } }"),
              IsEmpty());
}

TEST(RuleFit, SourcesThatMayHoldMoreAreWarnedOf) {
  EXPECT_THAT(
      Warnings("Check",
               "{ id: input.coupon, name: saga.key, raw: input.all.raw, amount: input.all.big, count: "
               "input.all.small_positive, color: input.all.color, words: input.all.words, parts: "
               "input.all.parts, part: input.strict.part, share: input.all.fine }"),
      ElementsAre(
          OfLine7(absl::StrCat("'input.coupon' may hold other characters than A-Z, a-z, 0-9, _ and -, which 'id' ",
                               kSameRules)),
          OfLine7(absl::StrCat("'id' ", kRequired)),
          OfLine7(
              "'saga.key' may have 64 bytes, but 'name' takes at most 8; give it another value, or let it take more"),
          OfLine7(absl::StrCat("'input.all.raw' may have more than 4 bytes, which 'raw' ", kSameRules)),
          OfLine7(absl::StrCat("'input.all.big' may be less than 1, which 'amount' ", kSameRules)),
          OfLine7(absl::StrCat("'input.all.big' may be more than 100, which 'amount' ", kSameRules)),
          OfLine7(absl::StrCat("'input.all.small_positive' may be more than 9, which 'count' ", kSameRules)),
          OfLine7(absl::StrCat("'color' ", kRequired)),
          OfLine7(absl::StrCat("'input.all.words' may have more than 3 elements, which 'words' ", kSameRules)),
          OfLine7(
              absl::StrCat("'input.all.parts' may have two elements with the same 'name', which 'parts' ", kSameRules)),
          OfLine7(absl::StrCat("'parts' ", kRequired)),
          OfLine7(absl::StrCat("'input.all.fine' may be less than 0, which 'share' ", kSameRules)),
          OfLine7(absl::StrCat("'input.all.fine' may be more than 1, which 'share' ", kSameRules))));
}

TEST(RuleFit, AFieldThatTheStepsWhenNamesIsSet) {
  EXPECT_THAT(Warnings("Make", "{ id: input.coupon }"), ElementsAre(OfLine7(absl::StrCat("'id' ", kRequired))));
  EXPECT_THAT(Warnings("Make", "{ id: input.coupon }", "    when: input.coupon\n"), IsEmpty());
  EXPECT_THAT(Warnings("Make", "{ id: input.coupon }", "    when: input.request_id\n"),
              ElementsAre(OfLine7(absl::StrCat("'id' ", kRequired))));
  EXPECT_THAT(Warnings("Make", "{ id: { first_of: [input.coupon, saga.id] } }"), IsEmpty());
  EXPECT_THAT(Warnings("Make", "{ id: { first_of: [input.coupon, \"x\"] } }"), IsEmpty());
}

TEST(RuleFit, AStepUnderTheSameWhenHasRun) {
  const std::string b =
      "  - { name: b, action: lab.v1.Parts/Make, request: { id: a.part_id }, compensation: none, when: input.coupon "
      "}\n";
  EXPECT_THAT(Warnings("Make", "{ id: saga.id }", "    when: input.coupon\n" + b), IsEmpty());
  const std::string c =
      "  - { name: b, action: lab.v1.Parts/Make, request: { id: a.part_id }, compensation: none, when: a.part_id }\n";
  EXPECT_THAT(Warnings("Make", "{ id: saga.id }", "    when: input.coupon\n" + c), IsEmpty());
}

TEST(RuleFit, TextsThatWereMeantAsPathsAreWarnedOf) {
  const auto says = [](const std::string& text, const std::string& path) {
    return OfLine7(absl::StrCat("'", text, "' is sent as this text; if ", path,
                                " is meant: paths are written without quotes and braces"));
  };
  for (const char* text : {"${input.coupon}", "{{ input.coupon }}", "$input.coupon", "input.coupon",
                           "for ${input.coupon}!", "{input.coupon}"}) {
    EXPECT_THAT(Warnings("Make", absl::StrCat("{ id: saga.id, note: \"", text, "\" }")),
                ElementsAre(says(text, "input.coupon")));
  }
  EXPECT_THAT(Warnings("Make", "\n      id: saga.id\n      note: ${saga.id}"),
              ElementsAre("test.yaml:9: warning: '${saga.id}' is sent as this text; if saga.id is meant: paths are "
                          "written without quotes and braces"));
  for (const char* text : {"inputs.coupon", "input", "a.b c", "www.example.org", "${}", "{", "}{", "", "$"}) {
    EXPECT_THAT(Warnings("Make", absl::StrCat("{ id: saga.id, note: \"", text, "\" }")), IsEmpty()) << text;
  }
}

TEST(RuleFit, APivotWithoutResolveIsWarnedOf) {
  const std::string pivot = "  - { name: b, kind: pivot, action: lab.v1.Parts/Ship, request: { id: saga.id }";
  EXPECT_THAT(Warnings("Make", "{ id: saga.id }", pivot + ", resolve: lab.v1.Parts/AskShip }\n"), IsEmpty());
  EXPECT_THAT(
      Warnings("Make", "{ id: saga.id }", pivot + " }\n"),
      ElementsAre("test.yaml:9: warning: step 'b' is a pivot without a resolve: refused after an unknown outcome "
                  "it parks, and a person must find out whether it happened; name a method that answers finally "
                  "whether it happened"));
}

TEST(RuleFit, TheShopsOwnDefinitionsHaveNoWarnings) {
  for (const char* name : {"place_order.yaml", "cancel_order.yaml", "reset.yaml"}) {
    EXPECT_THAT(LoadShop(name)->warnings(), IsEmpty()) << name;
  }
  for (const char* name : {"after_order.yaml", "after_sold_out.yaml"}) {
    const auto follower = LoadShopFollower(name);
    ASSERT_NE(follower, nullptr);
    EXPECT_THAT(follower->warnings(), IsEmpty()) << name;
  }
}

TEST(RuleFit, AStoredDefinitionThatBreaksRulesStillLoads) {
  const std::string yaml = R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: "" }, compensation: none, timeout: 1ns }
  - { name: more, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, timeout: 2h }
  - { name: last, action: lab.v1.Parts/Ship, compensation: none }
response: {}
)";
  EXPECT_FALSE(LoadDefinition("f", yaml, AllDescriptors()).ok());
  const auto stored = LoadDefinition("f", yaml, AllDescriptors(), Origin::kStored);
  ASSERT_EQ(stored.status(), absl::OkStatus());
  EXPECT_EQ((*stored)->warnings().size(), 4u);
  EXPECT_EQ((*stored)->plan().steps[0].timeout, absl::Nanoseconds(1));
  EXPECT_EQ((*stored)->plan().steps[1].timeout, absl::Hours(2));
}

}  // namespace
}  // namespace unwind
