// sagactl token: what it signs, and what it refuses.
#include <openssl/ec.h>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "sagactl/command_line.h"
#include "sagactl/signing_key.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace unwind::sagactl {
namespace {

using testing::HasSubstr;

struct Ran {
  Exit exit = kDone;
  std::string out, err;
};

Ran RunToken(const std::vector<std::string>& words) {
  std::vector<const char*> argv = {"sagactl", "token"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::istringstream in;
  std::ostringstream out, err;
  CommandLine line;
  Ran ran;
  ran.exit = line.Parse(static_cast<int>(argv.size()), argv.data(), out, err);
  if (ran.exit == kDone && line.command) {
    Session session{.stub = nullptr,
                    .nudges = nullptr,
                    .in = in,
                    .out = out,
                    .err = err,
                    .json = line.json,
                    .actor = "",
                    .zone = {}};
    const absl::Status status = line.command(session);
    err << Complaint(status, "nobody");
    ran.exit = ExitOf(status);
  }
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

std::string Decoded(const std::string& text) {
  std::string bytes;
  EXPECT_TRUE(absl::WebSafeBase64Unescape(text, &bytes)) << text;
  return bytes;
}

// Of a token: its header and its claims.
std::vector<nlohmann::json> PartsOf(const std::string& token) {
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  EXPECT_EQ(parts.size(), 3u);
  return {nlohmann::json::parse(Decoded(parts.at(0))), nlohmann::json::parse(Decoded(parts.at(1)))};
}

// By OpenSSL alone. ES256 has two numbers, which OpenSSL takes as DER.
bool IsSignedBy(const std::string& pem, const std::string& token) {
  const std::size_t dot = token.rfind('.');
  std::string signature = Decoded(token.substr(dot + 1));
  const auto key = ReadPrivateKey(pem);
  if (EVP_PKEY_get_base_id(key->get()) == EVP_PKEY_EC) {
    const auto* const at = reinterpret_cast<const unsigned char*>(signature.data());
    ECDSA_SIG* const pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(at, 32, nullptr), BN_bin2bn(at + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair, &der);
    signature.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
  }
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key->get());
  const bool holds = EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                                      signature.size(), reinterpret_cast<const unsigned char*>(token.data()), dot) == 1;
  EVP_MD_CTX_free(context);
  return holds;
}

class TokenTest : public testing::Test {
 protected:
  // The path of a file that has a key: of P-256, or RSA of so many bits.
  std::string KeyFile(unsigned rsa_bits = 0) {
    CertificateFor whom = Service("identity_provider");
    whom.rsa_bits = rsa_bits;
    pem_ = authority_.Issue(whom).key;
    return FileWith(pem_);
  }

  std::string FileWith(const std::string& text) {
    const std::string path = dir_.File("key");
    WriteSecret(path, text);
    return path;
  }

  // It is called wrongly, and says why.
  static void ExpectUsage(const std::vector<std::string>& words, const std::string& why) {
    const Ran ran = RunToken(words);
    EXPECT_EQ(ran.exit, kUsage) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(why));
    EXPECT_EQ(ran.out, "");
  }

  const TestAuthority authority_{"CA"};
  const TempDir dir_;
  std::string pem_;
};

