#include "common/rpc/reflection.h"

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/unit/common/rpc/live_server.h"

namespace unwind {
namespace {

using testing::Contains;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;

struct V1 {
  using Service = grpc::reflection::v1::ServerReflection;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

// One stream over a live server; both versions must behave the same.
template <class Version>
class ReflectionTest : public testing::Test {
 protected:
  using Request = typename Version::Request;
  using Response = typename Version::Response;

  ReflectionTest() : stub_(Version::Service::NewStub(live_.channel())) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub_->ServerReflectionInfo(&context_);
  }
  ~ReflectionTest() override {
    stream_->WritesDone();
    EXPECT_TRUE(stream_->Finish().ok());
  }

  Response Ask(const Request& request) {
    Response response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
    return response;
  }

  Response AskSymbol(const std::string& symbol) {
    Request request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }

  static std::vector<std::string> FileNames(const Response& response) {
    std::vector<std::string> names;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }

  LiveServer live_;
  std::unique_ptr<typename Version::Service::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
};

using Versions = testing::Types<V1, V1Alpha>;
TYPED_TEST_SUITE(ReflectionTest, Versions);

TYPED_TEST(ReflectionTest, ListsGeneratedAndDynamicServices) {
  typename TypeParam::Request request;
  request.set_list_services("");
  const auto response = this->Ask(request);
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names,
              UnorderedElementsAre(kStock, kDepot, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                   "grpc.reflection.v1alpha.ServerReflection"));
}

TYPED_TEST(ReflectionTest, DescribesEveryListedService) {
  for (const char* const name : {kStock, kDepot, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                 "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_FALSE(this->FileNames(this->AskSymbol(name)).empty()) << name;
  }
}

TYPED_TEST(ReflectionTest, FindsTheFileOfEverySortOfSymbol) {
  for (const char* const symbol : {"shop.stock.v1.StockService", "shop.stock.v1.StockService.Reserve",
                                   "shop.stock.v1.ReserveRequest", "shop.stock.v1.ReserveRequest.items"}) {
    EXPECT_THAT(this->FileNames(this->AskSymbol(symbol)), Contains("shop/stock/v1/stock_service.proto")) << symbol;
  }
  for (const char* const symbol : {"depot.v1.DepotService", "depot.v1.DepotService.Store", "depot.v1.Crate",
                                   "depot.v1.Crate.label", "depot.v1.Crate.Size", "depot.v1.shelf"}) {
    EXPECT_THAT(this->FileNames(this->AskSymbol(symbol)), Contains("depot/v1/depot.proto")) << symbol;
  }
}

TYPED_TEST(ReflectionTest, SendsImportsAlong) {
  EXPECT_THAT(this->FileNames(this->AskSymbol(kStock)),
              IsSupersetOf({"shop/stock/v1/stock_service.proto", "shop/type/v1/money.proto",
                            "google/api/annotations.proto", "google/protobuf/descriptor.proto"}));
}

TYPED_TEST(ReflectionTest, ShowsTheCommentsOfAPoolThatHasTheSameFile) {
  const auto comments = [this](const std::string& symbol) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(this->AskSymbol(symbol).file_descriptor_response().file_descriptor_proto(0)));
    return file.source_code_info().location_size() == 0 ? "" : file.source_code_info().location(0).leading_comments();
  };
  EXPECT_EQ(comments(kStock), kComment);
  EXPECT_EQ(comments("google.rpc.ErrorInfo"), "");
  EXPECT_EQ(comments("grpc.health.v1.Health"), "");
}

TYPED_TEST(ReflectionTest, KnowsErrorDetailsThoughNothingImportsThem) {
  for (const char* const detail : {"google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RetryInfo"}) {
    EXPECT_THAT(this->FileNames(this->AskSymbol(detail)), Contains("google/rpc/error_details.proto"));
  }
}

TYPED_TEST(ReflectionTest, FindsFilesByName) {
  typename TypeParam::Request request;
  request.set_file_by_filename("depot/v1/depot.proto");
  EXPECT_THAT(this->FileNames(this->Ask(request)), Contains("depot/v1/depot.proto"));
}

TYPED_TEST(ReflectionTest, FindsExtensionsOfAllPools) {
  typename TypeParam::Request request;
  request.mutable_file_containing_extension()->set_containing_type("google.protobuf.FieldOptions");
  request.mutable_file_containing_extension()->set_extension_number(50999);
  EXPECT_THAT(this->FileNames(this->Ask(request)), Contains("depot/v1/depot.proto"));
  request.mutable_file_containing_extension()->set_extension_number(50301);
  EXPECT_THAT(this->FileNames(this->Ask(request)), Contains("saga/v1/rules.proto"));

  request.set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  const auto response = this->Ask(request);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "google.protobuf.FieldOptions");
  EXPECT_THAT(response.all_extension_numbers_response().extension_number(), IsSupersetOf({50301, 50999}));
}

TYPED_TEST(ReflectionTest, SaysNotFoundAndGoesOn) {
  typename TypeParam::Request request;
  request.set_file_by_filename("no/such.proto");
  EXPECT_EQ(this->Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_file_containing_symbol("no.Such");
  EXPECT_EQ(this->Ask(request).error_response().error_message(), "not known: no.Such");
  request.mutable_file_containing_extension()->set_containing_type("google.protobuf.FieldOptions");
  request.mutable_file_containing_extension()->set_extension_number(60000);
  EXPECT_EQ(this->Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("no.Such");
  EXPECT_EQ(this->Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(this->Ask(typename TypeParam::Request()).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(this->FileNames(this->AskSymbol(kDepot)).empty());
}

}  // namespace
}  // namespace unwind
