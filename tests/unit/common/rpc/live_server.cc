#include "tests/unit/common/rpc/live_server.h"

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/rpc/channel.h"
#include "common/rpc/unary.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/text_format.h"

ABSL_DECLARE_FLAG(std::string, listen);

namespace unwind {
namespace {

constexpr char kDepotFile[] = R"(
  name: "depot/v1/depot.proto" package: "depot.v1" syntax: "proto3"
  dependency: "google/protobuf/descriptor.proto"
  message_type {
    name: "Crate"
    field { name: "label" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    enum_type { name: "Size" value { name: "SIZE_UNSPECIFIED" number: 0 } }
  }
  service { name: "DepotService" method { name: "Store" input_type: ".depot.v1.Crate" output_type: ".depot.v1.Crate" } }
  extension { name: "shelf" number: 50999 type: TYPE_INT32 label: LABEL_OPTIONAL extendee: ".google.protobuf.FieldOptions" }
)";

class EchoCall final : public grpc::ServerGenericBidiReactor {
 public:
  EchoCall() { StartRead(&buffer_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no request"));
    StartWriteAndFinish(&buffer_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer buffer_;
};

}  // namespace

grpc::ServerUnaryReactor* EchoStock::Reserve(grpc::CallbackServerContext* context,
                                             const shop::stock::v1::ReserveRequest* request,
                                             shop::stock::v1::ReserveResponse* response) {
  return Serve(context, request, response, "stock.shop.unwind", [request, response](Done done) {
    response->set_reservation_id(request->reservation_id());
    std::move(done)(request->reservation_id() == "refused"
                        ? MakeError(absl::StatusCode::kFailedPrecondition, "none left",
                                    {.reason = "STOCK_NOT_ENOUGH", .domain = "stock.shop.unwind", .metadata = {}})
                        : absl::OkStatus());
  });
}

// Builds a file that is compiled in, after its imports, into `pool`.
void BuildCopy(const google::protobuf::FileDescriptor& file, google::protobuf::DescriptorPool& pool) {
  if (pool.FindFileByName(file.name()) != nullptr) return;
  for (int i = 0; i < file.dependency_count(); ++i) BuildCopy(*file.dependency(i), pool);
  google::protobuf::FileDescriptorProto copy;
  file.CopyTo(&copy);
  file.CopyJsonNameTo(&copy);  // as protoc writes it
  auto& comment = *copy.mutable_source_code_info()->add_location();
  comment.add_path(google::protobuf::FileDescriptorProto::kPackageFieldNumber);
  comment.add_span(0);
  comment.add_span(0);
  comment.add_span(1);
  comment.set_leading_comments(kComment);
  CHECK(pool.BuildFile(copy) != nullptr);
}

DepotPool::DepotPool() {
  BuildCopy(*google::protobuf::FieldOptions::descriptor()->file(), pool_);
  BuildCopy(*shop::stock::v1::ReserveRequest::descriptor()->file(), pool_);
  // Another edition of what is compiled in.
  google::protobuf::FileDescriptorProto details;
  CHECK(google::protobuf::TextFormat::ParseFromString(
      "name: \"google/rpc/error_details.proto\" package: \"google.rpc\" "
      "source_code_info { location { path: 2 span: [0, 0, 1] leading_comments: \"another\" } }",
      &details));
  CHECK(pool_.BuildFile(details) != nullptr);
  google::protobuf::FileDescriptorProto depot;
  CHECK(google::protobuf::TextFormat::ParseFromString(kDepotFile, &depot));
  CHECK(pool_.BuildFile(depot) != nullptr);
}

grpc::ServerGenericBidiReactor* EchoGeneric::CreateReactor(grpc::GenericCallbackServerContext*) { return new EchoCall; }

LiveServer::LiveServer() {
  absl::SetFlag(&FLAGS_listen, "127.0.0.1:0");
  ServerSetup setup;
  setup.services = {{kStock, &stock_}};
  setup.generic = &generic_;
  setup.generic_services = {kDepot};
  setup.pools = {&depot_.pool()};
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(setup);
  CHECK(server.ok());
  server_ = *std::move(server);
  channel_ = NewChannel(target());
}

std::string LiveServer::target() const { return absl::StrCat("127.0.0.1:", server_->port()); }

}  // namespace unwind
