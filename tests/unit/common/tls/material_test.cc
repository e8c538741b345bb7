#include "common/tls/material.h"

#include <openssl/pem.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const TlsPaths kPaths = {.cert = "a.crt", .key = "a.key", .ca = "ca.crt", .crl = "crls"};

TlsBytes BytesOf(const TestAuthority& authority, const Certificate& own) {
  return {.cert = own.chain, .key = own.key, .ca = authority.pem(), .crls = {{"crls/1", authority.RevocationList({})}}};
}

std::string Encrypted(const std::string& pem) {
  const auto key = ReadPrivateKey(pem);
  const OpenSsl<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(out.get(), key->get(), EVP_aes_128_cbc(), "password", 8, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

// As a file that was not written to its end.
std::string Half(const std::string& text) { return text.substr(0, text.size() / 2); }

class MaterialTest : public testing::Test {
 protected:
  std::shared_ptr<const TlsMaterial> Make(const TlsBytes& bytes) {
    auto made = TlsMaterial::Make(kPaths, bytes);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : nullptr;
  }

  // Of a client whose certificate this is, and the reason that it is refused for; empty: it is not.
  std::string RefusalOf(const Certificate& client) { return RefusalOf(*Make(bytes_), PeerRole::kClient, client, ""); }
  std::string RefusalOf(const TlsMaterial& material, PeerRole role, const Certificate& peer, const std::string& host) {
    const auto refusal = material.CheckPeer(role, peer.chain, peer.chain, host);
    return refusal == nullptr ? "" : refusal->reason;
  }

  const TestAuthority root_{"Root"};
  const Certificate own_ = root_.Issue(Service("order_svc"));
  TlsBytes bytes_ = BytesOf(root_, own_);
};

TEST_F(MaterialTest, GoodFilesAreTaken) {
  const auto material = Make(bytes_);
  EXPECT_THAT(material->identity_pem(), HasSubstr(own_.key));
  EXPECT_THAT(material->identity_pem(), HasSubstr(own_.chain));
  EXPECT_THAT(material->warnings(), IsEmpty());
  const auto leaf = ReadCertificates(own_.chain);
  EXPECT_EQ(material->expires(), TimeOf(X509_get0_notAfter(leaf->front().get())));
  EXPECT_NEAR(absl::ToDoubleHours(material->lists_expire() - material->expires()), 0, 1);
  bytes_.crls.clear();
  const TlsPaths without_lists = {.cert = "a.crt", .key = "a.key", .ca = "ca.crt", .crl = ""};
  EXPECT_EQ((*TlsMaterial::Make(without_lists, bytes_))->lists_expire(), absl::InfiniteFuture());
}

TEST_F(MaterialTest, EachFaultIsNamedWithItsFlagAndFile) {
  const TestAuthority namesake("Root");
  const struct {
    std::function<void(TlsBytes&)> spoil;
    std::string error;
  } cases[] = {
      {[&](TlsBytes& bytes) { bytes.cert = ""; }, "--tls_cert=a.crt: holds no certificate; it must be PEM"},
      {[&](TlsBytes& bytes) { bytes.cert = Half(bytes.cert); }, "--tls_cert=a.crt: certificate 1 in it is damaged ("},
      {[&](TlsBytes& bytes) { bytes.cert += Half(bytes.cert); }, "--tls_cert=a.crt: certificate 2 in it is damaged ("},
      {[&](TlsBytes& bytes) { bytes.key = "no key"; }, "--tls_key=a.key: holds no private key; it must be PEM"},
      {[&](TlsBytes& bytes) { bytes.key = Half(bytes.key); }, "--tls_key=a.key: the private key in it is damaged ("},
      {[&](TlsBytes& bytes) { bytes.key = Encrypted(bytes.key); }, "--tls_key=a.key: holds an encrypted key; decrypt"},
      {[&](TlsBytes& bytes) { bytes.key = root_.Issue(Service("order_svc")).key; },
       "--tls_key=a.key: is not the key of the certificate in --tls_cert=a.crt"},
      {[&](TlsBytes& bytes) { bytes.ca = ""; }, "--tls_ca=ca.crt: holds no certificate; it must be PEM"},
      {[&](TlsBytes& bytes) { bytes.ca += own_.chain; }, "--tls_ca=ca.crt: the certificate of CN=order_svc is no CA's"},
      {[&](TlsBytes& bytes) { bytes.crls.clear(); }, "--tls_crl=crls: holds no file"},
      {[&](TlsBytes& bytes) { bytes.crls[0].second = bytes.ca; },
       "--tls_crl=crls/1: holds no revocation list; it must"},
      {[&](TlsBytes& bytes) { bytes.crls[0].second = namesake.RevocationList({}); },
       "--tls_crl=crls/1: the list of CN=Root is not signed by that CA's key"},
      {[&](TlsBytes& bytes) { bytes.crls[0].second = root_.RevocationList({}, absl::Hours(24), "delta"); },
       "--tls_crl=crls/1: the list of CN=Root holds only what has changed (a delta)"},
      {[&](TlsBytes& bytes) {
         bytes.crls[0].second = root_.RevocationList({}, absl::Hours(24), "critical,indirectCRL:TRUE");
       },
       "--tls_crl=crls/1: the list of CN=Root is of another issuer's certificates too (indirectCRL)"},
      {[&](TlsBytes& bytes) {
         bytes.crls[0].second = root_.RevocationList({}, absl::Hours(24), "critical,onlysomereasons:keyCompromise");
       },
       "--tls_crl=crls/1: the list of CN=Root holds only some reasons (onlySomeReasons)"},
      {[&](TlsBytes& bytes) {
         bytes.crls[0].second = root_.RevocationList({}, absl::Hours(24), "critical,onlyAA:TRUE");
       },
       "--tls_crl=crls/1: the list of CN=Root is of attribute certificates"},
  };
  for (const auto& each : cases) {
    TlsBytes bytes = bytes_;
    each.spoil(bytes);
    const auto made = TlsMaterial::Make(kPaths, bytes);
    ASSERT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << each.error;
    EXPECT_THAT(std::string(made.status().message()), StartsWith(each.error));
    EXPECT_THAT(std::string(made.status().message()), testing::Not(HasSubstr("\n")));
  }
}

TEST_F(MaterialTest, AllFaultsAreListed) {
  const TlsBytes bytes = {.cert = "", .key = "", .ca = "", .crls = {{"crls/1", ""}, {"crls/2", ""}}};
  const auto made = TlsMaterial::Make(kPaths, bytes);
  const std::vector<std::string> lines = absl::StrSplit(std::string(made.status().message()), '\n');
  EXPECT_THAT(lines, ElementsAre(StartsWith("--tls_cert="), StartsWith("--tls_key="), StartsWith("--tls_ca="),
                                 StartsWith("--tls_crl=crls/1:"), StartsWith("--tls_crl=crls/2:")));
}

// The shop has two groups of CAs: it is no error, but nobody inside will speak with this one.
TEST_F(MaterialTest, AnOwnCertificateThatItsOwnCaWouldRefuseIsAWarning) {
  const TestAuthority other("Other");
  bytes_.ca = other.pem();
  bytes_.crls = {{"crls/1", other.RevocationList({})}};
  EXPECT_THAT(Make(bytes_)->warnings(), ElementsAre(HasSubstr("refuse it as a server: unable to get local issuer"),
                                                    HasSubstr("refuse it as a client: unable to get local issuer")));
  CertificateFor client_only = Service("order_svc");
  client_only.uses = "clientAuth";
  EXPECT_THAT(Make(BytesOf(root_, root_.Issue(client_only)))->warnings(), ElementsAre(HasSubstr("as a server")));
}

TEST_F(MaterialTest, APeerIsRefusedForEachReason) {
  const TestAuthority foreign("Foreign"), namesake("Root");
  const Certificate revoked = root_.Issue(Service("stock_svc"));
  bytes_.crls = {{"crls/1", root_.RevocationList({revoked})}};
  CertificateFor whom = Service("stock_svc");
  EXPECT_EQ(RefusalOf(root_.Issue(whom)), "");
  EXPECT_EQ(RefusalOf(revoked), "revoked");
  EXPECT_EQ(RefusalOf(foreign.Issue(whom)), "untrusted");
  EXPECT_EQ(RefusalOf(namesake.Issue(whom)), "untrusted");
  whom.ends = -absl::Seconds(1);
  EXPECT_EQ(RefusalOf(root_.Issue(whom)), "expired");
  whom.begins = absl::Hours(1);
  whom.ends = absl::Hours(2);
  EXPECT_EQ(RefusalOf(root_.Issue(whom)), "not_yet_valid");
  whom = Service("stock_svc");
  whom.rsa_bits = 1024;
  EXPECT_EQ(RefusalOf(root_.Issue(whom)), "invalid");
  EXPECT_EQ(RefusalOf(Certificate()), "invalid");
}

TEST_F(MaterialTest, ACertificateIsGoodForWhatItIsMeantForOnly) {
  CertificateFor whom = Service("stock_svc");
  whom.uses = "serverAuth";
  const auto material = Make(bytes_);
  EXPECT_EQ(RefusalOf(*material, PeerRole::kServer, root_.Issue(whom), "localhost"), "");
  EXPECT_EQ(RefusalOf(*material, PeerRole::kClient, root_.Issue(whom), ""), "invalid");
  whom.uses = "clientAuth";
  EXPECT_EQ(RefusalOf(*material, PeerRole::kServer, root_.Issue(whom), "localhost"), "invalid");
  EXPECT_EQ(RefusalOf(*material, PeerRole::kClient, root_.Issue(whom), ""), "");
}

TEST_F(MaterialTest, AServerMustBeTheOneThatWasCalled) {
  CertificateFor whom;
  whom.name = "cn.internal";
  whom.dns = {"stock.internal", "*.stock.internal"};
  whom.ips = {"10.1.2.3", "::1"};
  const Certificate server = root_.Issue(whom);
  const auto material = Make(bytes_);
  for (const char* const host : {"stock.internal", "STOCK.internal", "a.stock.internal", "10.1.2.3", "::1"}) {
    EXPECT_EQ(RefusalOf(*material, PeerRole::kServer, server, host), "") << host;
  }
  for (const char* const host : {"", "internal", "cn.internal", "a.b.stock.internal", "10.1.2.4", "::2", "stock"}) {
    EXPECT_EQ(RefusalOf(*material, PeerRole::kServer, server, host), "wrong_host") << host;
  }
}

TEST_F(MaterialTest, AListThatIsOutOfDateStillHoldsAndACaWithoutOneRevokesNothing) {
  const TestAuthority other("Other");
  const Certificate revoked = root_.Issue(Service("stock_svc"));
  bytes_.ca += other.pem();
  bytes_.crls = {{"crls/1", root_.RevocationList({revoked}, -absl::Hours(1))}};
  EXPECT_LT(Make(bytes_)->lists_expire(), absl::Now());
  EXPECT_EQ(RefusalOf(revoked), "revoked");
  EXPECT_EQ(RefusalOf(root_.Issue(Service("stock_svc"))), "");
  EXPECT_EQ(RefusalOf(other.Issue(Service("stock_svc"))), "");
}

TEST_F(MaterialTest, BelowAnIntermediateCaThatIsRevokedNobodyIsTrusted) {
  const TestAuthority between("Between", &root_);
  const Certificate client = between.Issue(Service("stock_svc"));
  std::vector<std::string> found;
  EXPECT_EQ(Make(bytes_)->CheckPeer(PeerRole::kClient, client.chain, client.chain, "", &found), nullptr);
  EXPECT_THAT(found, ElementsAre(between.pem()));
  bytes_.crls = {{"crls/1", root_.RevocationList({{.chain = between.pem(), .key = ""}})}};
  EXPECT_EQ(RefusalOf(client), "revoked");
}

TEST_F(MaterialTest, ARefusalSaysWhose) {
  const TestAuthority foreign("Foreign");
  const Certificate peer = foreign.Issue(Service("stock_svc"));
  const auto refusal = Make(bytes_)->CheckPeer(PeerRole::kClient, peer.chain, peer.chain, "");
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->subject, "CN=stock_svc");
  const auto leaf = ReadCertificates(peer.chain);
  EXPECT_EQ(refusal->serial, SerialOf(*leaf->front()));
  EXPECT_EQ(refusal->text, "unable to get local issuer certificate");
}

}  // namespace
}  // namespace unwind
