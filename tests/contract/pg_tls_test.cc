// A PostgreSQL that speaks TLS alone and asks for certificates, by what --db says.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/db/connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using testing::HasSubstr;

class PgTls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = PostgresServer::Start({.settings = {}, .authority = &kAuthority});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    ASSERT_TRUE(server_->CreateDatabase("shop").ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    ASSERT_NE(server_, nullptr);
    const Certificate client = kAuthority.Issue({.name = "shop", .uri = ""});
    WriteFile(ca_, kAuthority.pem());
    WriteFile(cert_, client.chain);
    WriteSecret(key_, client.key);
  }

  std::string Database() const { return server_->DatabaseOverTls("shop", ca_, cert_, key_); }

  // What stands in the way of `database`, which waiting does not mend.
  static std::string ErrorOf(const std::string& database) {
    const absl::Status status = Connection::Open(database).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  inline static const TestAuthority kAuthority{"Database CA"};
  inline static std::unique_ptr<PostgresServer> server_;
  const TempDir dir_;
  const std::string ca_ = dir_.File("ca"), cert_ = dir_.File("cert"), key_ = dir_.File("key");
};

TEST_F(PgTls, ACertificateOpensWithoutAPassword) {
  const auto connection = Connection::Open(Database());
  ASSERT_TRUE(connection.ok()) << connection.status();
  const auto rows = server_->Execute("shop",
                                     "SELECT s.ssl, s.client_dn FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                                     "WHERE a.application_name = 'unwind'");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, (std::vector<std::vector<std::string>>{{"t", "/CN=shop"}}));
}

TEST_F(PgTls, EachFaultIsOneSentenceWithTheSettingsToCheck) {
  const TestAuthority foreign("Foreign CA");
  const Certificate stranger = foreign.Issue({.name = "shop", .uri = ""});
  const Certificate other = kAuthority.Issue({.name = "other", .uri = ""});
  WriteFile(dir_.File("foreign_ca"), foreign.pem());
  WriteFile(dir_.File("stranger"), stranger.chain);
  WriteSecret(dir_.File("stranger_key"), stranger.key);
  WriteFile(dir_.File("other"), other.chain);
  WriteSecret(dir_.File("other_key"), other.key);
  WriteFile(dir_.File("open_key"), kAuthority.Issue({.name = "shop", .uri = ""}).key);
  const std::string tls = "check sslmode=, sslrootcert=, sslcert= and sslkey=";
  const auto with = [&](const std::string& what, const std::string& file) {
    return absl::StrReplaceAll(Database(), {{what, dir_.File(file)}});
  };
  EXPECT_THAT(ErrorOf(with(ca_, "foreign_ca")), AllOf(HasSubstr("certificate verify failed"), HasSubstr(tls)));
  EXPECT_THAT(
      ErrorOf(absl::StrReplaceAll(with(ca_, "foreign_ca"),
                                  {{"host=localhost", "host=localhost,localhost hostaddr=127.0.0.2,127.0.0.1"}})),
      HasSubstr("certificate verify failed"))
      << "of two addresses nobody listens at the first";
  EXPECT_THAT(ErrorOf(with(ca_, "none")), AllOf(HasSubstr("root certificate file"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(with(cert_, "none")), AllOf(HasSubstr("check user="), HasSubstr(" or sslcert=")));
  EXPECT_THAT(ErrorOf(with(key_, "none")), AllOf(HasSubstr("private key file"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(with(key_, "open_key")), AllOf(HasSubstr("has group or world access"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(with(key_, "other_key")), AllOf(HasSubstr("key values mismatch"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(Database(), {{cert_, dir_.File("other")}, {key_, dir_.File("other_key")}})),
              AllOf(HasSubstr("check user="), HasSubstr(" or sslcert=")));
  EXPECT_THAT(
      ErrorOf(absl::StrReplaceAll(Database(), {{cert_, dir_.File("stranger")}, {key_, dir_.File("stranger_key")}})),
      AllOf(HasSubstr("unknown ca"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(Database(), {{"host=localhost", "host=127.0.0.1"}})),
              AllOf(HasSubstr("does not match host name"), HasSubstr(tls)));
  EXPECT_THAT(ErrorOf(absl::StrReplaceAll(Database(), {{"verify-full", "verified"}})),
              AllOf(HasSubstr("sslmode"), HasSubstr(tls)));
}

TEST_F(PgTls, AServerWithoutTlsIsRefusedWhereItIsAskedFor) {
  const std::string plain = NewTestDatabase();
  const std::string name = plain.substr(plain.find("user=") + 5);
  EXPECT_THAT(ErrorOf(absl::StrCat(TestPostgres().DatabaseOverTcp(name), " sslmode=verify-full sslrootcert=", ca_)),
              AllOf(HasSubstr("does not support SSL"), HasSubstr("check sslmode=")));
}

}  // namespace
}  // namespace unwind
