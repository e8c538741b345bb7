// What is stored of a definition is enough to load it again, for ever.
#include <gmock/gmock.h>

#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.pb.h"
#include "saga/v1/rules.pb.h"
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
    const auto source = SetOf("stored", definition->descriptors());
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
  const auto source = SetOf("stored", definition->descriptors());
  const std::string without = absl::StrReplaceAll(definition->yaml(), {{"member_id: input.member_id, ", ""}});
  EXPECT_EQ(LoadDefinition("x.yaml", without, source).status().message(),
            "x.yaml:12: the request of step 'create_order' leaves out 'member_id', which "
            "shop.order.v1.CreateOrderRequest requires; say where it comes from");
}

// Who may call is the server's business: a shop that begins to tell members apart needs no new version of its sagas.
TEST(Stored, WhoMayCallIsNoPartOfWhatADefinitionMeans) {
  const auto definition = LoadShop("place_order.yaml");
  ASSERT_NE(definition, nullptr);
  const auto hash_with = [&](auto change) {
    FileDescriptorSet set;
    EXPECT_TRUE(set.ParseFromString(definition->descriptors()));
    for (auto& file : *set.mutable_file()) {
      if (file.name() != "shop/checkout/v1/checkout_service.proto") continue;
      for (auto& field : *file.mutable_message_type(0)->mutable_field()) {
        if (field.name() == "member_id") change(*field.mutable_options()->MutableExtension(saga::v1::rules));
      }
    }
    const auto changed = LoadDefinition("place_order.yaml", definition->yaml(), SetOf("set", set.SerializeAsString()));
    return changed.ok() ? (*changed)->hash() : std::string(changed.status().message());
  };
  EXPECT_EQ(hash_with([](saga::v1::FieldRules& rules) {
              EXPECT_EQ(rules.caller(), saga::v1::FieldRules::CALLER_MEMBER);
              rules.clear_caller();
            }),
            definition->hash());
  EXPECT_NE(hash_with([](saga::v1::FieldRules& rules) { rules.set_max_bytes(32); }), definition->hash());
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
              testing::ElementsAre("google/protobuf/duration.proto", "google/protobuf/timestamp.proto",
                                   "google/protobuf/descriptor.proto", "saga/v1/rules.proto", "lab.proto"));
}

// Rules that came later do not stop a definition that sagas run on.
TEST(Stored, DefinitionThatIsRefusedByNowGoesOn) {
  const std::string yaml = R"(
saga: lab
version: 1
serves: lab.legacy.v1.Legacy/Run
steps:
  - { name: make, action: lab.v1.Parts/Make, request: { id: saga.id }, compensation: none }
response: { part: { name: saga.id } }
errors: { FULL: RESOURCE_EXHAUSTED, AWAY: UNAVAILABLE, LATE: DEADLINE_EXCEEDED }
)";
  const std::vector<std::string> findings = {
      "the response leaves out 'name', which lab.legacy.v1.OldReply requires",
      "RESOURCE_EXHAUSTED tells the caller to repeat the call",
      "UNAVAILABLE tells the caller to repeat the call",
  };
  const absl::Status refused = LoadDefinition("new.yaml", yaml, AllDescriptors()).status();
  const auto stored = LoadDefinition("stored", yaml, AllDescriptors(), Origin::kStored);
  ASSERT_EQ(stored.status(), absl::OkStatus());
  EXPECT_EQ((*stored)->warnings().size(), findings.size());
  for (const std::string& finding : findings) {
    EXPECT_THAT(refused.message(), testing::HasSubstr(finding));
    EXPECT_THAT((*stored)->warnings(), testing::Contains(testing::HasSubstr(finding)));
  }
  Saga saga = NewSaga(**stored);
  saga.state = SagaState::kAborted;
  const auto code = [&](const char* reason) {
    saga.failure.reason = reason;
    return (*stored)->Error(saga).code();
  };
  EXPECT_EQ(code("FULL"), absl::StatusCode::kAborted);
  EXPECT_EQ(code("AWAY"), absl::StatusCode::kAborted);
  EXPECT_EQ(code("LATE"), absl::StatusCode::kDeadlineExceeded);
}

