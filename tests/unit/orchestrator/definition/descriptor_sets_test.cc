#include "orchestrator/definition/descriptor_sets.h"

#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.pb.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using google::protobuf::FileDescriptorSet;
using testing::HasSubstr;

using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;

// A proto file as these tests need it: string fields, except one whose name is a type's.
class File {
 public:
  File(const std::string& name, const std::string& package, const std::vector<std::string>& imports = {}) {
    proto_.set_name(name);
    proto_.set_package(package);
    proto_.set_syntax("proto3");
    for (const std::string& import : imports) proto_.add_dependency(import);
  }

  File&& Message(const std::string& name, const std::vector<std::string>& fields) && {
    auto& message = *proto_.add_message_type();
    message.set_name(name);
    for (const std::string& field : fields) {
      const bool is_money = field == "money";
      auto& added = *message.add_field();
      added.set_name(field);
      added.set_number(message.field_size());
      added.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
      added.set_type(is_money ? FieldDescriptorProto::TYPE_MESSAGE : FieldDescriptorProto::TYPE_STRING);
      if (is_money) added.set_type_name(kMoneyType);
    }
    return std::move(*this);
  }

  // A service whose methods take and return a Message `type`.
  File&& Service(const std::string& name, const std::vector<std::string>& methods, const std::string& type) && {
    auto& service = *proto_.add_service();
    service.set_name(name);
    for (const std::string& each : methods) {
      auto& method = *service.add_method();
      method.set_name(each);
      method.set_input_type(type);
      method.set_output_type(type);
    }
    return std::move(*this);
  }

  const FileDescriptorProto& proto() const { return proto_; }

  static constexpr char kMoneyType[] = ".shop.type.v1.Money";

 private:
  FileDescriptorProto proto_;
};

std::shared_ptr<const DescriptorSource> SetOfFiles(const std::string& name, const std::vector<File>& files) {
  FileDescriptorSet set;
  for (const File& file : files) *set.add_file() = file.proto();
  return SetOf(name, set.SerializeAsString());
}

// Money has the name and the file of the demo's shop, and is not the same.
constexpr char kMoney[] = "shop/type/v1/money.proto";
File Money(const std::vector<std::string>& fields) { return File(kMoney, "shop.type.v1").Message("Money", fields); }
File Front() {
  return File("front.proto", "front", {kMoney}).Message("Order", {"id", "money"}).Service("Front", {"Buy"}, "Order");
}
File Bank() {
  return File("bank.proto", "bank", {kMoney}).Message("Bill", {"id", "money"}).Service("Bank", {"Pay"}, "Bill");
}

constexpr char kYaml[] = R"(saga: buy
version: 1
serves: front.Front/Buy
steps:
  - { name: pay, action: bank.Bank/Pay, compensation: none, request: { id: saga.id, money: input.money } }
response: { id: saga.id }
)";

std::shared_ptr<const DescriptorSource> Shop() { return SetOf("bin/unwind.protoset", ReadWhole(UNWIND_PROTOSET)); }

// The fields that Money has where the definition was resolved.
std::string MoneyOf(const absl::StatusOr<std::shared_ptr<const Definition>>& loaded) {
  EXPECT_EQ(loaded.status(), absl::OkStatus());
  if (!loaded.ok()) return "";
  std::vector<std::string> fields;
  const auto* money = (*loaded)->serves()->file()->pool()->FindMessageTypeByName("shop.type.v1.Money");
  for (int i = 0; i < money->field_count(); ++i) fields.push_back(money->field(i)->name());
  return absl::StrJoin(fields, " ");
}

TEST(DescriptorSets, ADefinitionIsResolvedInTheOneSetThatHoldsAllItCalls) {
  const auto mine = SetOfFiles("a/mine.protoset", {Money({"units"}), Front(), Bank()});
  const auto foreign = SetOfFiles("b/foreign.protoset", {Money({"units", "code"}), Bank()});
  EXPECT_EQ(MoneyOf(DescriptorSets({foreign, mine}, Shop()).Load("buy.yaml", kYaml)), "units");
}

// Packages and files that have names of the demo's shop have nothing to do with it.
TEST(DescriptorSets, TheBuiltInSetIsNotForcedOnOthers) {
  const auto mine =
      SetOfFiles("mine.protoset", {Money({"other"}), File("pg/v1/gateway.proto", "pg.v1", {kMoney})
                                                         .Message("Order", {"id", "money"})
                                                         .Service("PaymentGateway", {"Run", "Confirm"}, "Order")});
  const std::string yaml = absl::StrReplaceAll(
      kYaml, {{"front.Front/Buy", "pg.v1.PaymentGateway/Run"}, {"bank.Bank/Pay", "pg.v1.PaymentGateway/Confirm"}});
  EXPECT_EQ(MoneyOf(DescriptorSets({mine}, Shop()).Load("mine.yaml", yaml)), "other");
}

