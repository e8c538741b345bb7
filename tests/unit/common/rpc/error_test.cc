#include "common/rpc/error.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::HasSubstr;

const ErrorInfo kInfo = {
    .reason = "STOCK_NOT_ENOUGH", .domain = "stock.shop.unwind", .metadata = {{"product_id", "p1"}}};

TEST(Error, CarriesItsErrorInfo) {
  const absl::Status status = MakeError(absl::StatusCode::kFailedPrecondition, "2 left", kInfo);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "2 left");
  EXPECT_EQ(GetErrorInfo(status), kInfo);
  EXPECT_EQ(GetErrorInfo(absl::InternalError("bare")), ErrorInfo{});
}

TEST(Error, GoesToGrpcAndBackWhole) {
  const absl::Status status =
      WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "full", kInfo), absl::Milliseconds(1250));
  const grpc::Status sent = ToGrpc(status);
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(sent.error_message(), "full");
  EXPECT_EQ(FromGrpc(sent), status);

  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(sent.error_details()));
  EXPECT_EQ(details.code(), 8);
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::RetryInfo retry;
  for (const google::protobuf::Any& any : details.details()) any.UnpackTo(&retry);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250000000);
}

TEST(Error, OkStaysOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(Error, OfAPeerWithoutOrWithBrokenDetailsKeepsCodeAndMessage) {
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone")), absl::NotFoundError("gone"));
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", "\xff\xff")), absl::NotFoundError("gone"));
}

TEST(Error, CutsALongMessageBetweenCharactersAndOnce) {
  std::string message = "m";
  for (int i = 0; i < 1000; ++i) message += "\xea\xb0\x80";
  const grpc::Status sent = ToGrpc(MakeError(absl::StatusCode::kInternal, message, kInfo));
  EXPECT_EQ(sent.error_message(), message.substr(0, 1 + 3 * 340) + "...");
  EXPECT_EQ(GetErrorInfo(FromGrpc(sent)), kInfo);
  EXPECT_EQ(ToGrpc(FromGrpc(sent)).error_message(), sent.error_message());
}

TEST(Error, IsStoredAndReadBack) {
  const absl::Status status = MakeError(absl::StatusCode::kAborted, "late", kInfo);
  EXPECT_EQ(ParseStatus(SerializeStatus(status)), status);
  EXPECT_EQ(SerializeStatus(ParseStatus(SerializeStatus(status))), SerializeStatus(status));
  EXPECT_EQ(ParseStatus("\xff\xff").code(), absl::StatusCode::kInternal);
}

google::rpc::BadRequest BadRequestOf(const absl::Status& status) {
  google::rpc::BadRequest detail;
  detail.ParseFromString(
      std::string(status.GetPayload("type.googleapis.com/google.rpc.BadRequest").value_or(absl::Cord())));
  return detail;
}

TEST(BadRequest, NamesEveryField) {
  const absl::Status status = MakeBadRequest(
      "shop.unwind", {{"items[1].quantity", "is 0; at least 1 is needed"}, {"member_id", "must be set"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "items[1].quantity: is 0; at least 1 is needed; member_id: must be set");
  EXPECT_EQ(GetErrorInfo(status).reason, "INVALID_REQUEST");
  EXPECT_EQ(GetErrorInfo(status).domain, "shop.unwind");
  ASSERT_EQ(BadRequestOf(status).field_violations_size(), 2);
  EXPECT_EQ(BadRequestOf(status).field_violations(0).field(), "items[1].quantity");
  EXPECT_EQ(BadRequestOf(status).field_violations(1).description(), "must be set");
}

// A client takes 8 KiB of trailers; an answer that is longer reaches it as RESOURCE_EXHAUSTED without a word.
TEST(BadRequest, FitsIntoTrailersHoweverMuchIsWrong) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 500; ++i)
    violations.push_back({absl::StrCat("items[", i, "].product_id"), std::string(300, 'x')});
  const absl::Status status = MakeBadRequest("shop.unwind", violations);
  EXPECT_LT(ToGrpc(status).error_details().size() * 4 / 3 + status.message().size(), 7u * 1024);
  EXPECT_THAT(std::string(status.message()), HasSubstr("items[0].product_id: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("more"));
  EXPECT_EQ(GetErrorInfo(status).metadata.at("violations"), "500");
}

}  // namespace
}  // namespace unwind
