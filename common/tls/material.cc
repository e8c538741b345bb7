#include "common/tls/material.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace unwind {
namespace {

constexpr int kSecurityLevel = 2;  // of OpenSSL: no RSA key below 2048 bits, no SHA-1

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

const char* ReasonOf(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "not_yet_valid";
    case X509_V_ERR_CERT_REVOKED:
      return "revoked";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return "untrusted";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "wrong_host";
    default:
      return "invalid";
  }
}

// A CA without a list revokes nothing, and a list that is out of date still revokes what it did: a publisher of lists
// that fails must not stop every service.
int PassOverMissingLists(int good, X509_STORE_CTX* check) {
  const int error = X509_STORE_CTX_get_error(check);
  const bool of_lists = error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_CRL_HAS_EXPIRED ||
                        error == X509_V_ERR_CRL_NOT_YET_VALID;
  return of_lists ? 1 : good;
}

std::unique_ptr<PeerRefusal> Refuse(const char* reason, std::string text, const X509* certificate) {
  auto refusal = std::make_unique<PeerRefusal>();
  refusal->reason = reason;
  refusal->text = std::move(text);
  if (certificate != nullptr) {
    refusal->subject = TextOf(X509_get_subject_name(certificate));
    refusal->serial = SerialOf(*certificate);
  }
  return refusal;
}

// Whether it can be asked for `host`.
bool ExpectHost(X509_VERIFY_PARAM* rules, const std::string& host) {
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1) return true;
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return !host.empty() && X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1;
}

// Of a list that OpenSSL's check, as it is used here, passes over or cannot read. Null: of a full list.
const char* WhatCannotBeApplied(X509_CRL& list) {
  if (X509_CRL_get_ext_by_NID(&list, NID_delta_crl, -1) >= 0) return "holds only what has changed (a delta)";
  for (int i = 0; i < X509_CRL_get_ext_count(&list); ++i) {
    X509_EXTENSION* const each = X509_CRL_get_ext(&list, i);
    const int kind = OBJ_obj2nid(X509_EXTENSION_get_object(each));
    const bool is_known = kind == NID_issuing_distribution_point || kind == NID_authority_key_identifier;
    if (X509_EXTENSION_get_critical(each) == 1 && !is_known) {
      return "has a critical extension that OpenSSL does not know";
    }
  }
  struct FreeScope {
    void operator()(ISSUING_DIST_POINT* scope) const { ISSUING_DIST_POINT_free(scope); }
  };
  int found = 0;
  const std::unique_ptr<ISSUING_DIST_POINT, FreeScope> scope(
      static_cast<ISSUING_DIST_POINT*>(X509_CRL_get_ext_d2i(&list, NID_issuing_distribution_point, &found, nullptr)));
  if (scope == nullptr) return found == -1 ? nullptr : "has an issuing distribution point that cannot be read";
  if (scope->onlysomereasons != nullptr) return "holds only some reasons (onlySomeReasons)";
  if (scope->indirectCRL > 0) return "is of another issuer's certificates too (indirectCRL)";
  if (scope->onlyattr > 0) return "is of attribute certificates (onlyContainsAttributeCerts)";
  return nullptr;
}

// The chain that was found ends with a certificate of --tls_ca.
std::vector<std::string> Between(X509_STORE_CTX* check) {
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(check);
  std::vector<std::string> between;
  for (int i = 1; i + 1 < sk_X509_num(chain); ++i) between.push_back(PemOf(*sk_X509_value(chain, i)));
  return between;
}

}  // namespace

std::unique_ptr<PeerRefusal> TlsMaterial::CheckPeer(PeerRole role, absl::string_view certificate,
                                                    absl::string_view chain, const std::string& host,
                                                    std::vector<std::string>* between) const {
  return Check(role, certificate, chain, role == PeerRole::kServer ? &host : nullptr, between);
}

