// A participant that we did not compile: a Python service with its own proto, one descriptor set made by protoc, one
// definition file, and the orchestrator's program as it is.
#include <future>

#include "saga/v1/saga_service.grpc.pb.h"
#include "tests/e2e/trip_test.h"

namespace unwind {
namespace {

class PythonParticipant : public TripTest {};

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
