// A participant that we did not compile: a Python service with its own proto, one descriptor set made by protoc, one
// definition file, and the orchestrator's program as it is.
#include <cstdlib>
#include <filesystem>
#include <future>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "saga/v1/saga_service.grpc.pb.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

constexpr char kFolder[] = "tests/e2e/python_participant";

// Debian's, which has Debian's python3-grpcio, unless the environment names another.
std::string Python() {
  const char* const python = std::getenv("UNWIND_PYTHON");
  return python == nullptr ? "/usr/bin/python3" : python;
}

constexpr absl::Duration kPatience = absl::Seconds(60);

class PythonParticipant : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string path = "/tmp/unwind-python-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    ASSERT_NO_FATAL_FAILURE(MakeDescriptorSet());
    ASSERT_NO_FATAL_FAILURE(StartPython());
    ClusterOptions options;
    options.bin_dir = UNWIND_BIN_DIR;
    options.definitions = absl::StrCat("orchestrator/sagas,", kFolder, "/book_trip.yaml");
    options.participants = absl::StrCat("trip.v1.RoomService=", address_, ",trip.v1.CarService=", address_);
    options.extra_flags[Node::kOrchestrator] = {absl::StrCat("--descriptors=", Set())};
    auto cluster = Cluster::Start(options);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = cluster->release();
  }

  static void TearDownTestSuite() {
    delete cluster_;
    delete python_;
    std::filesystem::remove_all(scratch_);
  }

  static std::string Set() { return absl::StrCat(scratch_, "/trip.protoset"); }

  static void MakeDescriptorSet() {
    const std::string log = absl::StrCat(scratch_, "/protoc.log");
    const auto made = RunToEnd({"/usr/bin/protoc", absl::StrCat("-I", kFolder), "-Iprotos/third_party",
                                "--include_imports", absl::StrCat("--descriptor_set_out=", Set()), "trip.proto",
                                "google/rpc/status.proto", "google/rpc/error_details.proto"},
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
    auto python = Process::Start(
        {Python(), absl::StrCat(kFolder, "/participant.py"), "--protoset", Set(), "--port_file", port_file}, log);
    ASSERT_TRUE(python.ok()) << python.status();
    python_ = python->release();
    ASSERT_TRUE(Eventually(kPatience, [&] { return !ContentsOf(port_file).empty() || !python_->Running(); }));
    ASSERT_TRUE(python_->Running()) << ContentsOf(log);
    address_ = absl::StrCat("127.0.0.1:", ContentsOf(port_file));
  }

  void SetUp() override { ASSERT_NE(cluster_, nullptr) << "the cluster did not start"; }

  // Calls a method with JSON in and out, knowing its types from the descriptor set alone.
  grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                    const std::string& method, const nlohmann::json& json, nlohmann::json* reply) {
    const auto* descriptor = pool_->FindServiceByName(service)->FindMethodByName(method);
    google::protobuf::DynamicMessageFactory factory(pool_);
    const std::unique_ptr<google::protobuf::Message> request(factory.GetPrototype(descriptor->input_type())->New());
    const std::unique_ptr<google::protobuf::Message> response(factory.GetPrototype(descriptor->output_type())->New());
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json.dump(), request.get()).ok());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    const grpc::Slice sent(request->SerializeAsString());
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    auto call =
        stub.PrepareUnaryCall(&context, absl::StrCat("/", service, "/", method), grpc::ByteBuffer(&sent, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer received;
    grpc::Status status;
    call->Finish(&received, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return status;
    grpc::Slice bytes;
    EXPECT_TRUE(received.DumpToSingleSlice(&bytes).ok());
    EXPECT_TRUE(response->ParseFromArray(bytes.begin(), static_cast<int>(bytes.size())));
    std::string text;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(*response, &text).ok());
    *reply = nlohmann::json::parse(text);
    return status;
  }

  grpc::Status BookTrip(const nlohmann::json& request, nlohmann::json* reply) {
    return Call(cluster_->Channel(Node::kOrchestrator), "trip.v1.TripService", "BookTrip", request, reply);
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

TEST_F(PythonParticipant, ItsSagaSucceeds) {
  nlohmann::json trip;
  const nlohmann::json request = {{"requestId", "trip-1"}, {"guest", "yuna"}, {"city", "busan"}, {"car", "pony"}};
  const grpc::Status status = BookTrip(request, &trip);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(trip["confirmation"], RoomOf("yuna")["confirmation"]);
  EXPECT_EQ(trip["plate"], "UNW-1");
  EXPECT_FALSE(RoomOf("yuna").contains("cancelled"));

  nlohmann::json again;  // the same request: the same trip, no second room
  ASSERT_TRUE(BookTrip(request, &again).ok());
  EXPECT_EQ(again, trip);
  EXPECT_EQ(RoomOf("yuna")["bookings"], 1);
}

TEST_F(PythonParticipant, ItsSagaCompensatesWithDataFromAnEarlierReply) {
  nlohmann::json trip;
  const grpc::Status status =
      BookTrip({{"requestId", "trip-2"}, {"guest", "minho"}, {"city", "busan"}, {"car", "submarine"}}, &trip);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_EQ(Reason(status), "NO_CAR");
  const nlohmann::json room = RoomOf("minho");
  EXPECT_EQ(room["cancelled"], true);
  EXPECT_EQ(room["feeCents"], "1250");  // what BookRoom had said
  EXPECT_EQ(room["reason"], "NO_CAR");
  Shop shop(*cluster_);
  const auto saga = shop.SagaOfKey("book-trip", "trip-2");
  ASSERT_TRUE(saga.ok()) << saga.status();
  EXPECT_EQ(saga->state(), saga::v1::Saga::STATE_ABORTED);
  EXPECT_EQ(saga->steps(0).state(), saga::v1::Step::STATE_COMPENSATED);
  EXPECT_EQ(saga->steps(1).state(), saga::v1::Step::STATE_REFUSED);
}

TEST_F(PythonParticipant, AParkedCompensationIsRetriedByAnOperator) {
  nlohmann::json trip;
  std::future<grpc::Status> booked = std::async(std::launch::async, [&] {
    return BookTrip({{"requestId", "trip-4"}, {"guest", "jisoo"}, {"city", "jeju"}, {"car", "submarine"}}, &trip);
  });
  Shop shop(*cluster_);
  const auto is_parked = [&] {
    const auto saga = shop.SagaOfKey("book-trip", "trip-4");
    return saga.ok() && saga->state() == saga::v1::Saga::STATE_PARKED;
  };
  ASSERT_TRUE(Eventually(kPatience, is_parked)) << "a compensation that is refused again and again must park";
  EXPECT_FALSE(RoomOf("jisoo").contains("cancelled"));

  const auto stub = saga::v1::SagaService::NewStub(cluster_->AdminChannel(Node::kOrchestrator));
  saga::v1::RetryStepRequest request;
  request.set_saga_id(shop.SagaOfKey("book-trip", "trip-4")->saga_id());
  request.set_step("book_room");
  request.set_actor("kim");
  request.set_reason("the desk is open again");
  const auto retry = [&] {
    grpc::ClientContext context;
    saga::v1::RetryStepResponse response;
    return stub->RetryStep(&context, request, &response);
  };
  const grpc::Status retried = retry();
  ASSERT_TRUE(retried.ok()) << retried.error_message();
  EXPECT_EQ(Reason(booked.get()), "NO_CAR");
  EXPECT_EQ(RoomOf("jisoo")["cancelled"], true);
  EXPECT_EQ(Reason(retry()), "STEP_NOT_PARKED");
}

TEST_F(PythonParticipant, AFirstStepThatIsRefusedLeavesNothing) {
  nlohmann::json trip;
  const grpc::Status status =
      BookTrip({{"requestId", "trip-3"}, {"guest", "sky"}, {"city", "atlantis"}, {"car", "pony"}}, &trip);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_EQ(Reason(status), "NO_ROOM");
  EXPECT_TRUE(RoomOf("sky").is_null());
}

}  // namespace
}  // namespace unwind
