#include "common/rpc/validate.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "pg/v1/mock_control.pb.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "shop/stock/v1/stock_service.pb.h"

namespace unwind {
namespace {

using google::protobuf::Message;
using google::protobuf::TextFormat;
using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::PlaceOrderRequest;
using testing::ElementsAre;
using testing::IsEmpty;

// "field: description" of each violation.
std::vector<std::string> Violations(const Message& message) {
  const absl::Status status = Validate(message, "shop.unwind");
  if (status.ok()) return {};
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
  EXPECT_EQ(GetErrorInfo(status).domain, "shop.unwind");
  google::rpc::BadRequest detail;
  detail.ParseFromString(std::string(*status.GetPayload("type.googleapis.com/google.rpc.BadRequest")));
  std::vector<std::string> lines;
  for (const auto& violation : detail.field_violations()) {
    lines.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
  }
  return lines;
}

template <class Request>
Request Parse(const std::string& text) {
  Request request;
  EXPECT_TRUE(TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

constexpr char kGood[] = R"(
  request_id: "r-1" member_id: "m_1" payment_method: PAYMENT_METHOD_CARD
  items { product_id: "p1" quantity: 1 } items { product_id: "p2" quantity: 1000 }
)";

PlaceOrderRequest Good() { return Parse<PlaceOrderRequest>(kGood); }

TEST(Validate, LetsAGoodRequestPass) { EXPECT_THAT(Violations(Good()), IsEmpty()); }

TEST(Validate, WantsRequiredFields) {
  EXPECT_THAT(
      Violations(PlaceOrderRequest()),
      ElementsAre("member_id: must be set", "items: must have at least one element", "payment_method: must be set"));
  EXPECT_THAT(Violations(Parse<shop::stock::v1::RestockRequest>("product_id: 'p' quantity: 1")),
              ElementsAre("price: must be set"));
}

TEST(Validate, WantsIdentifiers) {
  constexpr char kAdvice[] = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -";
  for (const std::string& bad : {std::string("a b"), std::string("a/b"), std::string("\xea\xb0\x80"),
                                 std::string("a\0b", 3), std::string(65, 'a')}) {
    PlaceOrderRequest request = Good();
    request.set_member_id(bad);
    EXPECT_THAT(Violations(request), ElementsAre(absl::StrCat("member_id: ", kAdvice))) << bad;
  }
  PlaceOrderRequest request = Good();
  request.set_member_id(std::string(64, 'Z'));
  request.clear_request_id();  // an identifier that is not required may be empty
  EXPECT_THAT(Violations(request), IsEmpty());
}

TEST(Validate, BoundsTheLengthOfAString) {
  CancelOrderRequest request = Parse<CancelOrderRequest>("order_id: 'o' member_id: 'm'");
  request.set_reason(std::string(256, 'x'));
  EXPECT_THAT(Violations(request), IsEmpty());
  request.set_reason(std::string(257, 'x'));
  EXPECT_THAT(Violations(request), ElementsAre("reason: is 257 bytes long; at most 256 are allowed"));
}

TEST(Validate, RefusesBadUtf8) {
  CancelOrderRequest request = Parse<CancelOrderRequest>("order_id: 'o' member_id: 'm'");
  request.set_reason("bad \xff byte");
  EXPECT_THAT(Violations(request), ElementsAre("reason: is not valid UTF-8"));
}

TEST(Validate, BoundsNumbers) {
  for (const auto& [quantity, description] :
       std::vector<std::pair<int, std::string>>{{0, "is 0; at least 1 is needed"},
                                                {-3, "is -3; at least 1 is needed"},
                                                {1001, "is 1001; at most 1000 is allowed"}}) {
    PlaceOrderRequest request = Good();
    request.mutable_items(1)->set_quantity(quantity);
    EXPECT_THAT(Violations(request), ElementsAre("items[1].quantity: " + description));
  }
}

TEST(Validate, BoundsElements) {
  PlaceOrderRequest request = Good();
  request.clear_items();
  for (int i = 0; i < 101; ++i)
    *request.add_items() = Parse<shop::type::v1::LineItem>(absl::StrCat("product_id: 'p", i, "' quantity: 1"));
  EXPECT_THAT(Violations(request), ElementsAre("items: has 101 elements; at most 100 are allowed"));
}

TEST(Validate, RefusesTheSameElementTwice) {
  PlaceOrderRequest request = Good();
  request.mutable_items(1)->set_product_id("p1");
  EXPECT_THAT(Violations(request), ElementsAre("items[1].product_id: is the same as items[0].product_id"));
}

TEST(Validate, RefusesAnUnknownEnumValue) {
  PlaceOrderRequest request = Good();
  request.set_payment_method(static_cast<shop::type::v1::PaymentMethod>(77));
  EXPECT_THAT(Violations(request), ElementsAre("payment_method: 77 is no value of shop.type.v1.PaymentMethod"));
}

TEST(FindViolations, PassesAnUnknownEnumValueOn) {
  PlaceOrderRequest request = Good();
  request.set_payment_method(static_cast<shop::type::v1::PaymentMethod>(77));
  EXPECT_TRUE(FindViolations(request, UnknownEnumValues::kPassOn).empty());
  EXPECT_EQ(FindViolations(request, UnknownEnumValues::kRefuse).size(), 1u);
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_UNSPECIFIED);
  EXPECT_EQ(FindViolations(request, UnknownEnumValues::kPassOn).size(), 1u) << "required";
}

TEST(FindViolations, OfOneFieldLeavesTheOthersOut) {
  PlaceOrderRequest request = Good();
  request.clear_member_id();
  request.mutable_items(1)->set_quantity(0);
  const auto* items = PlaceOrderRequest::descriptor()->FindFieldByName("items");
  const auto found = FindViolations(request, *items);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].field, "items[1].quantity");
}

