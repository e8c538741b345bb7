// A participant that we did not compile: a Python service with its own proto, one descriptor set made by protoc, one
// definition file, and the orchestrator's program as it is.
#include <future>

#include "saga/v1/saga_service.grpc.pb.h"
#include "tests/e2e/trip_test.h"

namespace unwind {
namespace {

class PythonParticipant : public TripTest {
 protected:
  // Not through a saga.
  grpc::Status Apply(const std::string& country, const std::map<std::string, std::string>& metadata) {
    nlohmann::json visa;
    return Call(NewChannel(address_), "trip.v1.VisaService", "ApplyForVisa",
                {{"applicationId", "a"}, {"country", country}}, &visa, metadata);
  }
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

TEST_F(PythonParticipant, APivotThatIsNotFinishedIsAskedAgain) {
  nlohmann::json visa;
  const nlohmann::json request = {{"requestId", "visa-1"}, {"country", "korea"}};
  const grpc::Status status = GetVisa(request, &visa);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(visa["number"], "VISA-1");
  EXPECT_EQ(visa["asked"], 3);
  Shop shop(*cluster_);
  const auto saga = shop.SagaOfKey("get-visa", "visa-1");
  ASSERT_TRUE(saga.ok()) << saga.status();
  EXPECT_EQ(saga->state(), saga::v1::Saga::STATE_COMPLETED);
  EXPECT_EQ(saga->steps(0).state(), saga::v1::Step::STATE_SUCCEEDED);
  EXPECT_GE(saga->steps(0).attempt(), 3);

  nlohmann::json again;
  ASSERT_TRUE(GetVisa(request, &again).ok());
  EXPECT_EQ(again, visa);
}

TEST_F(PythonParticipant, APivotWhoseTimeIsUpIsSettled) {
  nlohmann::json visa;
  std::future<grpc::Status> answered = std::async(std::launch::async, [&] {
    return GetVisa({{"requestId", "visa-2"}, {"country", "sealand"}}, &visa);
  });
  Shop shop(*cluster_);
  const auto waits = [&] {
    const auto saga = shop.SagaOfKey("get-visa", "visa-2");
    return saga.ok() && saga->steps(0).state() == saga::v1::Step::STATE_WAITING;
  };
  EXPECT_TRUE(Eventually(kPatience, waits));

  const grpc::Status status = answered.get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_EQ(Reason(status), "NOT_DECIDED_IN_TIME");
  const auto saga = shop.SagaOfKey("get-visa", "visa-2");
  ASSERT_TRUE(saga.ok()) << saga.status();
  EXPECT_EQ(saga->state(), saga::v1::Saga::STATE_ABORTED);

  const std::map<std::string, std::string> late_copy = {
      {"saga-id", saga->saga_id()},
      {"saga-step", "apply"},
      {"saga-phase", "action"},
      {"saga-accepts", "pending"},
      {"idempotency-key", absl::StrCat(saga->saga_id(), "/apply/action")}};
  EXPECT_EQ(Reason(Apply("sealand", late_copy)), "FENCED");
}

// Its poll comes after ten minutes.
TEST_F(PythonParticipant, ANudgeEndsAWait) {
  nlohmann::json permit;
  const grpc::Status status = Call(cluster_->Channel(Node::kOrchestrator), "trip.v1.TripService", "GetPermit",
                                   {{"requestId", "permit-1"}, {"country", "korea"}}, &permit);
  ASSERT_TRUE(status.ok()) << status.error_message() << ContentsOf(absl::StrCat(scratch_, "/python.log"));
  EXPECT_EQ(permit["number"], "PERMIT-1");
  EXPECT_EQ(permit["asked"], 2);
}

TEST_F(PythonParticipant, NotFinishedIsAnErrorToWhoDoesNotAcceptIt) {
  std::map<std::string, std::string> call = {
      {"saga-id", "s"}, {"saga-step", "apply"}, {"saga-phase", "action"}, {"idempotency-key", "s/apply/action"}};
  const grpc::Status refused = Apply("sealand", call);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Reason(refused), "PENDING");
  call["saga-accepts"] = "pending";
  EXPECT_TRUE(Apply("sealand", call).ok());
}

}  // namespace
}  // namespace unwind
