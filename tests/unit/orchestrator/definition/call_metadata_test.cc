// What a step's `metadata:` adds to its calls.
#include "orchestrator/definition/call_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::shared_ptr<const Definition> WithMetadata(const std::string& metadata) {
  return LoadText(absl::StrCat(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
  - name: other
    action: lab.v1.Parts/Make
    request: { id: saga.id }
    compensation: none
    metadata: )",
                               metadata, "\nresponse: {}\n"));
}

TEST(CallMetadata, IsReadFromTheRow) {
  const auto definition =
      WithMetadata("{ tenant: input.coupon, part: make.part_id, x.id: saga.id, x_key: saga.key, region: eu-1 }");
  ASSERT_NE(definition, nullptr);
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.input = texts.Bytes("lab.v1.RunRequest", R"(coupon: "acme")");
  saga.steps[0].reply = texts.Bytes("lab.v1.MakeResponse", R"(part_id: "p-1")");
  EXPECT_THAT(*definition->Metadata(saga, 1),
              ElementsAre(Pair("tenant", "acme"), Pair("part", "p-1"), Pair("x.id", "0190-saga"),
                          Pair("x_key", "key-1"), Pair("region", "eu-1")));
  EXPECT_THAT(*definition->Metadata(saga, 0), IsEmpty());
}

TEST(CallMetadata, HoldsWhatMetadataCanHold) {
  const auto definition = WithMetadata("{ tenant: input.coupon }");
  ASSERT_NE(definition, nullptr);
  Texts texts;
  const auto sent = [&](const std::string& coupon) {
    Saga saga = NewSaga(*definition);
    saga.input = texts.Bytes("lab.v1.RunRequest", absl::StrCat("coupon: \"", coupon, "\""));
    return *definition->Metadata(saga, 1);
  };
  EXPECT_THAT(sent(""), IsEmpty());
  EXPECT_THAT(sent("  \\n "), IsEmpty());
  EXPECT_THAT(sent(" a\\nb\\r\\303\\251 "), ElementsAre(Pair("tenant", "a?b???")));
  EXPECT_THAT(sent(std::string(300, 'x')), ElementsAre(Pair("tenant", std::string(256, 'x'))));
}

TEST(CallMetadata, OfABrokenRowIsAnError) {
  const auto definition = WithMetadata("{ tenant: input.coupon }");
  ASSERT_NE(definition, nullptr);
  Saga saga = NewSaga(*definition);
  saga.input = "\xFF";
  EXPECT_EQ(definition->Metadata(saga, 1).status().code(), absl::StatusCode::kInternal);
}

TEST(CallMetadata, IsBounded) {
  std::string many;
  for (int i = 0; i < 9; ++i) absl::StrAppend(&many, many.empty() ? "" : ", ", "m", i, ": x");
  const auto loaded = LoadDefinition("f",
                                     absl::StrCat(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none, metadata: { )",
                                                  many, R"( } }
response: {}
)"),
                                     AllDescriptors());
  EXPECT_EQ(loaded.status().message(),
            "f:6: the metadata of step 'make' has 9 pairs; at most 8 are allowed: put the rest into the request");
}

}  // namespace
}  // namespace unwind
