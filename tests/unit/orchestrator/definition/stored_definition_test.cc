// What is stored of a definition is enough to load it again, for ever.
#include <gmock/gmock.h>

#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.pb.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using google::protobuf::FileDescriptorSet;

std::vector<std::string> FilesOf(const Definition& definition) {
  FileDescriptorSet set;
  EXPECT_TRUE(set.ParseFromString(definition.descriptors()));
  std::vector<std::string> names;
  for (const auto& file : set.file()) names.push_back(file.name());
  return names;
}

TEST(Stored, DefinitionLoadsAloneAndIsTheSame) {
  for (const char* name : {"place_order.yaml", "cancel_order.yaml", "reset.yaml"}) {
    const auto definition = LoadShop(name);
    ASSERT_NE(definition, nullptr);
    const auto source = DescriptorSource::New();
    ASSERT_EQ(source->Add("stored", definition->descriptors()), absl::OkStatus());
    const auto again = LoadDefinition(name, definition->yaml(), source);
    ASSERT_EQ(again.status(), absl::OkStatus());
    EXPECT_EQ((*again)->yaml(), ReadWhole(absl::StrCat(SAGAS, "/", name)));
    EXPECT_EQ((*again)->descriptors(), definition->descriptors());
    EXPECT_EQ((*again)->hash(), definition->hash());
    EXPECT_EQ((*again)->hash().size(), 64u);
  }
}

TEST(Stored, DefinitionStillKnowsTheLimitsOfItsFields) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const auto source = DescriptorSource::New();
  ASSERT_EQ(source->Add("stored", definition->descriptors()), absl::OkStatus());
  const std::string without = absl::StrReplaceAll(definition->yaml(), {{"member_id: input.member_id, ", ""}});
  EXPECT_EQ(LoadDefinition("x.yaml", without, source).status().message(),
            "x.yaml:11: the request of step 'create_order' leaves out 'member_id', which "
            "shop.order.v1.CreateOrderRequest requires; say where it comes from");
}

TEST(Stored, DescriptorsAreOnlyTheNeededOnesImportsFirst) {
  const auto definition = LoadText(R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
steps:
  - { name: a, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
response: {}
)");
  ASSERT_NE(definition, nullptr);
  EXPECT_THAT(FilesOf(*definition),
              testing::ElementsAre("google/protobuf/duration.proto", "google/protobuf/descriptor.proto",
                                   "saga/v1/rules.proto", "lab.proto"));
}

TEST(Hash, DoesNotDependOnWhatElseIsLoadedNorOnComments) {
  const std::string yaml = ReadWhole(absl::StrCat(SAGAS, "/place_order.yaml"));
  FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromString(ReadWhole(UNWIND_PROTOSET)));
  for (auto& file : *set.mutable_file()) file.clear_source_code_info();
  const auto shop_alone = DescriptorSource::New();
  ASSERT_EQ(shop_alone->Add("shop", set.SerializeAsString()), absl::OkStatus());
  const auto loaded = LoadDefinition("x.yaml", yaml, shop_alone);
  ASSERT_EQ(loaded.status(), absl::OkStatus());
  EXPECT_EQ((*loaded)->hash(), LoadShop("place_order.yaml")->hash());
}

TEST(Hash, ChangesWithTheFileAndWithTheProtos) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const auto commented = LoadText(definition->yaml() + "# a comment\n");
  ASSERT_NE(commented, nullptr);
  EXPECT_NE(commented->hash(), definition->hash());

  FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromString(definition->descriptors()));
  set.mutable_file()->rbegin()->add_message_type()->set_name("Another");
  const auto source = DescriptorSource::New();
  ASSERT_EQ(source->Add("changed", set.SerializeAsString()), absl::OkStatus());
  const auto changed = LoadDefinition("x.yaml", definition->yaml(), source);
  ASSERT_EQ(changed.status(), absl::OkStatus());
  EXPECT_NE((*changed)->hash(), definition->hash());
}

}  // namespace
}  // namespace unwind