std::unique_ptr<PeerRefusal> TlsMaterial::Check(PeerRole role, absl::string_view certificate, absl::string_view chain,
                                                const std::string* host, std::vector<std::string>* between) const {
  const absl::StatusOr<std::vector<OpenSsl<X509>>> own = ReadCertificates(certificate);
  if (!own.ok()) return Refuse("invalid", absl::StrCat("the certificate ", own.status().message()), nullptr);
  X509* const leaf = own->front().get();
  const absl::StatusOr<std::vector<OpenSsl<X509>>> sent = ReadCertificates(chain);  // an error: nothing was sent
  const std::unique_ptr<STACK_OF(X509), FreeStack> stack(sk_X509_new_null());
  if (sent.ok()) {
    for (const OpenSsl<X509>& each : *sent) sk_X509_push(stack.get(), each.get());
  }
  const OpenSsl<X509_STORE_CTX> check(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(check.get(), trusted_.get(), leaf, stack.get()) != 1) {
    return Refuse("invalid", LastOpenSslError(), leaf);
  }
  if (X509_STORE_CTX_set_default(check.get(), role == PeerRole::kClient ? "ssl_client" : "ssl_server") != 1) {
    return Refuse("invalid", LastOpenSslError(), leaf);  // it would be good for every use
  }
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
  if (host != nullptr && !ExpectHost(rules, *host)) return Refuse("wrong_host", "there is no host to expect", leaf);
  const bool good = X509_verify_cert(check.get()) == 1;
  const int error = X509_STORE_CTX_get_error(check.get());
  LastOpenSslError();  // leaves nothing to the next user of this thread
  if (good && between != nullptr) *between = Between(check.get());
  if (good) return nullptr;
  return Refuse(ReasonOf(error), X509_verify_cert_error_string(error), leaf);
}

// Fills one TlsMaterial and collects what is wrong with it.
class MaterialCheck {
 public:
  MaterialCheck(const TlsPaths& paths, const TlsBytes& bytes, std::unique_ptr<TlsMaterial> made)
      : paths_(paths), bytes_(bytes), made_(std::move(made)) {}

