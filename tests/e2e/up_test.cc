// `./run up`: when one of its processes ends, and with TLS.
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/channel.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "pg/v1/mock_control.grpc.pb.h"
#include "pg/v1/payment_gateway.grpc.pb.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/rest_gateway.h"
#include "tests/support/secure_channel.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// The rest of the line that begins with `start`.
std::string TextAfter(const std::string& start, const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, start)) return std::string(line.substr(start.size()));
  }
  return "";
}

TEST(Up, SaysWhichProcessEndedAndGoesOn) {
  const TempDir dir;
  const std::string addresses = dir.File("addresses"), log = dir.File("log");
  // From a folder that is not the project's.
  auto up = Process::Start({"/usr/bin/env", "--chdir=/", absl::StrCat(UNWIND_BIN_DIR, "/unwind_up"),
                            absl::StrCat("--addresses_file=", addresses)},
                           log);
  ASSERT_TRUE(up.ok()) << up.status();
  ASSERT_TRUE(Eventually(kPatience, [&] { return std::filesystem::exists(addresses); })) << ContentsOf(log);
  const std::string scratch = TextAfter("Databases and logs: ", ContentsOf(log));
  EXPECT_THAT(ContentsOf(scratch + "/prometheus.yml"),
              testing::AllOf(testing::HasSubstr("job_name: orchestrator\n"),
                             testing::HasSubstr("job_name: stock_svc\n"), testing::HasSubstr("/k8s/alerts/*.yaml")));
  EXPECT_THAT(ContentsOf(log), testing::HasSubstr(absl::StrCat("--config.file=", scratch, "/prometheus.yml")));
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

TEST(Up, SecureItIsReachedWithTheCertificatesThatItNames) {
  const TempDir dir;
  const std::string addresses = dir.File("addresses"), log = dir.File("log");
  auto up = Process::Start(
      {absl::StrCat(UNWIND_BIN_DIR, "/unwind_up"), "--secure", absl::StrCat("--addresses_file=", addresses)}, log);
  ASSERT_TRUE(up.ok()) << up.status();
  ASSERT_TRUE(Eventually(kPatience, [&] { return std::filesystem::exists(addresses); })) << ContentsOf(log);
  const std::string text = ContentsOf(addresses);
  const std::string ca = ValueOf("ca", text), cert = ValueOf("cert", text), key = ValueOf("key", text);
  const Certificate own = {.chain = ContentsOf(cert), .key = ContentsOf(key)};
  for (const char* const name : {"orchestrator", "orchestrator_admin", "stock_svc"}) {
    EXPECT_TRUE(IsServing(NewSecureChannel(ValueOf(name, text), ContentsOf(ca), &own))) << name;
    EXPECT_FALSE(IsServing(NewSecureChannel(ValueOf(name, text), ContentsOf(ca), nullptr))) << name;
  }
  EXPECT_TRUE(IsServing(NewChannel(ValueOf("orchestrator_health", text))));
  EXPECT_THAT(ContentsOf(log), testing::HasSubstr(absl::StrCat("grpcurl -cacert ", ca, " -cert ", cert, " -key ", key,
                                                               " ", ValueOf("orchestrator", text), " list")));
  // The operators' command line, as it is printed.
  const std::string sagactl = TextAfter("  " UNWIND_BIN_DIR "/sagactl ", ContentsOf(log));
  const std::string said = dir.File("said");
  const auto ran = RunToEnd({"/bin/bash", "-c", absl::StrCat(UNWIND_BIN_DIR "/sagactl ", sagactl)}, said, kPatience);
  EXPECT_EQ(ran.value_or(-1), 0) << sagactl << "\n" << ContentsOf(said);
  EXPECT_THAT(ContentsOf(said), testing::HasSubstr("no saga"));
  EXPECT_EQ((*up)->Terminate(kPatience).value(), 0);
}

}  // namespace
}  // namespace unwind