// The shop's set with a change; `load` of it is the hash of place_order.yaml there.
class Hash : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(set_.ParseFromString(ReadWhole(UNWIND_PROTOSET))); }

  std::string Of(const std::string& yaml) {
    const auto loaded = LoadDefinition("x.yaml", yaml, SetOf("changed", set_.SerializeAsString()));
    EXPECT_EQ(loaded.status(), absl::OkStatus());
    return loaded.ok() ? (*loaded)->hash() : "";
  }

  google::protobuf::FileDescriptorProto& File(const std::string& name) {
    for (auto& file : *set_.mutable_file()) {
      if (file.name() == name) return file;
    }
    ADD_FAILURE() << name;
    return *set_.mutable_file(0);
  }

  google::protobuf::DescriptorProto& Message(const std::string& file, const std::string& name) {
    for (auto& message : *File(file).mutable_message_type()) {
      if (message.name() == name) return message;
    }
    ADD_FAILURE() << name;
    return *File(file).mutable_message_type(0);
  }

  google::protobuf::FieldDescriptorProto& AddField(const std::string& file, const std::string& message) {
    auto& field = *Message(file, message).add_field();
    field.set_name("another");
    field.set_number(1000);
    field.set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
    field.set_type(google::protobuf::FieldDescriptorProto::TYPE_STRING);
    return field;
  }

  const std::string yaml_ = ReadWhole(absl::StrCat(SAGAS, "/place_order.yaml"));
  const std::string as_it_is_ = LoadShop("place_order.yaml")->hash();
  FileDescriptorSet set_;
};

constexpr char kStock[] = "shop/stock/v1/stock_service.proto";

TEST_F(Hash, DoesNotDependOnWhatElseIsLoadedNorOnCommentsAndLayout) {
  EXPECT_EQ(Of(yaml_), as_it_is_);
  for (auto& file : *set_.mutable_file()) file.clear_source_code_info();
  EXPECT_EQ(Of(yaml_), as_it_is_);
  EXPECT_EQ(Of(absl::StrCat("# a comment\n\n", yaml_, "# another\n")), as_it_is_);
  EXPECT_EQ(Of(absl::StrCat("descriptors: [elsewhere.protoset]\n", yaml_)), as_it_is_);
  const std::size_t end = yaml_.find("saga:"), next = yaml_.find('\n', end) + 1;
  EXPECT_EQ(Of(absl::StrCat(yaml_.substr(0, end), yaml_.substr(next), yaml_.substr(end, next - end))), as_it_is_)
      << "the order of the keys";
}

// Each replaces what stands in place_order.yaml by the same value in another spelling.
TEST_F(Hash, DoesNotDependOnHowAScalarIsWritten) {
  const std::vector<std::pair<std::string, std::string>> spellings = {
      {"\"PAID\"", "!!str PAID"},
      {"\"PAID\"", "'PAID'"},
      {"\"PAID\"", "PAID"},
      {"\"PAID\"", "! PAID"},
      {"deadline: 30s", "deadline: \"30s\""},
      {"deadline: 30s", "deadline: !!str 30s"},
      {"deadline: 30s", "deadline: >-\n  30s"},
      {"deadline: 30s", "!!str deadline: 30s"},
      {"deadline: 30s", "\"deadline\": &d 30s"},
      {"key: input.request_id", "key: 'input.request_id'"},
      {"name: confirm_stock", "name: \"confirm_stock\""},
  };
  for (const auto& [as_it_is, other] : spellings) {
    const std::string changed = absl::StrReplaceAll(yaml_, {{as_it_is, other}});
    ASSERT_NE(changed, yaml_) << as_it_is;
    EXPECT_EQ(Of(changed), as_it_is_) << other;
  }
}

