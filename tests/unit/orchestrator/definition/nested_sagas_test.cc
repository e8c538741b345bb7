#include "orchestrator/definition/nested_sagas.h"

#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

constexpr char kChild[] = R"(saga: child
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
response: {}
)";
constexpr char kParent[] = R"(saga: parent
version: 1
serves: lab.legacy.v1.Legacy/Run
steps:
  - name: first
    action: ACTION
    request: REQUEST
    compensation: COMPENSATION
    compensation_request: REQUEST
response: { name: saga.id }
)";

// Of a step whose call and compensation go to methods that take a lab.v1.RunRequest.
std::string Check(const std::string& action, const std::string& compensation) {
  const auto child = LoadText(kChild);
  const auto parent = LoadText(absl::StrReplaceAll(
      kParent, {{"ACTION", action}, {"COMPENSATION", compensation}, {"REQUEST", "{ strict: input.strict }"}}));
  if (child == nullptr || parent == nullptr) return "";
  EXPECT_EQ(CheckNoneIsNested({child, parent}), CheckNoneIsNested({parent, child}));
  return std::string(CheckNoneIsNested({parent, child}).message());
}

TEST(NestedSagas, AreRefusedWithTheLineOfTheStep) {
  const std::string says =
      "test.yaml:5: step 'first' calls lab.v1.Lab/Run, which saga 'child' serves; a saga cannot be a step of another: "
      "call the services that it calls";
  EXPECT_EQ(Check("lab.v1.Lab/Rerun", "lab.v1.Lab/Rerun"), "");
  EXPECT_EQ(Check("lab.v1.Lab/Run", "lab.v1.Lab/Rerun"), says);
  EXPECT_EQ(Check("lab.v1.Lab/Rerun", "lab.v1.Lab/Run"), says);
  EXPECT_EQ(Check("lab.v1.Lab/Run", "lab.v1.Lab/Run"), absl::StrCat(says, "\n", says));
}

TEST(NestedSagas, AreLookedForAmongThoseThatAreServed) {
  EXPECT_TRUE(CheckNoneIsNested({}).ok());
  EXPECT_TRUE(CheckNoneIsNested({LoadText(kChild)}).ok());
}

}  // namespace
}  // namespace unwind
