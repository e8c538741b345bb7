// The programs with mutual TLS: who reaches what, and what happens when the files change.
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "tests/e2e/changed_definitions.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/bytes_call.h"
#include "tests/support/certificates.h"
#include "tests/support/poll.h"
#include "tests/support/secure_channel.h"
#include "tests/support/tls_caller.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// Also of the connections that the programs have among themselves, so that a change of a certificate shows soon.
constexpr char kConnectionAge[] = "--connection_age_max=5s";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";

int Times(const std::string& text, const std::string& what) {
  int times = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++times;
  return times;
}

// The code of a call of `method` with an empty message.
StatusCode Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  return CallWithBytes(channel, context, method, "").error_code();
}

class Tls : public ShopTest {
 protected:
  static void SetUpTestSuite() {
    ClusterOptions options;
    options.secure = true;
    for (const Node node : kNodes) options.extra_flags[node] = {kConnectionAge};
    // Connections end all the time here, and a handshake may take a busy machine seconds: time that calls have.
    definitions_ = ChangedDefinitions({{"deadline: 30s\n", "deadline: 1h\n"},
                                       {"    timeout: 2s\n", ""},
                                       {"    action: ", "    timeout: 30s\n    action: "}});
    options.definitions = definitions_;
    options.extra_flags[Node::kPayment].push_back("--pg_timeout=20s");
    StartCluster(std::move(options));
  }

  static void TearDownTestSuite() {
    ShopTest::TearDownTestSuite();
    std::filesystem::remove_all(definitions_);
  }

  static std::vector<std::string> SecurePorts(Node node) {
    std::vector<std::string> ports = {cluster_->Address(node)};
    if (node == Node::kOrchestrator) ports.push_back(cluster_->AdminAddress(node));
    return ports;
  }

  static std::string Log(Node node) { return ContentsOf(cluster_->LogPath(node)); }

  // Replaces files of `nodes` by `change` and waits until each has taken what it has now.
  static void Change(const std::vector<Node>& nodes, const std::function<void()>& change) {
    constexpr char kTaken[] = "TLS files are in use";
    std::vector<int> before;
    for (const Node node : nodes) before.push_back(Times(Log(node), kTaken));
    change();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      EXPECT_TRUE(Eventually(kPatience, [&] { return Times(Log(nodes[i]), kTaken) > before[i]; })) << Log(nodes[i]);
    }
  }

  static void Write(Node node, const Certificate& certificate) {
    WriteSecret(cluster_->TlsFile(node, "key"), certificate.key);
    WriteFile(cluster_->TlsFile(node, "cert"), certificate.chain);
  }

  static const std::vector<Node> kAll;
  inline static std::string definitions_;
  static const TestAuthority& authority() { return cluster_->authority(); }
  static Certificate New(Node node) { return authority().Issue(Service(NodeName(node))); }
};

const std::vector<Node> Tls::kAll = {kNodes.begin(), kNodes.end()};

TEST_F(Tls, WithoutACertificateNobodyReachesAnythingButHealth) {
  const TestAuthority foreign("Foreign CA");
  const Certificate stranger = foreign.Issue(Service("orchestrator"));
  for (const Node node : kNodes) {
    for (const std::string& port : SecurePorts(node)) {
      EXPECT_EQ(Call(cluster_->ChannelAs(nullptr, port), kHealth), StatusCode::UNAVAILABLE) << NodeName(node);
      EXPECT_EQ(Call(cluster_->ChannelAs(&stranger, port), kHealth), StatusCode::UNAVAILABLE) << NodeName(node);
      EXPECT_EQ(Call(NewChannel(port), kHealth), StatusCode::UNAVAILABLE) << NodeName(node);
    }
    const auto probe = NewChannel(cluster_->HealthAddress(node));
    EXPECT_TRUE(IsServing(probe)) << NodeName(node);
    EXPECT_TRUE(IsServing(probe, "")) << NodeName(node);
    for (const char* const method :
         {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/shop.stock.v1.StockService/ListProducts",
          "/shop.checkout.v1.CheckoutService/PlaceOrder", "/saga.v1.SagaService/ListSagas",
          "/pg.v1.MockControl/SetScenario"}) {
      EXPECT_EQ(Call(probe, method), StatusCode::UNIMPLEMENTED) << NodeName(node) << method;
    }
  }
}

