#include "tests/support/certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/check.h"

namespace unwind {
namespace {

std::string Text(const OpenSsl<BIO>& out) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

std::string PemOfKey(EVP_PKEY* key) {
  const OpenSsl<BIO> out(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Text(out);
}

void SetTime(ASN1_TIME* time, absl::Duration from_now) {
  CHECK(ASN1_TIME_set(time, absl::ToTimeT(absl::Now() + from_now)) != nullptr);
}

void Extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  CHECK(extension != nullptr);
  CHECK(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Of a new key, named and numbered, not signed yet.
OpenSsl<X509> Draft(EVP_PKEY* key, const std::string& name, absl::Duration begins, absl::Duration ends) {
  OpenSsl<X509> made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial | 1);
  SetTime(X509_getm_notBefore(made.get()), begins);
  SetTime(X509_getm_notAfter(made.get()), ends);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(made.get(), key);
  return made;
}

std::string AlternativeNames(const CertificateFor& whom) {
  std::vector<std::string> names;
  if (!whom.uri.empty()) names.push_back(absl::StrCat("URI:", whom.uri));
  for (const std::string& name : whom.dns) names.push_back(absl::StrCat("DNS:", name));
  for (const std::string& address : whom.ips) names.push_back(absl::StrCat("IP:", address));
  return absl::StrJoin(names, ",");
}

// Makes `list` one that is not the full list of its issuer.
void Limit(X509_CRL* list, const std::string& scope) {
  if (scope == "delta") {
    ASN1_INTEGER* const base = ASN1_INTEGER_new();
    ASN1_INTEGER_set(base, 1);
    CHECK(X509_CRL_add1_ext_i2d(list, NID_delta_crl, base, /*crit=*/1, 0) == 1);
    return ASN1_INTEGER_free(base);
  }
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, nullptr, nullptr, list, 0);
  X509_EXTENSION* const point = X509V3_EXT_conf_nid(nullptr, &context, NID_issuing_distribution_point, scope.c_str());
  CHECK(point != nullptr);
  CHECK(X509_CRL_add_ext(list, point, -1) == 1);
  X509_EXTENSION_free(point);
}

}  // namespace

CertificateFor Service(const std::string& identity) {
  CertificateFor whom;
  whom.name = identity;
  whom.uri = absl::StrCat("spiffe://shop.example/ns/prod/sa/", identity);
  return whom;
}

TestAuthority::TestAuthority(const std::string& name, const TestAuthority* parent)
    : parent_(parent), key_(EVP_EC_gen("P-256")) {
  certificate_ = Draft(key_.get(), name, -absl::Hours(24), absl::Hours(24 * 30));
  X509* const issuer = parent == nullptr ? certificate_.get() : parent->certificate_.get();
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(issuer));
  Extend(certificate_.get(), issuer, NID_basic_constraints, "critical,CA:TRUE");
  Extend(certificate_.get(), issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  Extend(certificate_.get(), issuer, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(certificate_.get(), parent == nullptr ? key_.get() : parent->key_.get(), EVP_sha256()) > 0);
}

std::string TestAuthority::pem() const { return PemOf(*certificate_); }

Certificate TestAuthority::Issue(const CertificateFor& whom) const {
  const OpenSsl<EVP_PKEY> key(whom.rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(whom.rsa_bits));
  const OpenSsl<X509> made = Draft(key.get(), whom.name, whom.begins, whom.ends);
  X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
  const std::string names = AlternativeNames(whom);
  if (!names.empty()) Extend(made.get(), certificate_.get(), NID_subject_alt_name, names);
  Extend(made.get(), certificate_.get(), NID_ext_key_usage, whom.uses);
  CHECK(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
  Certificate issued;
  issued.chain = PemOf(*made);
  for (const TestAuthority* each = this; each->parent_ != nullptr; each = each->parent_) issued.chain += each->pem();
  issued.key = PemOfKey(key.get());
  return issued;
}

std::string TestAuthority::RevocationList(const std::vector<Certificate>& revoked, absl::Duration valid,
                                          const std::string& scope) const {
  const OpenSsl<X509_CRL> list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
  ASN1_TIME* const time = ASN1_TIME_new();
  SetTime(time, -absl::Hours(2));
  X509_CRL_set1_lastUpdate(list.get(), time);
  X509_CRL_set1_nextUpdate(list.get(), (SetTime(time, valid), time));
  SetTime(time, -absl::Hours(2));
  for (const Certificate& each : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(ReadCertificates(each.chain)->front().get()));
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(list.get(), entry);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(list.get());
  if (!scope.empty()) Limit(list.get(), scope);
  CHECK(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
  const OpenSsl<BIO> out(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509_CRL(out.get(), list.get()) == 1);
  return Text(out);
}

void WriteFile(const std::string& path, const std::string& bytes) {
  const std::string draft = path + ".new";
  std::ofstream(draft) << bytes;
  CHECK(std::rename(draft.c_str(), path.c_str()) == 0);
}

void WriteSecret(const std::string& path, const std::string& bytes) {
  const mode_t mask = umask(077);
  WriteFile(path, bytes);
  umask(mask);
}

}  // namespace unwind
