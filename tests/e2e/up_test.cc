// `./run up` when one of its processes ends.
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "pg/v1/mock_control.grpc.pb.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/rest_gateway.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

TEST(Up, SaysWhichProcessEndedAndGoesOn) {
  const TempDir dir;
  const std::string addresses = dir.File("addresses"), log = dir.File("log");
  // From a folder that is not the project's.
  auto up = Process::Start({"/usr/bin/env", "--chdir=/", absl::StrCat(UNWIND_BIN_DIR, "/unwind_up"),
                            absl::StrCat("--addresses_file=", addresses)},
                           log);
  ASSERT_TRUE(up.ok()) << up.status();
  ASSERT_TRUE(Eventually(kPatience, [&] { return std::filesystem::exists(addresses); })) << ContentsOf(log);
  const auto channel = NewChannel(ValueOf("mock_pg", ContentsOf(addresses)));
  {
    grpc::ClientContext context;
    pg::v1::SetScenarioRequest request;
    request.mutable_scenario()->set_crash_after(1);  // it exits with 137 once it has answered one charge
    pg::v1::SetScenarioResponse response;
    ASSERT_TRUE(pg::v1::MockControl::NewStub(channel)->SetScenario(&context, request, &response).ok());
  }
  {
    grpc::ClientContext context;
    pg::v1::ConfirmRequest request;
    request.set_idempotency_key("k");
    request.set_amount_minor(1);
    request.set_currency_code("KRW");
    pg::v1::ConfirmResponse response;
    // It may not live to send the answer.
    pg::v1::PaymentGateway::NewStub(channel)->Confirm(&context, request, &response);
  }
  EXPECT_TRUE(Eventually(kPatience, [&] {
    return absl::StrContains(ContentsOf(log), "mock_pg ended, with status 137; its log ends:\n{");
  })) << ContentsOf(log);
  EXPECT_THAT(ContentsOf(log), testing::HasSubstr("\"service\":\"mock_pg\""));
  EXPECT_TRUE((*up)->Running());
  EXPECT_THAT(ContentsOf(log), testing::Not(testing::HasSubstr("order_svc ended")));
  EXPECT_EQ((*up)->Terminate(kPatience).value(), 0);
}

}  // namespace
}  // namespace unwind
