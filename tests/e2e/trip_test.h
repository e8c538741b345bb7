// A fixture with one running cluster for all tests of a suite that books trips: the orchestrator's program as it is,
// and a participant in Python.
#ifndef UNWIND_TESTS_E2E_TRIP_TEST_H_
#define UNWIND_TESTS_E2E_TRIP_TEST_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/bytes_call.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {
inline constexpr char kTripFolder[] = "tests/e2e/python_participant";

// Debian's, which has Debian's python3-grpcio, unless the environment names another.
inline std::string Python() {
  const char* const python = std::getenv("UNWIND_PYTHON");
  return python == nullptr ? "/usr/bin/python3" : python;
}

inline constexpr absl::Duration kPatience = absl::Seconds(60);

class TripTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string path = "/tmp/unwind-python-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    ASSERT_NO_FATAL_FAILURE(MakeDescriptorSet());
    ASSERT_NO_FATAL_FAILURE(StartPython());
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.definitions = "orchestrator/sagas";
    for (const char* const file : {"book_trip", "get_visa", "get_permit"}) {
      absl::StrAppend(&options.definitions, ",", kTripFolder, "/", file, ".yaml");
    }
    options.participants = absl::StrCat("trip.v1.RoomService=", address_, ",trip.v1.CarService=", address_,
                                        ",trip.v1.VisaService=", address_);
    options.extra_flags[Node::kOrchestrator] = {absl::StrCat("--descriptors=", Set())};
    auto cluster = Cluster::Start(options);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = cluster->release();
    std::ofstream(absl::StrCat(scratch_, "/orchestrator.port"))
        << std::string(absl::StripPrefix(cluster_->Address(Node::kOrchestrator), "127.0.0.1:")) << "\n";
  }

  static void TearDownTestSuite() {
    delete cluster_;
    delete python_;
    std::filesystem::remove_all(scratch_);
  }

  static std::string Set() { return absl::StrCat(scratch_, "/trip.protoset"); }

  static void MakeDescriptorSet() {
    const std::string log = absl::StrCat(scratch_, "/protoc.log");
    const auto made = RunToEnd(
        {"/usr/bin/protoc", absl::StrCat("-I", kTripFolder), "-Iprotos", "-Iprotos/third_party", "--include_imports",
         absl::StrCat("--descriptor_set_out=", Set()), "trip.proto", "google/rpc/status.proto",
         "google/rpc/error_details.proto", "saga/participant/v1/nudge_service.proto"},
        log, kPatience);
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_EQ(*made, 0) << ContentsOf(log);
    google::protobuf::FileDescriptorSet files;
    ASSERT_TRUE(files.ParseFromString(ContentsOf(Set())));
    for (const auto& file : files.file()) ASSERT_NE(pool_->BuildFile(file), nullptr) << file.name();
  }

  static void StartPython() {
    const std::string port_file = absl::StrCat(scratch_, "/port");
    const std::string log = absl::StrCat(scratch_, "/python.log");
    auto python =
        Process::Start({Python(), absl::StrCat(kTripFolder, "/participant.py"), "--protoset", Set(), "--port_file",
                        port_file, "--orchestrator_port_file", absl::StrCat(scratch_, "/orchestrator.port")},
                       log);
    ASSERT_TRUE(python.ok()) << python.status();
    python_ = python->release();
    ASSERT_TRUE(Eventually(kPatience, [&] { return !ContentsOf(port_file).empty() || !python_->Running(); }));
    ASSERT_TRUE(python_->Running()) << ContentsOf(log);
    address_ = absl::StrCat("127.0.0.1:", ContentsOf(port_file));
  }

  void SetUp() override { ASSERT_NE(cluster_, nullptr) << "the cluster did not start"; }

  // Calls a method with JSON in and out, knowing its types from the descriptor set alone.
  grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                    const std::string& method, const nlohmann::json& json, nlohmann::json* reply,
                    const std::map<std::string, std::string>& metadata = {}) {
    const auto* descriptor = pool_->FindServiceByName(service)->FindMethodByName(method);
    google::protobuf::DynamicMessageFactory factory(pool_);
    const std::unique_ptr<google::protobuf::Message> request(factory.GetPrototype(descriptor->input_type())->New());
    const std::unique_ptr<google::protobuf::Message> response(factory.GetPrototype(descriptor->output_type())->New());
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json.dump(), request.get()).ok());
    grpc::ClientContext context;
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    std::string bytes;
    const grpc::Status status =
        CallWithBytes(channel, context, absl::StrCat("/", service, "/", method), request->SerializeAsString(), &bytes);
    if (!status.ok()) return status;
    EXPECT_TRUE(response->ParseFromString(bytes));
    std::string text;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(*response, &text).ok());
    *reply = nlohmann::json::parse(text);
    return status;
  }

  grpc::Status BookTrip(const nlohmann::json& request, nlohmann::json* reply) {
    return Call(cluster_->Channel(Node::kOrchestrator), "trip.v1.TripService", "BookTrip", request, reply);
  }

  grpc::Status GetVisa(const nlohmann::json& request, nlohmann::json* visa) {
    return Call(cluster_->Channel(Node::kOrchestrator), "trip.v1.TripService", "GetVisa", request, visa);
  }

  // The room that `guest` booked, as the Python service sees it.
  nlohmann::json RoomOf(const std::string& guest) {
    nlohmann::json rooms;
    const grpc::Status status =
        Call(NewChannel(address_), "trip.v1.RoomService", "ListRooms", nlohmann::json::object(), &rooms);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const nlohmann::json& room : rooms.value("rooms", nlohmann::json::array())) {
      if (room["guest"] == guest) return room;
    }
    return nullptr;
  }

  inline static std::string scratch_;
  inline static std::string address_;
  inline static google::protobuf::DescriptorPool* pool_ = new google::protobuf::DescriptorPool;
  inline static Process* python_ = nullptr;
  inline static Cluster* cluster_ = nullptr;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_TRIP_TEST_H_
