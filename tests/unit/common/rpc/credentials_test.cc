#include "common/rpc/credentials.h"

#include <memory>
#include <string>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/metrics/registry.h"
#include "common/rpc/server.h"
#include "common/tls/material.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/support/certificates.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_caller.h"
#include "tests/unit/common/rpc/live_server.h"

ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);
ABSL_DECLARE_FLAG(std::string, tls_ca);
ABSL_DECLARE_FLAG(std::string, tls_crl);
ABSL_DECLARE_FLAG(bool, insecure);
ABSL_DECLARE_FLAG(std::string, listen);

namespace unwind {
namespace {

using testing::HasSubstr;

class CredentialsTest : public testing::Test {
 protected:
  // Writes the files of the process and names them in its flags.
  void GiveFiles() {
    const Certificate own = root_.Issue(Service("server"));
    WriteFile(dir_.File("cert"), own.chain);
    WriteFile(dir_.File("key"), own.key);
    WriteFile(dir_.File("ca"), root_.pem());
    absl::SetFlag(&FLAGS_tls_cert, dir_.File("cert"));
    absl::SetFlag(&FLAGS_tls_key, dir_.File("key"));
    absl::SetFlag(&FLAGS_tls_ca, dir_.File("ca"));
  }

  static std::string ErrorOf(const absl::StatusOr<std::unique_ptr<Transport>>& started) {
    return std::string(started.status().message());
  }

  const absl::FlagSaver flags_;
  const TempDir dir_;
  const TestAuthority root_{"Root"};
};

TEST_F(CredentialsTest, WithoutFlagsItIsPlaintext) {
  const auto transport = Transport::Start();
  ASSERT_TRUE(transport.ok()) << transport.status();
  const auto server = Server::Start(ServerSetup());
  ASSERT_TRUE(server.ok()) << server.status();
  const Certificate client = root_.Issue(Service("client"));
  EXPECT_FALSE(TlsCaller(&client).Visit(absl::StrCat("127.0.0.1:", (*server)->port())).served);
}

TEST_F(CredentialsTest, EveryFlagThatIsMissingOrContradictsIsNamed) {
  absl::SetFlag(&FLAGS_tls_crl, "crl");
  absl::SetFlag(&FLAGS_insecure, true);
  const std::string error = ErrorOf(Transport::Start());
  for (const char* const flag : {"--tls_cert: ", "--tls_key: ", "--tls_ca: ", "--insecure: "}) {
    EXPECT_THAT(error, HasSubstr(flag));
  }
  const std::vector<std::string> lines = absl::StrSplit(error, '\n');
  EXPECT_EQ(lines.size(), 4u) << error;
}

TEST_F(CredentialsTest, PlaintextWhereOthersReachItMustBeAskedFor) {
  absl::SetFlag(&FLAGS_listen, "0.0.0.0:0");
  const auto refused = Server::Listen({}, "0.0.0.0:0");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--listen=0.0.0.0:0 and --admin_listen=0.0.0.0:0 "));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--insecure"));
  absl::SetFlag(&FLAGS_insecure, true);
  EXPECT_TRUE(Server::Listen({}, "0.0.0.0:0").ok());
  absl::SetFlag(&FLAGS_insecure, false);
  GiveFiles();
  const auto transport = Transport::Start();
  ASSERT_TRUE(transport.ok()) << transport.status();
  // Now it is known who calls, and must be said who may.
  EXPECT_THAT(std::string(Server::Listen({}, "0.0.0.0:0").status().message()), HasSubstr("--policy"));
}

TEST_F(CredentialsTest, LoopbackIsLoopbackInEveryForm) {
  for (const char* const address : {"127.0.0.1:0", "127.9.9.9:0", "localhost:0"}) {
    absl::SetFlag(&FLAGS_listen, address);
    EXPECT_TRUE(Server::Listen({}).ok()) << address;
  }
  for (const char* const address : {"0.0.0.0:0"}) {
    EXPECT_EQ(Server::Listen({}, address).status().code(), absl::StatusCode::kFailedPrecondition) << address;
  }
}

// The ticket of a session has the peer's own certificate and not those between it and its CA, which are sent in a whole
// handshake only.
TEST_F(CredentialsTest, APeerBelowAnIntermediateCaComesBackByItsSession) {
  GiveFiles();
  const auto transport = Transport::Start();
  ASSERT_TRUE(transport.ok()) << transport.status();
  const auto server = Server::Start(ServerSetup());
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string port = absl::StrCat("127.0.0.1:", (*server)->port());
  const TestAuthority between("Between", &root_);
  const Certificate client = between.Issue(Service("client"));
  for (const int version : {0, TLS1_2_VERSION}) {
    TlsCaller caller(&client, version);
    EXPECT_TRUE(caller.Visit(port).served);
    const TlsVisit again = caller.Visit(port);
    EXPECT_TRUE(again.resumed) << version;
    EXPECT_TRUE(again.served) << version;
  }
}

// Its session would spare it a whole handshake, and does not spare it the check.
TEST_F(CredentialsTest, APeerThatIsRevokedIsRefusedAlsoWhenItComesBackByItsSession) {
  GiveFiles();
  absl::SetFlag(&FLAGS_tls_crl, dir_.File("crl"));
  WriteFile(dir_.File("crl"), root_.RevocationList({}));
  const auto transport = Transport::Start();
  ASSERT_TRUE(transport.ok()) << transport.status();
  const auto server = Server::Start(ServerSetup());
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string port = absl::StrCat("127.0.0.1:", (*server)->port());
  const Certificate client = root_.Issue(Service("client"));
  TlsCaller caller(&client);
  ASSERT_TRUE(caller.Visit(port).served);
  WriteFile(dir_.File("crl"), root_.RevocationList({client}));
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    const TlsVisit visit = caller.Visit(port);
    return visit.resumed && !visit.served;
  }));
  EXPECT_THAT(prometheus::TextSerializer().Serialize(ProcessRegistry()->Collect()),
              testing::ContainsRegex("tls_peers_refused_total\\{peer=\"client\",reason=\"revoked\"\\} [1-9]"));
}

TEST_F(CredentialsTest, WhatIsMeasuredIsThereFromTheStart) {
  GiveFiles();
  const auto transport = Transport::Start();
  ASSERT_TRUE(transport.ok()) << transport.status();
  const std::string metrics = prometheus::TextSerializer().Serialize(ProcessRegistry()->Collect());
  for (const char* const reason : kPeerRefusals) {
    EXPECT_THAT(metrics, HasSubstr(absl::StrCat("tls_peers_refused_total{peer=\"server\",reason=\"", reason, "\"}")));
  }
  const auto own = ReadCertificates(ContentsOf(dir_.File("cert")));
  const absl::Time expires = TimeOf(X509_get0_notAfter(own->front().get()));
  double seconds = 0;
  const std::string name = "\ntls_certificate_expiry_timestamp_seconds ";
  ASSERT_TRUE(absl::SimpleAtod(metrics.substr(metrics.find(name) + name.size(), 10), &seconds)) << metrics;
  EXPECT_EQ(absl::FromUnixSeconds(static_cast<std::int64_t>(seconds)), expires);
  EXPECT_THAT(metrics, HasSubstr("tls_reloads_total{result=\"taken\"}"));
  EXPECT_THAT(metrics, HasSubstr("tls_reloads_total{result=\"refused\"} 0"));
}

}  // namespace
}  // namespace unwind