TEST_F(Tls, OldProtocolsAreRefused) {
  const Certificate known = authority().Issue(Service("somebody"));
  const std::string& port = cluster_->Address(Node::kStock);
  EXPECT_EQ(TlsCaller(&known).Visit(port).protocol, "TLSv1.3");
  EXPECT_TRUE(TlsCaller(&known).Visit(port).served);
  EXPECT_EQ(TlsCaller(&known, TLS1_2_VERSION).Visit(port).protocol, "TLSv1.2");
  EXPECT_FALSE(TlsCaller(&known, TLS1_1_VERSION).Visit(port).served);
}

// Each says who it is with a certificate that is wrong in one way, and the port's log says in which.
TEST_F(Tls, ABadClientIsRefusedAndTheLogSaysWhy) {
  const TestAuthority foreign("Foreign CA");
  CertificateFor whom = Service("orchestrator");
  const Certificate revoked = authority().Issue(whom);
  ASSERT_EQ(Call(cluster_->ChannelAs(&revoked, cluster_->Address(Node::kStock)), kHealth), StatusCode::OK);
  Change(kAll, [&] { WriteFile(cluster_->TesterFile("crl"), authority().RevocationList({revoked})); });
  whom.ends = -absl::Seconds(1);
  const Certificate expired = authority().Issue(whom);
  whom.begins = absl::Hours(1);
  whom.ends = absl::Hours(2);
  const Certificate early = authority().Issue(whom);
  const Certificate untrusted = foreign.Issue(Service("orchestrator"));
  for (const auto& [reason, certificate] : std::vector<std::pair<std::string, const Certificate*>>{
           {"revoked", &revoked}, {"expired", &expired}, {"not_yet_valid", &early}, {"untrusted", &untrusted}}) {
    EXPECT_EQ(Call(cluster_->ChannelAs(certificate, cluster_->Address(Node::kStock), 1), kHealth),
              StatusCode::UNAVAILABLE)
        << reason;
    EXPECT_THAT(Log(Node::kStock), HasSubstr(absl::StrCat("\"peer\":\"client\",\"reason\":\"", reason, "\"")))
        << reason;
  }
  Change(kAll, [&] { WriteFile(cluster_->TesterFile("crl"), authority().RevocationList({})); });
}

// The stock service shows a certificate that is wrong in one way: the orchestrator calls it no more, says why, and goes
// on once it shows a good one.
TEST_F(Tls, ABadServerIsNotCalledAndTheLogSaysWhy) {
  const TestAuthority foreign("Foreign CA");
  CertificateFor elsewhere = Service("stock_svc");
  elsewhere.dns = {"stock.elsewhere"};
  elsewhere.ips = {"127.0.0.2"};
  CertificateFor expired = Service("stock_svc");
  expired.ends = -absl::Seconds(1);
  const Certificate revoked = authority().Issue(Service("stock_svc"));
  const std::string product = NewProduct(10000);
  for (const auto& [reason, certificate] :
       std::vector<std::pair<std::string, Certificate>>{{"wrong_host", authority().Issue(elsewhere)},
                                                        {"expired", authority().Issue(expired)},
                                                        {"revoked", revoked},
                                                        {"untrusted", foreign.Issue(Service("stock_svc"))}}) {
    if (reason == "revoked") {
      Change(kAll, [&] { WriteFile(cluster_->TesterFile("crl"), authority().RevocationList({revoked})); });
    }
    const Certificate& shown = certificate;
    Change({Node::kStock}, [&] { Write(Node::kStock, shown); });
    const std::string said = absl::StrCat("\"peer\":\"server\",\"reason\":\"", reason, "\"");
    EXPECT_TRUE(Eventually(absl::Seconds(40),
                           [&] {
                             shop_.Begin(Shop::Order("mina", product), absl::Seconds(1))->Wait();
                             return absl::StrContains(Log(Node::kOrchestrator), said);
                           }))
        << reason << "\n"
        << Log(Node::kOrchestrator);
    Change({Node::kStock}, [&] { Write(Node::kStock, New(Node::kStock)); });
  }
  Change(kAll, [&] { WriteFile(cluster_->TesterFile("crl"), authority().RevocationList({})); });
  grpc::Status last;
  EXPECT_TRUE(Eventually(absl::Seconds(40),
                         [&] {
                           shop::checkout::v1::PlaceOrderResponse placed;
                           last = shop_.Place(Shop::Order("mina", product), &placed);
                           return last.ok();
                         }))
      << last.error_code() << ": " << last.error_message();
}