TEST(DescriptorSets, TheBuiltInSetIsThereForWhatNoOtherHolds) {
  const auto mine = SetOfFiles("mine.protoset", {Money({"other"})});
  const std::string yaml = ReadWhole(absl::StrCat(SAGAS, "/place_order.yaml"));
  EXPECT_EQ(MoneyOf(DescriptorSets({mine}, Shop()).Load("place_order.yaml", yaml)), "minor_units currency_code");
}

TEST(DescriptorSets, ADefinitionMayCallServicesOfSeveralSets) {
  const auto front = SetOfFiles("front.protoset", {Money({"units"}), Front()});
  const auto bank = SetOfFiles("bank.protoset", {Money({"units", "code"}), Bank()});
  for (const auto& sets : {std::vector{front, bank}, std::vector{bank, front}}) {
    EXPECT_EQ(MoneyOf(DescriptorSets(sets, Shop()).Load("buy.yaml", kYaml)), "units code")
        << "of two editions the one that has all of the other";
  }
}

TEST(DescriptorSets, SetsThatDoNotFitTogetherAreNamed) {
  const auto front = SetOfFiles("front.protoset", {Money({"units"}), Front()});
  const auto bank = SetOfFiles("bank.protoset", {Money({"cents"}), Bank()});
  EXPECT_EQ(
      DescriptorSets({front, bank}, Shop()).Load("buy.yaml", kYaml).status(),
      absl::InvalidArgumentError(
          "buy.yaml:3: what it calls is in the descriptor sets 'bank.protoset' and 'front.protoset', which do not "
          "fit together: 'shop/type/v1/money.proto' is there in two editions, and each declares what the other "
          "does not, such as field shop.type.v1.Money.units = 1 of shop.type.v1.Money, implicit string utf-8; make one "
          "set of all that it calls"));
}

TEST(DescriptorSets, SetsInWhichTheDefinitionIsTheSameAreNoQuestion) {
  const auto one = SetOfFiles("one.protoset", {Money({"units"}), Front(), Bank()});
  const auto two = SetOfFiles("two.protoset", {Money({"units"}).Message("Unused", {}), Front(), Bank()});
  const auto loaded = DescriptorSets({one, two}, Shop()).Load("buy.yaml", kYaml);
  ASSERT_EQ(loaded.status(), absl::OkStatus());
  EXPECT_EQ((*loaded)->serves()->file()->pool(), &one->pool()) << "the first";
}

TEST(DescriptorSets, SetsInWhichItIsNotTheSameAreNamedAndTheDefinitionChooses) {
  const auto one = SetOfFiles("a/one.protoset", {Money({"units"}), Front(), Bank()});
  const auto two = SetOfFiles("a/two.protoset", {Money({"units", "code"}), Front(), Bank()});
  const DescriptorSets sets({one, two}, Shop());
  EXPECT_EQ(
      sets.Load("buy.yaml", kYaml).status(),
      absl::InvalidArgumentError("buy.yaml:3: it means different things in the descriptor sets 'a/one.protoset' and "
                                 "'a/two.protoset'; load one of them, or write 'descriptors: [one.protoset]'"));
  EXPECT_EQ(MoneyOf(sets.Load("buy.yaml", absl::StrCat(kYaml, "descriptors: [two.protoset]\n"))), "units code");
  EXPECT_EQ(sets.Load("buy.yaml", absl::StrCat(kYaml, "descriptors: [twoo.protoset]\n")).status(),
            absl::InvalidArgumentError(
                "buy.yaml:7: no descriptor set 'twoo.protoset' is loaded; did you mean 'two.protoset'?"));
}

TEST(DescriptorSets, AnEditionInWhichTheDefinitionDoesNotLoadIsNotTaken) {
  const auto older = SetOfFiles(
      "older.protoset",
      {Money({"units"}), Front(),
       File("bank.proto", "bank", {kMoney}).Message("Bill", {"id", "money"}).Service("Bank", {"PayLater"}, "Bill")});
  const auto newer = SetOfFiles("newer.protoset", {Money({"units"}), Front(), Bank()});
  const auto loaded = DescriptorSets({older, newer}, Shop()).Load("buy.yaml", kYaml);
  ASSERT_EQ(loaded.status(), absl::OkStatus());
  EXPECT_EQ((*loaded)->serves()->file()->pool(), &newer->pool());
}

TEST(DescriptorSets, WhatNoSetHoldsIsNamedWithItsLine) {
  const auto mine = SetOfFiles("mine.protoset", {Money({"units"}), Front()});
  EXPECT_EQ(DescriptorSets({mine}, Shop()).Load("buy.yaml", kYaml).status(),
            absl::InvalidArgumentError("buy.yaml:5: no descriptor set holds the service 'bank.Bank'; correct its name, "
                                       "or load a descriptor set that holds it"));
  EXPECT_THAT(std::string(DescriptorSets({}, Shop()).Load("no.yaml", "saga: x").status().message()),
              HasSubstr("no.yaml:1: a definition needs 'serves'"));
}

}  // namespace
}  // namespace unwind