TEST_F(Hash, TellsAPathFromTheTextThatLooksLikeIt) {
  std::vector<std::string> hashes;
  for (const char* text : {"input.member_id", "\"input.member_id\"", "!!str input.member_id", "'input.member_id'"}) {
    const std::string metadata = absl::StrCat("timeout: 2s\n    metadata: { x-member: ", text, " }");
    hashes.push_back(Of(absl::StrReplaceAll(yaml_, {{"timeout: 2s", metadata}})));
  }
  EXPECT_NE(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[1], hashes[2]);
  EXPECT_EQ(hashes[1], hashes[3]);
}

TEST_F(Hash, DoesNotDependOnAnchorsAndAliases) {
  const std::string whole = "{ reservation_id: saga.id }", confirm = "StockService/Confirm\n    request: ";
  const std::string changed = absl::StrReplaceAll(
      yaml_, {{confirm + whole, confirm + "*whole"},
              {"compensation_request: " + whole, "compensation_request: &whole " + whole},
              {"request: { order_id: saga.id, member_id", "request: { order_id: &id saga.id, member_id"},
              {"response:\n  order_id: saga.id", "response:\n  order_id: *id"}});
  for (const char* each : {"*whole", "&whole", "&id", "*id"}) ASSERT_NE(changed.find(each), std::string::npos) << each;
  EXPECT_EQ(Of(changed), as_it_is_);
}

TEST_F(Hash, DoesNotDependOnWhatTheProtosDeclareBesides) {
  File(kStock).add_message_type()->set_name("Another");
  auto* service = File(kStock).mutable_service(0);
  *service->add_method() = service->method(0);
  service->mutable_method(service->method_size() - 1)->set_name("Another");
  File(kStock).mutable_options()->set_go_package("elsewhere");
  AddField(kStock, "RestockRequest");
  Message(kStock, "ReserveRequest").mutable_field(0)->mutable_options()->set_deprecated(true);
  Message(kStock, "ReserveRequest").mutable_field(0)->set_json_name("elsewhere");
  EXPECT_EQ(Of(yaml_), as_it_is_);
}

TEST_F(Hash, ChangesWithEveryValueOfTheFile) {
  EXPECT_NE(Of(absl::StrReplaceAll(yaml_, {{"deadline: 30s", "deadline: 31s"}})), as_it_is_);
  EXPECT_NE(Of(absl::StrReplaceAll(yaml_, {{"\"PAID\"", "\"PENDING\""}})), as_it_is_);
  const std::size_t order = yaml_.find("  - name: confirm_stock"), end = yaml_.find("  - name: confirm_order");
  ASSERT_NE(end, std::string::npos);
  const std::size_t after = yaml_.find("response:");
  EXPECT_NE(Of(absl::StrCat(yaml_.substr(0, order), yaml_.substr(end, after - end), yaml_.substr(order, end - order),
                            yaml_.substr(after))),
            as_it_is_)
      << "the order of the steps";
}

TEST_F(Hash, ChangesWithAFieldOfARequestOrOfAMessageInIt) {
  AddField(kStock, "ReserveRequest");
  EXPECT_NE(Of(yaml_), as_it_is_);
  SetUp();
  AddField("shop/type/v1/line_item.proto", "LineItem");
  EXPECT_NE(Of(yaml_), as_it_is_);
}

TEST_F(Hash, ChangesWithAFieldOfAReplyAndWithTheRulesOfAField) {
  AddField(kStock, "ReserveResponse");
  EXPECT_NE(Of(yaml_), as_it_is_);
  SetUp();
  auto& request = Message(kStock, "ReserveRequest");
  request.mutable_field(0)->mutable_options()->MutableExtension(saga::v1::rules)->set_max_bytes(77);
  EXPECT_NE(Of(yaml_), as_it_is_);
}

TEST_F(Hash, ChangesWithAValueOfAnEnum) {
  auto& file = File("shop/type/v1/payment_method.proto");
  ASSERT_EQ(file.enum_type_size(), 1);
  auto* value = file.mutable_enum_type(0)->add_value();
  value->set_name("PAYMENT_METHOD_ANOTHER");
  value->set_number(1000);
  EXPECT_NE(Of(yaml_), as_it_is_);
}

}  // namespace
}  // namespace unwind