TEST(Validate, LooksIntoMessagesThatArePresent) {
  EXPECT_THAT(Violations(Parse<pg::v1::SetScenarioRequest>("scenario { fail_percent: 101 delay_ms: -1 }")),
              ElementsAre("scenario.fail_percent: is 101; at most 100 is allowed",
                          "scenario.delay_ms: is -1; at least 0 is needed"));
  EXPECT_THAT(Violations(pg::v1::SetScenarioRequest()), IsEmpty());
}

TEST(Validate, ReportsAllThatIsWrong) {
  PlaceOrderRequest request = Good();
  request.clear_member_id();
  request.mutable_items(0)->clear_product_id();
  request.mutable_items(1)->set_quantity(0);
  EXPECT_THAT(Violations(request), ElementsAre("member_id: must be set", "items[0].product_id: must be set",
                                               "items[1].quantity: is 0; at least 1 is needed"));
}

// A message whose type exists only in a descriptor pool made while the program runs.
class DynamicValidate : public testing::Test {
 protected:
  DynamicValidate() : pool_(google::protobuf::DescriptorPool::generated_pool()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(TextFormat::ParseFromString(R"(
      name: "depot.proto" package: "depot" syntax: "proto3" dependency: "saga/v1/rules.proto" dependency: "shop/type/v1/line_item.proto"
      message_type {
        name: "Crate"
        field { name: "crate_id" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL
                options { [saga.v1.rules] { required: true identifier: true } } }
        field { name: "weights" number: 2 type: TYPE_UINT64 label: LABEL_REPEATED
                options { [saga.v1.rules] { min: 1 max: 9223372036854775807 } } }
        field { name: "volume" number: 3 type: TYPE_DOUBLE label: LABEL_OPTIONAL
                options { [saga.v1.rules] { required: true max: 2 } } }
        field { name: "items" number: 4 type: TYPE_MESSAGE type_name: ".shop.type.v1.LineItem" label: LABEL_REPEATED }
        field { name: "seal" number: 5 type: TYPE_BYTES label: LABEL_OPTIONAL options { [saga.v1.rules] { max_bytes: 2 } } }
      })",
                                            &file));
    EXPECT_NE(pool_.BuildFile(file), nullptr);
    crate_.reset(factory_.GetPrototype(pool_.FindMessageTypeByName("depot.Crate"))->New());
  }

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  std::unique_ptr<Message> crate_;
};

TEST_F(DynamicValidate, KeepsTheSameRules) {
  ASSERT_TRUE(TextFormat::ParseFromString(
      "crate_id: 'c' weights: [1, 5] volume: 1.5 seal: '\\xff\\xff' items { product_id: 'p' quantity: 1 }",
      crate_.get()));
  EXPECT_THAT(Violations(*crate_), IsEmpty());
  ASSERT_TRUE(
      TextFormat::ParseFromString("crate_id: '!' weights: [5, 0, 18446744073709551615] volume: 2.5 seal: 'abc' items { "
                                  "product_id: 'p' quantity: 0 }",
                                  crate_.get()));
  EXPECT_THAT(Violations(*crate_),
              ElementsAre("crate_id: must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -",
                          "weights[1]: is 0; at least 1 is needed",
                          "weights[2]: is 18446744073709551615; at most 9223372036854775807 is allowed",
                          "volume: is 2.5; at most 2 is allowed", "items[0].quantity: is 0; at least 1 is needed",
                          "seal: is 3 bytes long; at most 2 are allowed"));
  ASSERT_TRUE(TextFormat::ParseFromString("crate_id: 'c' volume: nan", crate_.get()));
  EXPECT_THAT(Violations(*crate_), ElementsAre("volume: is nan; at most 2 is allowed"));
  crate_->Clear();
  EXPECT_THAT(Violations(*crate_), ElementsAre("crate_id: must be set", "volume: must be set and not 0"));
}

}  // namespace
}  // namespace unwind
