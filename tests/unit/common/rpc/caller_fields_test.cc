#include "common/rpc/caller_fields.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::Message;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kFile[] = R"(
  name: "gift.proto" package: "gift" syntax: "proto3" dependency: "saga/v1/rules.proto"
  message_type {
    name: "Gift"
    field { name: "giver" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL
            options { [saga.v1.rules] { required: true caller: CALLER_MEMBER } } }
    field { name: "taker" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "only_of" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL
            options { [saga.v1.rules] { caller: CALLER_MEMBER } } }
    field { name: "parts" number: 4 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: ".gift.Gift" }
    field { name: "card" number: 5 type: TYPE_MESSAGE label: LABEL_OPTIONAL type_name: ".gift.Gift" }
    field { name: "signed_by" number: 6 type: TYPE_STRING label: LABEL_REPEATED
            options { [saga.v1.rules] { caller: CALLER_MEMBER } } }
  }
)";

class CallerFieldsTest : public testing::Test {
 protected:
  CallerFieldsTest() {
    saga::v1::FieldRules::descriptor();  // linked in
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kFile, &file));
    EXPECT_NE(pool_.BuildFile(file), nullptr);
  }

  // The fields that mina is told are not hers to fill so.
  std::vector<std::string> Foreign(const std::string& text, const std::string& member = "mina") {
    const std::unique_ptr<Message> gift(factory_.GetPrototype(pool_.FindMessageTypeByName("gift.Gift"))->New());
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, gift.get()));
    const absl::Status status = CheckCallerFields(*gift, {.service = "gateway", .member = member}, "gift.unwind");
    if (status.ok()) return {};
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(GetErrorInfo(status).reason, "CALLER_NOT_ALLOWED");
    EXPECT_EQ(GetErrorInfo(status).domain, "gift.unwind");
    google::rpc::BadRequest bad;
    bad.ParseFromString(std::string(*status.GetPayload("type.googleapis.com/google.rpc.BadRequest")));
    std::vector<std::string> fields;
    for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
    return fields;
  }

  google::protobuf::DescriptorPool pool_{google::protobuf::DescriptorPool::generated_pool()};
  google::protobuf::DynamicMessageFactory factory_;
};

TEST_F(CallerFieldsTest, AFieldThatNamesTheCallerNamesNobodyElse) {
  EXPECT_THAT(Foreign("giver: 'mina' taker: 'juno' only_of: 'mina'"), IsEmpty());
  EXPECT_THAT(Foreign("giver: 'juno' taker: 'mina' only_of: 'mina'"), ElementsAre("giver"));
  EXPECT_THAT(Foreign("giver: 'Mina' only_of: 'mina'"), ElementsAre("giver"));
}

TEST_F(CallerFieldsTest, AnEmptyOneIsSomebodyElsesUnlessItMustBeSetAnyway) {
  EXPECT_THAT(Foreign("giver: 'mina'"), ElementsAre("only_of"));
  EXPECT_THAT(Foreign("only_of: 'mina'"), IsEmpty());
}

TEST_F(CallerFieldsTest, NestedAndRepeatedOnesAreFound) {
  EXPECT_THAT(Foreign("giver: 'mina' only_of: 'mina'"
                      " parts { giver: 'mina' only_of: 'mina' } parts { giver: 'juno' only_of: 'mina' }"
                      " card { giver: 'juno' only_of: 'mina' } signed_by: 'mina' signed_by: 'juno'"),
              ElementsAre("parts[1].giver", "card.giver", "signed_by[1]"));
}

TEST_F(CallerFieldsTest, WithoutAMemberAnyNameIsTaken) { EXPECT_THAT(Foreign("giver: 'juno'", ""), IsEmpty()); }

TEST_F(CallerFieldsTest, AnErrorNamesNoMoreThanFitsIntoTrailers) {
  std::string text = "giver: 'mina' only_of: 'mina'";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, " signed_by: 'juno'");
  EXPECT_EQ(Foreign(text).size(), 16U);
}

}  // namespace
}  // namespace unwind