TEST_F(TokenTest, SaysWhoBuysForWhomAndUntilWhen) {
  for (const unsigned rsa_bits : {0u, 2048u}) {
    const std::string file = KeyFile(rsa_bits);
    const std::int64_t before = absl::ToUnixSeconds(absl::Now());
    const Ran ran = RunToken({"--member", "minsu", "--key", file});
    ASSERT_EQ(ran.exit, kDone) << ran.err;
    ASSERT_EQ(ran.out.back(), '\n');
    const std::string token = ran.out.substr(0, ran.out.size() - 1);
    EXPECT_TRUE(IsSignedBy(pem_, token));
    const auto parts = PartsOf(token);
    EXPECT_EQ(parts[0]["alg"], rsa_bits == 0 ? "ES256" : "RS256");
    EXPECT_EQ(parts[1]["sub"], "minsu");
    EXPECT_EQ(parts[1]["aud"], "shop");
    EXPECT_EQ(parts[1]["iss"], "https://identity.shop.example");
    EXPECT_EQ(parts[1]["exp"].get<std::int64_t>() - parts[1]["iat"].get<std::int64_t>(), 900);
    EXPECT_GE(parts[1]["iat"], before);
    // By its key set a verifier finds the key.
    const auto key = nlohmann::json::parse(SigningKey::Read(pem_)->KeySet())["keys"].at(0);
    EXPECT_EQ(key["kid"], parts[0]["kid"]);
    EXPECT_EQ(key["alg"], parts[0]["alg"]);
    EXPECT_FALSE(key.contains("d"));
  }
}

TEST_F(TokenTest, TakesOtherWords) {
  const Ran ran = RunToken({"--member=m-1_A", absl::StrCat("--key=", KeyFile()), "--audience=a", "--issuer=i",
                            "--expires_in=1h30m", "--json"});
  ASSERT_EQ(ran.exit, kDone) << ran.err;
  const auto parts = PartsOf(nlohmann::json::parse(ran.out)["token"]);
  EXPECT_EQ(parts[1]["sub"], "m-1_A");
  EXPECT_EQ(parts[1]["aud"], "a");
  EXPECT_EQ(parts[1]["iss"], "i");
  EXPECT_EQ(parts[1]["exp"].get<std::int64_t>() - parts[1]["iat"].get<std::int64_t>(), 5400);
}

// As RFC 7638 writes what it is of.
TEST_F(TokenTest, AKeyIsNamedByItsThumbprint) {
  KeyFile();
  const auto key = nlohmann::json::parse(SigningKey::Read(pem_)->KeySet())["keys"].at(0);
  const std::string text = absl::StrCat("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"", key["x"].get<std::string>(),
                                        "\",\"y\":\"", key["y"].get<std::string>(), "\"}");
  EXPECT_EQ(key["kid"], absl::WebSafeBase64Escape(absl::HexStringToBytes(HexSha256(text))));
}

TEST_F(TokenTest, WhatIsWrongIsNamed) {
  const std::string key = KeyFile();
  ExpectUsage({"--key", key}, "--member is required");
  ExpectUsage({"--member", "m"}, "--key is required");
  for (const std::string& member : {std::string("min su"), std::string("m\n"), std::string(65, 'm')}) {
    ExpectUsage({absl::StrCat("--member=", member), "--key", key}, "must match [A-Za-z0-9_-]{1,64}");
  }
  for (const char* length : {"0s", "-1m", "25h", "soon"}) {
    ExpectUsage({"--member=m", "--key", key, absl::StrCat("--expires_in=", length)},
                "must be a duration of 1s to 24h, such as 15m");
  }
  ExpectUsage({"--member=m", "--key", key, "--audience=a b"}, "--audience=a b must be printable ASCII without spaces");
  ExpectUsage({"--member", "", "--key", key}, "--member");
  ExpectUsage({"--member=m", "--key", key, "--issuer=a b"}, "--issuer=a b must be printable ASCII without spaces");
}

TEST_F(TokenTest, AFileThatHasNoSuchKeyIsNamed) {
  ExpectUsage({"--member=m", "--key=/none/key"}, "--key=/none/key cannot be read");
  ExpectUsage({"--member=m", "--key", FileWith("")}, "holds no private key");
  ExpectUsage({"--member=m", "--key", FileWith(authority_.pem())}, "holds no private key");
  ExpectUsage({"--member=m", "--key", KeyFile(1024)}, "holds a key that signs no tokens");
  ExpectUsage({"--member=m", "--key", dir_.path()}, "cannot be read");
}

}  // namespace
}  // namespace unwind::sagactl
