#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

std::shared_ptr<const Definition> Lab(const std::string& name, int version, const std::string& note) {
  return LoadText(absl::StrCat("saga: ", name, "\nversion: ", version, "\nserves: lab.v1.Lab/Run\nsteps:\n",
                               "  - { name: a, action: lab.v1.Parts/Make, compensation: none, ",
                               "request: { id: saga.id, note: \"", note, "\" } }\nresponse: {}\n"));
}

TEST(Catalog, FindsByNameAndVersion) {
  DefinitionCatalog catalog;
  const auto first = Lab("lab", 1, "a");
  const auto second = Lab("lab", 2, "b");
  EXPECT_EQ(catalog.Add(first), absl::OkStatus());
  EXPECT_EQ(catalog.Add(second), absl::OkStatus());
  EXPECT_EQ(catalog.Find("lab", 1), first);
  EXPECT_EQ(catalog.Find("lab", 2), second);
  EXPECT_EQ(catalog.Find("lab", 3), nullptr);
  EXPECT_EQ(catalog.Find("lob", 1), nullptr);
}

TEST(Catalog, SaysOnceWhatWasMissed) {
  DefinitionCatalog catalog;
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  catalog.Find("lab", 1);
  catalog.Find("lab", 2);
  catalog.Find("lab", 2);
  using Versions = std::set<std::pair<std::string, int>>;
  EXPECT_EQ(catalog.TakeMissed(), (Versions{{"lab", 2}}));
  EXPECT_EQ(catalog.TakeMissed(), Versions());
}

TEST(Catalog, WhatWasGivenUpIsMissedNoMoreAndMayStillBeAdded) {
  DefinitionCatalog catalog;
  catalog.GiveUp("lab", 1, "it is gone");
  EXPECT_EQ(catalog.Find("lab", 1), nullptr);
  EXPECT_TRUE(catalog.TakeMissed().empty());
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  EXPECT_NE(catalog.Find("lab", 1), nullptr);
}

TEST(Catalog, WhatCanOnlyBeReadIsNotToBeDriven) {
  using Versions = std::vector<std::pair<std::string, int>>;
  DefinitionCatalog catalog;
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a"), Use::kRead), absl::OkStatus());
  EXPECT_NE(catalog.Find("lab", 1), nullptr);
  EXPECT_EQ(catalog.Versions(), Versions());
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a"), Use::kRead), absl::OkStatus());
  EXPECT_EQ(catalog.Versions(), (Versions{{"lab", 1}})) << "what can be driven stays so";
}

TEST(Catalog, SaysWhySagasOfADefinitionAreNotDriven) {
  DefinitionCatalog catalog;
  EXPECT_THAT(catalog.WhyNotDriven("lab", 1), testing::HasSubstr("not loaded"));
  catalog.GiveUp("lab", 1, "it is gone");
  EXPECT_EQ(catalog.WhyNotDriven("lab", 1), "it is gone");
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a"), Use::kRead, "it has no route"), absl::OkStatus());
  EXPECT_EQ(catalog.WhyNotDriven("lab", 1), "it has no route");
  Saga saga;
  saga.definition = "lab";
  saga.definition_version = 1;
  EXPECT_EQ(catalog.WhyNotDriven(saga), "it has no route");
  ASSERT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  EXPECT_EQ(catalog.WhyNotDriven("lab", 1), "");
  EXPECT_THAT(catalog.WhyNotDriven(saga), testing::HasSubstr("0 steps")) << "the row has not its steps";
}

TEST(Catalog, TakesTheSameTwiceButNotAnotherContent) {
  DefinitionCatalog catalog;
  EXPECT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  EXPECT_EQ(catalog.Add(Lab("lab", 1, "a")), absl::OkStatus());
  EXPECT_EQ(catalog.Add(Lab("lab", 1, "b")),
            absl::AlreadyExistsError("saga 'lab' version 1 is known with another content: another file has the same "
                                     "name and version, or its file or the protos it "
                                     "uses changed; give it a new version"));
}

TEST(Catalog, ServesAMethodOnce) {
  DefinitionCatalog catalog;
  const auto lab = Lab("lab", 1, "a");
  EXPECT_EQ(catalog.Serve(lab), absl::OkStatus());
  EXPECT_EQ(catalog.Serve(Lab("lab", 1, "a")), absl::OkStatus());
  EXPECT_EQ(catalog.Serve(Lab("lab", 2, "a")),
            absl::InvalidArgumentError("sagas 'lab' version 1 and 'lab' version 2 both serve /lab.v1.Lab/Run; "
                                       "serve one of them"));
  EXPECT_EQ(catalog.Serve(Lab("other", 1, "a")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(catalog.ServedBy("/lab.v1.Lab/Run"), lab);
  EXPECT_EQ(catalog.ServedBy("/lab.v1.Lab/Walk"), nullptr);
  ASSERT_EQ(catalog.served().size(), 1u);
  EXPECT_EQ(catalog.served()[0], lab);
}

}  // namespace
}  // namespace unwind