// A connection that is open when its peer loses its trust ends by its age, and there is no other.
TEST_F(Tls, AnAuthorityThatIsTakenOutIsTrustedNoMore) {
  const TestAuthority leaving("Leaving CA");
  const Certificate client = leaving.Issue(Service("buyer"));
  Change({Node::kStock}, [&] { WriteFile(cluster_->TlsFile(Node::kStock, "ca"), authority().pem() + leaving.pem()); });
  const auto open = cluster_->ChannelAs(&client, cluster_->Address(Node::kStock));
  EXPECT_TRUE(Eventually(kPatience, [&] { return Call(open, kHealth) == StatusCode::OK; }));
  Change({Node::kStock}, [&] { WriteFile(cluster_->TlsFile(Node::kStock, "ca"), authority().pem()); });
  EXPECT_FALSE(TlsCaller(&client).Visit(cluster_->Address(Node::kStock)).served);
  EXPECT_TRUE(Eventually(kPatience, [&] { return Call(open, kHealth) == StatusCode::UNAVAILABLE; }));
  EXPECT_EQ(Call(open, kHealth), StatusCode::UNAVAILABLE);
}

// Everybody's certificate and key are replaced again and again. Each buyer's call is made once, and many connections
// are new.
TEST_F(Tls, CertificatesAreReplacedUnderBuyersWithoutAFailedCall) {
  constexpr int kBuyers = 64;
  constexpr int kReplacements = 4;
  constexpr int kOrdersOfAConnection = 16;
  const std::string product = NewProduct(1000000);
  std::atomic<bool> stopped = false;
  std::atomic<int> paid = 0;
  std::mutex mutex;
  std::vector<std::string> failures;
  std::vector<std::thread> buyers;
  for (int i = 0; i < kBuyers; ++i) {
    buyers.emplace_back([&, i] {
      const Certificate certificate = authority().Issue(Service(absl::StrCat("buyer-", i)));
      std::shared_ptr<grpc::Channel> channel;
      for (int orders = 0; !stopped; ++orders) {
        if (orders % kOrdersOfAConnection == 0) {
          channel = cluster_->ChannelAs(&certificate, cluster_->Address(Node::kOrchestrator), orders);
        }
        Placing order(channel, Shop::Order(absl::StrCat("member-", i), product), kPatience);
        const grpc::Status& status = order.Wait();
        if (status.ok()) {
          ++paid;
          continue;
        }
        const std::lock_guard lock(mutex);
        failures.push_back(absl::StrCat(status.error_code(), " ", status.error_message()));
        return;  // one that fails at once would only flood the port with its next ones
      }
    });
  }
  std::string serial;
  const Certificate caller = authority().Issue(Service("caller"));
  for (int i = 0; i < kReplacements; ++i) {
    const int paid_before = paid;
    Change(kAll, [&] {
      for (const Node node : kNodes) Write(node, New(node));
    });
    for (const Node node : kNodes) {
      const auto written = ReadCertificates(ContentsOf(cluster_->TlsFile(node, "cert")));
      const std::string expected = SerialOf(*written->front());
      EXPECT_TRUE(Eventually(kPatience, [&] {
        return TlsCaller(&caller).Visit(cluster_->Address(node)).serial == expected;
      })) << NodeName(node);
    }
    EXPECT_TRUE(Eventually(kPatience, [&] { return paid > paid_before + kBuyers; }));
  }
  stopped = true;
  for (std::thread& buyer : buyers) buyer.join();
  EXPECT_THAT(failures, testing::IsEmpty()) << cluster_->Obituary(Node::kOrchestrator, "failed calls");
  EXPECT_GT(paid, kBuyers * kReplacements);
}

}  // namespace
}  // namespace unwind
