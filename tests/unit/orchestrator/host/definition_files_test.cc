#include "orchestrator/host/definition_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "tests/support/memory_saga_store.h"

namespace unwind {
namespace {

constexpr char kYaml[] = R"(saga: place-order
version: 1
serves: shop.checkout.v1.CheckoutService/PlaceOrder
key: input.request_id
key_required: true
steps:
  - name: create_order
    action: shop.order.v1.OrderService/CreateOrder
    request: { order_id: saga.id, member_id: input.member_id, items: input.items }
    compensation: shop.order.v1.OrderService/RejectOrder
    compensation_request: { order_id: saga.id, reason: saga.failure.reason }
response: { order_id: saga.id }
)";

void AddWithImports(const google::protobuf::FileDescriptor* file, std::set<std::string>& seen,
                    google::protobuf::FileDescriptorSet& set) {
  if (!seen.insert(file->name()).second) return;
  for (int i = 0; i < file->dependency_count(); ++i) AddWithImports(file->dependency(i), seen, set);
  file->CopyTo(set.add_file());
}

class DefinitionFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/definition_files_" + std::to_string(::getpid()) + "_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    google::protobuf::FileDescriptorSet set;
    std::set<std::string> seen;
    AddWithImports(shop::checkout::v1::PlaceOrderRequest::descriptor()->file(), seen, set);
    Write("checkout.protoset", set.SerializeAsString());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  DescriptorSets Descriptors() { return *LoadDescriptors({}, folder_ + "/checkout.protoset"); }

  std::vector<std::shared_ptr<const Definition>> Load(const std::string& yaml) {
    const auto definitions = LoadDefinitionFiles({Write("saga.yaml", yaml)}, Descriptors());
    EXPECT_TRUE(definitions.ok()) << definitions.status();
    return definitions.ok() ? *definitions : std::vector<std::shared_ptr<const Definition>>();
  }

  std::string folder_;
  MemorySagaStore store_;
};

TEST_F(DefinitionFilesTest, AFolderStandsForItsYamlFiles) {
  Write("b.yaml", kYaml);
  Write("a.yaml", kYaml);
  Write("notes.txt", "");
  const auto files = ListDefinitionFiles({folder_, "/elsewhere/c.yaml"});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(*files, testing::ElementsAre(folder_ + "/a.yaml", folder_ + "/b.yaml", "/elsewhere/c.yaml"));
}

TEST_F(DefinitionFilesTest, EveryErrorOfEveryFileIsListed) {
  const std::string bad = Write("bad.yaml", absl::StrReplaceAll(kYaml, {{"input.member_id", "input.no_such"}}));
  const std::string worse = Write("worse.yaml", absl::StrReplaceAll(kYaml, {{"CreateOrder", "NoSuchMethod"}}));
  const auto definitions = LoadDefinitionFiles({bad, folder_ + "/missing.yaml", worse}, Descriptors());
  ASSERT_EQ(definitions.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(definitions.status().message());
  EXPECT_THAT(message, testing::HasSubstr(bad + ":9: "));
  EXPECT_THAT(message, testing::HasSubstr(folder_ + "/missing.yaml: cannot be read"));
  EXPECT_THAT(message, testing::HasSubstr(worse + ":8: "));
}

TEST_F(DefinitionFilesTest, OnlyRegularFilesOfABoundedSizeAreRead) {
  EXPECT_EQ(*ReadFile(Write("a", "12345"), 5), "12345");
  EXPECT_EQ(*ReadFile(Write("empty", ""), 5), "");
  EXPECT_EQ(*ReadFile(Write("long", std::string(300'000, 'x')), 300'000), std::string(300'000, 'x'));
  EXPECT_EQ(ReadFile(Write("b", "123456"), 5).status().message(),
            folder_ + "/b: it has more than 5 bytes, which is too large");
  EXPECT_EQ(ReadFile(folder_ + "/missing", 5).status().message(),
            folder_ + "/missing: cannot be read: No such file or directory");
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, folder_, std::string("/dev/zero")}) {
    EXPECT_EQ(ReadFile(path, 5).status().message(), path + ": cannot be read: it is not a regular file");
  }
}

TEST_F(DefinitionFilesTest, EveryBrokenDescriptorSetIsListed) {
  const auto descriptors = LoadDescriptors({Write("bad.protoset", "\xFF\xFF")}, folder_ + "/missing.protoset");
  ASSERT_EQ(descriptors.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(descriptors.status().message()), testing::HasSubstr("bad.protoset"));
  EXPECT_THAT(std::string(descriptors.status().message()), testing::HasSubstr("missing.protoset: cannot be read"));
}

TEST_F(DefinitionFilesTest, TheSameVersionWithOtherContentIsRefused) {
  ASSERT_TRUE(StoreDefinitions(store_, Load(kYaml)).ok());
  EXPECT_TRUE(StoreDefinitions(store_, Load(kYaml)).ok());
  const absl::Status status =
      StoreDefinitions(store_, Load(absl::StrReplaceAll(kYaml, {{"saga.failure.reason", "\"x\""}})));
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("raise `version` to 2"));
}

TEST_F(DefinitionFilesTest, AVersionStoredUnderAnOlderKindOfHashIsTakenIfItMeansTheSame) {
  const auto definition = Load(kYaml).front();
  ASSERT_TRUE(store_
                  .PutDefinition(
                      {"place-order", 1, "an older hash", absl::StrCat("# older\n", kYaml), definition->descriptors()})
                  .ok());
  EXPECT_EQ(StoreDefinitions(store_, {definition}), absl::OkStatus());
  const auto changed = Load(absl::StrReplaceAll(kYaml, {{"saga.failure.reason", "\"x\""}}));
  EXPECT_EQ(StoreDefinitions(store_, changed).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DefinitionFilesTest, AStoredVersionThatDoesNotLoadAnyMoreIsNotTheSame) {
  const auto definition = Load(kYaml).front();
  ASSERT_TRUE(
      store_.PutDefinition({"place-order", 1, "an older hash", "saga: broken", definition->descriptors()}).ok());
  EXPECT_EQ(StoreDefinitions(store_, {definition}).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DefinitionFilesTest, AStoredDefinitionComesBackInItsOwnDescriptors) {
  const auto definition = Load(kYaml).front();
  ASSERT_TRUE(StoreDefinitions(store_, {definition}).ok());
  const auto stored = store_.LoadDefinition("place-order", 1);
  ASSERT_TRUE(stored.ok()) << stored.status();
  const auto loaded = LoadStoredDefinition(*stored);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->hash(), definition->hash());
  EXPECT_NE((*loaded)->serves()->file()->pool(), definition->serves()->file()->pool());
}

TEST_F(DefinitionFilesTest, TwoSagasCannotServeOneMethod) {
  auto definitions = Load(kYaml);
  definitions.push_back(Load(absl::StrReplaceAll(kYaml, {{"saga: place-order", "saga: other"}})).front());
  DefinitionCatalog catalog;
  const absl::Status status = ServeDefinitions(definitions, catalog);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/shop.checkout.v1.CheckoutService/PlaceOrder"));
}

}  // namespace
}  // namespace unwind
