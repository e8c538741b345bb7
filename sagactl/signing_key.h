// A private key that signs JSON Web Tokens (RFC 7515).
#ifndef UNWIND_SAGACTL_SIGNING_KEY_H_
#define UNWIND_SAGACTL_SIGNING_KEY_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tls/openssl.h"
#include "nlohmann/json.hpp"

namespace unwind::sagactl {

class SigningKey {
 public:
  // Of PEM: a key on P-256, which signs ES256, or an RSA key of 2,048 bits or more, which signs RS256.
  // INVALID_ARGUMENT: it is neither; the message completes "FILE ".
  static absl::StatusOr<SigningKey> Read(absl::string_view pem);

  // The token of `claims`. Its `kid` is the thumbprint of the key (RFC 7638).
  std::string Sign(const nlohmann::json& claims) const;

  // The public key as a JSON Web Key Set, by which its tokens are verified.
  std::string KeySet() const;

 private:
  SigningKey(OpenSsl<EVP_PKEY> key, nlohmann::json public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}
  bool is_rsa() const { return public_key_.contains("n"); }
  const char* algorithm() const { return is_rsa() ? "RS256" : "ES256"; }
  std::string KeyId() const;
  std::string Signature(const std::string& text) const;

  OpenSsl<EVP_PKEY> key_;
  nlohmann::json public_key_;  // the members that its thumbprint is of
};

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_SIGNING_KEY_H_