  absl::StatusOr<std::shared_ptr<const TlsMaterial>> Run() {
    TakeIdentity();
    TakeAuthorities();
    for (const auto& [path, text] : bytes_.crls) TakeLists(path, text);
    if (!paths_.crl.empty() && bytes_.crls.empty()) Complain("tls_crl", paths_.crl, "holds no file");
    if (!errors_.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    Warn();
    return std::shared_ptr<const TlsMaterial>(std::move(made_));
  }

 private:
  void Complain(absl::string_view flag, const std::string& path, absl::string_view what) {
    errors_.push_back(absl::StrCat("--", flag, "=", path, ": ", what));
  }

  // As gRPC will do it, so that it cannot refuse later what was good here.
  void TakeIdentity() {
    const absl::StatusOr<std::vector<OpenSsl<X509>>> chain = ReadCertificates(bytes_.cert);
    const absl::StatusOr<OpenSsl<EVP_PKEY>> key = ReadPrivateKey(bytes_.key);
    if (!chain.ok()) Complain("tls_cert", paths_.cert, chain.status().message());
    if (!key.ok()) Complain("tls_key", paths_.key, key.status().message());
    if (!chain.ok()) return;
    const std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_method()));
    X509* const own = chain->front().get();
    if (SSL_CTX_use_certificate(context.get(), own) != 1) {
      return Complain("tls_cert", paths_.cert, absl::StrCat("cannot be used (", LastOpenSslError(), ")"));
    }
    if (!key.ok()) return;
    if (X509_check_private_key(own, key->get()) != 1) {
      LastOpenSslError();
      return Complain("tls_key", paths_.key,
                      absl::StrCat("is not the key of the certificate in --tls_cert=", paths_.cert));
    }
    if (SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1) {
      return Complain("tls_key", paths_.key, absl::StrCat("cannot be used (", LastOpenSslError(), ")"));
    }
    made_->identity_pem_ = absl::StrCat(bytes_.key, "\n", bytes_.cert);
    made_->begins_ = TimeOf(X509_get0_notBefore(own));
    made_->expires_ = TimeOf(X509_get0_notAfter(own));
  }

  void TakeAuthorities() {
    absl::StatusOr<std::vector<OpenSsl<X509>>> all = ReadCertificates(bytes_.ca);
    if (!all.ok()) return Complain("tls_ca", paths_.ca, all.status().message());
    authorities_ = *std::move(all);
    for (const OpenSsl<X509>& each : authorities_) {
      if (X509_check_ca(each.get()) == 0) {
        Complain("tls_ca", paths_.ca,
                 absl::StrCat("the certificate of ", TextOf(X509_get_subject_name(each.get())), " is no CA's"));
      }
      X509_STORE_add_cert(made_->trusted_.get(), each.get());
      made_->authorities_.insert(TextOf(X509_get_subject_name(each.get())));
    }
  }

  void TakeLists(const std::string& path, const std::string& text) {
    const absl::StatusOr<std::vector<OpenSsl<X509_CRL>>> lists = ReadRevocationLists(text);
    if (!lists.ok()) return Complain("tls_crl", path, lists.status().message());
    for (const OpenSsl<X509_CRL>& list : *lists) TakeList(path, *list);
  }

  void TakeList(const std::string& path, X509_CRL& list) {
    const X509_NAME* const issuer = X509_CRL_get_issuer(&list);
    if (const char* const what = WhatCannotBeApplied(list); what != nullptr) {
      return Complain("tls_crl", path,
                      absl::StrCat("the list of ", TextOf(issuer), " ", what,
                                   ", and so would revoke nothing; give that CA's full list"));
    }
    bool known = false, is_signed = false;
    for (const OpenSsl<X509>& each : authorities_) {
      if (X509_NAME_cmp(X509_get_subject_name(each.get()), issuer) != 0) continue;
      known = true;
      is_signed = is_signed || X509_CRL_verify(&list, X509_get0_pubkey(each.get())) == 1;
    }
    LastOpenSslError();
    if (known && !is_signed) {
      return Complain("tls_crl", path, absl::StrCat("the list of ", TextOf(issuer), " is not signed by that CA's key"));
    }
    if (!known) {
      made_->warnings_.push_back(absl::StrCat("--tls_crl=", path, ": the CA ", TextOf(issuer), " is not in --tls_ca=",
                                              paths_.ca, "; its list counts only in chains that hold it"));
    }
    made_->list_issuers_.insert(TextOf(issuer));
    made_->lists_expire_ = std::min(made_->lists_expire_, TimeOf(X509_CRL_get0_nextUpdate(&list)));
    X509_STORE* const trusted = made_->trusted_.get();
    X509_STORE_add_crl(trusted, &list);  // which counts a reference
    X509_STORE_set_flags(trusted, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_set_verify_cb(trusted, PassOverMissingLists);
  }

  // That it is expired is said where it is used (see expires).
  void Warn() {
    for (const PeerRole role : {PeerRole::kServer, PeerRole::kClient}) {
      const auto refusal = made_->Check(role, bytes_.cert, bytes_.cert, nullptr, nullptr);
      if (refusal == nullptr || refusal->reason == absl::string_view("expired")) continue;
      made_->warnings_.push_back(absl::StrCat("--tls_cert=", paths_.cert, ": a peer with the same --tls_ca will ",
                                              "refuse it as a ", role == PeerRole::kServer ? "server" : "client", ": ",
                                              refusal->text));
    }
  }

  const TlsPaths& paths_;
  const TlsBytes& bytes_;
  std::unique_ptr<TlsMaterial> made_;
  std::vector<OpenSsl<X509>> authorities_;
  std::vector<std::string> errors_;
};

absl::StatusOr<std::shared_ptr<const TlsMaterial>> TlsMaterial::Make(const TlsPaths& paths, const TlsBytes& bytes) {
  auto made = std::unique_ptr<TlsMaterial>(new TlsMaterial);
  made->trusted_ = OpenSsl<X509_STORE>(X509_STORE_new());
  return MaterialCheck(paths, bytes, std::move(made)).Run();
}

}  // namespace unwind
