// sagactl's program at a shop that has TLS and the policy that ships.
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/e2e/policy_shop.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SagactlTls : public PolicyTest {
 protected:
  void SetUp() override { StartCluster(/*with_policy=*/true); }

  std::string Scratch(const std::string& name) { return absl::StrCat(cluster_->scratch(), "/", name); }

  // The options that show a certificate of `identity`.
  std::vector<std::string> CertificateOf(const std::string& identity) {
    const Certificate certificate = cluster_->authority().Issue(Service(identity));
    WriteFile(Scratch(identity + ".pem"), certificate.chain);
    WriteSecret(Scratch(identity + ".key"), certificate.key);
    return {"--tls_ca",   cluster_->TlsFile(Node::kOrchestrator, "ca"),
            "--tls_cert", Scratch(identity + ".pem"),
            "--tls_key",  Scratch(identity + ".key")};
  }

  // What sagactl prints; its exit status is `exit`.
  std::string Run(const std::vector<std::string>& arguments, const std::vector<std::string>& options, int exit = 0) {
    std::vector<std::string> argv = {absl::StrCat(UNWIND_BIN_DIR, "/sagactl"), "--server",
                                     cluster_->AdminAddress(Node::kOrchestrator)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    argv.insert(argv.end(), options.begin(), options.end());
    const std::string log = Scratch("sagactl.log");
    const auto ran = RunToEnd(argv, log, absl::Seconds(60));
    EXPECT_TRUE(ran.ok()) << ran.status();
    EXPECT_EQ(ran.value_or(-1), exit) << ContentsOf(log);
    return ContentsOf(log);
  }

  // An order that is not paid yet.
  std::string Unpaid() {
    Restock("pen", 10);
    cluster_->Kill(Node::kPayment);
    const shop::checkout::v1::PlaceOrderRequest request = Shop::Order("mina", "pen");
    shop::checkout::v1::PlaceOrderResponse response;
    EXPECT_EQ(Reason(Place("mina", request, &response, absl::Seconds(2))), "SAGA_RUNNING");
    return request.request_id();
  }
};

TEST_F(SagactlTls, TheCertificateSaysWhoDecides) {
  const std::vector<std::string> as_operator = CertificateOf("operator");
  const std::string key = Unpaid();
  const std::string found = Run({"find", "place-order", key, "--json"}, as_operator);
  const std::size_t id = found.find("\"sagaId\":\"") + 10;
  const std::string saga = found.substr(id, found.find('"', id) - id);

  EXPECT_THAT(Run({"cancel", saga, "--actor", "somebody"}, as_operator, 1),
              AllOf(HasSubstr("CALLER_NOT_ALLOWED"), HasSubstr("leave --actor out")));
  EXPECT_THAT(Run({"history", saga}, as_operator), Not(HasSubstr("cancel_requested")));
  Run({"cancel", saga, "--reason", "the buyer called"}, as_operator);
  EXPECT_THAT(Run({"history", saga}, as_operator), HasSubstr("by operator: the buyer called"));
}

TEST_F(SagactlTls, WhoIsNotLetInIsToldWhy) {
  EXPECT_THAT(Run({"stats"}, CertificateOf("gateway"), 1), HasSubstr("CALLER_NOT_ALLOWED"));
  EXPECT_THAT(Run({"stats"}, {}, 3), HasSubstr("one with TLS needs --tls_ca, --tls_cert and --tls_key"));
  EXPECT_THAT(Run({"stats"}, {"--tls_ca", cluster_->TlsFile(Node::kOrchestrator, "ca")}, 2),
              AllOf(HasSubstr("--tls_cert"), HasSubstr("--tls_key")));
  EXPECT_THAT(Run({"stats"}, {"--tls_ca", "/none", "--tls_cert", "/none", "--tls_key", "/none"}, 2),
              HasSubstr("/none"));
}

}  // namespace
}  // namespace unwind
