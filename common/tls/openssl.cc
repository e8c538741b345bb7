#include "common/tls/openssl.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstddef>
#include <ctime>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace unwind {
namespace {

constexpr std::size_t kNameBytesMax = 256;

OpenSsl<BIO> Reader(absl::string_view bytes) {
  return OpenSsl<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string Written(BIO& out) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(&out, &bytes);
  return std::string(bytes, static_cast<std::size_t>(size < 0 ? 0 : size));
}

// In place of OpenSSL's own, which would ask at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// Whether the last read ended because the text did.
bool NoMoreBlocks() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

template <class T>
absl::StatusOr<std::vector<OpenSsl<T>>> ReadAll(absl::string_view pem, absl::string_view what, absl::string_view label,
                                                T* (*read)(BIO*, T**, pem_password_cb*, void*)) {
  const OpenSsl<BIO> text = Reader(pem);
  std::vector<OpenSsl<T>> all;
  ERR_clear_error();
  for (;;) {
    OpenSsl<T> one(read(text.get(), nullptr, NoPassword, nullptr));
    if (one == nullptr) break;
    all.push_back(std::move(one));
  }
  if (!NoMoreBlocks()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " ", all.size() + 1, " in it is damaged (", LastOpenSslError(), ")"));
  }
  ERR_clear_error();
  if (all.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("holds no ", what, "; it must be PEM text with -----BEGIN ", label, "-----"));
  }
  return all;
}

}  // namespace

std::string LastOpenSslError() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = ERR_reason_error_string(error);
  return reason == nullptr ? "no reason given" : reason;
}

absl::StatusOr<std::vector<OpenSsl<X509>>> ReadCertificates(absl::string_view pem) {
  return ReadAll<X509>(pem, "certificate", "CERTIFICATE", PEM_read_bio_X509);
}

absl::StatusOr<std::vector<OpenSsl<X509_CRL>>> ReadRevocationLists(absl::string_view pem) {
  return ReadAll<X509_CRL>(pem, "revocation list", "X509 CRL", PEM_read_bio_X509_CRL);
}

absl::StatusOr<OpenSsl<EVP_PKEY>> ReadPrivateKey(absl::string_view pem) {
  const OpenSsl<BIO> text = Reader(pem);
  ERR_clear_error();
  OpenSsl<EVP_PKEY> key(PEM_read_bio_PrivateKey(text.get(), nullptr, NoPassword, nullptr));
  if (key != nullptr) return key;
  const std::string error = LastOpenSslError();
  if (absl::StrContains(pem, "ENCRYPTED")) {
    return absl::InvalidArgumentError(
        "holds an encrypted key; decrypt it (openssl pkey -in FILE -out FILE) and guard the file by its mode");
  }
  if (!absl::StrContains(pem, "PRIVATE KEY-----")) {
    return absl::InvalidArgumentError(
        "holds no private key; it must be PEM text with -----BEGIN PRIVATE KEY-----, or EC or RSA before PRIVATE");
  }
  return absl::InvalidArgumentError(absl::StrCat("the private key in it is damaged (", error, ")"));
}

std::string PemOf(const X509& certificate) {
  const OpenSsl<BIO> out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), &certificate);
  return Written(*out);
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfiniteFuture();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string TextOf(const X509_NAME* name) {
  const OpenSsl<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  return Written(*out).substr(0, kNameBytesMax);
}

std::string SerialOf(const X509& certificate) {
  BIGNUM* const number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr);
  char* const hex = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  return text;
}

}  // namespace unwind
