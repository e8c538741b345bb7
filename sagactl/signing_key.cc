#include "sagactl/signing_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"

namespace unwind::sagactl {
namespace {

constexpr int kRsaBitsMin = 2048;
constexpr int kP256Bytes = 32;  // of a coordinate, and of each half of a signature
constexpr char kP256[] = "prime256v1";

struct Free {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string Bytes(const BIGNUM& number, int size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  CHECK(BN_bn2binpad(&number, reinterpret_cast<unsigned char*>(bytes.data()), size) == size);
  return bytes;
}

// A number of the public key; `size`: 0, or the bytes that it is written in.
std::string Number(const EVP_PKEY& key, const char* name, int size) {
  BIGNUM* read = nullptr;
  CHECK(EVP_PKEY_get_bn_param(&key, name, &read) == 1);
  const Owned<BIGNUM> number(read);
  return absl::WebSafeBase64Escape(Bytes(*number, size == 0 ? BN_num_bytes(number.get()) : size));
}

bool IsOnP256(const EVP_PKEY& key) {
  char group[sizeof(kP256) + 1] = {};
  return EVP_PKEY_get_base_id(&key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(&key, group, sizeof(group), nullptr) == 1 && absl::string_view(group) == kP256;
}

absl::StatusOr<nlohmann::json> PublicKey(const EVP_PKEY& key) {
  if (IsOnP256(key)) {
    return nlohmann::json{{"crv", "P-256"},
                          {"kty", "EC"},
                          {"x", Number(key, OSSL_PKEY_PARAM_EC_PUB_X, kP256Bytes)},
                          {"y", Number(key, OSSL_PKEY_PARAM_EC_PUB_Y, kP256Bytes)}};
  }
  if (EVP_PKEY_get_base_id(&key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(&key) >= kRsaBitsMin) {
    return nlohmann::json{
        {"e", Number(key, OSSL_PKEY_PARAM_RSA_E, 0)}, {"kty", "RSA"}, {"n", Number(key, OSSL_PKEY_PARAM_RSA_N, 0)}};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("holds a key that signs no tokens; it must be one on P-256, or RSA of ", kRsaBitsMin,
                   " bits or more; ./run up --secure makes one"));
}

// ES256 has the two numbers one after the other, not as OpenSSL writes them.
std::string OnP256(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const Owned<ECDSA_SIG> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  CHECK(signature != nullptr);
  return absl::StrCat(Bytes(*ECDSA_SIG_get0_r(signature.get()), kP256Bytes),
                      Bytes(*ECDSA_SIG_get0_s(signature.get()), kP256Bytes));
}

}  // namespace

absl::StatusOr<SigningKey> SigningKey::Read(absl::string_view pem) {
  ASSIGN_OR_RETURN(OpenSsl<EVP_PKEY> key, ReadPrivateKey(pem));
  ASSIGN_OR_RETURN(nlohmann::json public_key, PublicKey(*key));
  return SigningKey(std::move(key), std::move(public_key));
}

// Of the members in the order of their names and without spaces, as nlohmann::json writes them.
std::string SigningKey::KeyId() const {
  return absl::WebSafeBase64Escape(absl::HexStringToBytes(HexSha256(public_key_.dump())));
}

std::string SigningKey::KeySet() const {
  nlohmann::json key = public_key_;
  key["alg"] = algorithm();
  key["kid"] = KeyId();
  key["use"] = "sig";
  return nlohmann::json{{"keys", {key}}}.dump();
}

std::string SigningKey::Sign(const nlohmann::json& claims) const {
  const nlohmann::json header = {{"alg", algorithm()}, {"kid", KeyId()}, {"typ", "JWT"}};
  const std::string text =
      absl::StrCat(absl::WebSafeBase64Escape(header.dump()), ".", absl::WebSafeBase64Escape(claims.dump()));
  return absl::StrCat(text, ".", absl::WebSafeBase64Escape(Signature(text)));
}

std::string SigningKey::Signature(const std::string& text) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  CHECK(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  auto* const into = reinterpret_cast<unsigned char*>(signature.data());
  CHECK(EVP_DigestSign(context.get(), into, &size, bytes, text.size()) == 1);
  signature.resize(size);
  return is_rsa() ? signature : OnP256(signature);
}

}  // namespace unwind::sagactl
