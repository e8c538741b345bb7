#include "common/rpc/credentials.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/target.h"
#include "common/metrics/registry.h"
#include "common/tls/reload.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"

ABSL_FLAG(
    std::string, tls_cert, "",
    "PEM file of this process's certificate, which it shows as a server and as a client, and of those between it "
    "and its CA. With --tls_key and --tls_ca every gRPC port and channel is mutual TLS. Read again when changed.");
ABSL_FLAG(std::string, tls_key, "",
          "PEM file of the certificate's private key, not encrypted. Read again when changed.");
ABSL_FLAG(std::string, tls_ca, "",
          "PEM file of the certificates of the CAs that sign those of peers. Read again when changed.");
ABSL_FLAG(std::string, tls_crl, "",
          "PEM file of revocation lists, or a directory of such files, whatever their names; the certificates on them "
          "are refused. Read again when changed.");
ABSL_FLAG(bool, insecure, false,
          "Whether to speak plaintext with other machines. Any that reaches this process may call everything.");

namespace unwind {
namespace {

constexpr unsigned kWatchSeconds = 1;  // how soon gRPC takes a certificate that was replaced

// Counters are there from the start, so that an alert can ask for an increase.
class TlsMetrics {
 public:
  TlsMetrics()
      : start_(prometheus::BuildGauge()
                   .Name("tls_certificate_start_timestamp_seconds")
                   .Help("From when this process's certificate holds.")
                   .Register(*ProcessRegistry())
                   .Add({})),
        expiry_(prometheus::BuildGauge()
                    .Name("tls_certificate_expiry_timestamp_seconds")
                    .Help("When this process's certificate expires.")
                    .Register(*ProcessRegistry())
                    .Add({})),
        reloads_(prometheus::BuildCounter()
                     .Name("tls_reloads_total")
                     .Help("Changes of the TLS files that were taken, the first reading too, or refused.")
                     .Register(*ProcessRegistry())),
        refusals_(prometheus::BuildCounter()
                      .Name("tls_peers_refused_total")
                      .Help("Connections to whose peer's certificate was refused, by the peer's role and the reason.")
                      .Register(*ProcessRegistry())),
        taken_(reloads_.Add({{"result", "taken"}})),
        refused_(reloads_.Add({{"result", "refused"}})) {
    for (const char* const reason : kPeerRefusals) {
      if (reason != absl::string_view("wrong_host")) Refusals(PeerRole::kClient, reason);
      Refusals(PeerRole::kServer, reason);
    }
  }

  TlsReload::Events Events() {
    const auto taken = [this](const TlsMaterial& material) {
      start_.Set(static_cast<double>(absl::ToUnixSeconds(material.begins())));
      expiry_.Set(static_cast<double>(absl::ToUnixSeconds(material.expires())));
      taken_.Increment();
    };
    return {.taken = taken, .refused = [this] { refused_.Increment(); }};
  }

  prometheus::Counter& Refusals(PeerRole peer, const std::string& reason) {
    return refusals_.Add({{"peer", peer == PeerRole::kClient ? "client" : "server"}, {"reason", reason}});
  }

 private:
  prometheus::Gauge& start_;
  prometheus::Gauge& expiry_;
  prometheus::Family<prometheus::Counter>& reloads_;
  prometheus::Family<prometheus::Counter>& refusals_;
  prometheus::Counter& taken_;
  prometheus::Counter& refused_;
};

TlsMetrics& Metrics() {
  static auto* const metrics = new TlsMetrics;
  return *metrics;
}

std::string TextOf(const grpc::string_ref& text) { return std::string(text.data(), text.size()); }

// Called by gRPC after each handshake, in which the peer proved to own the key of its certificate. gRPC 1.51 would
// check the certificate itself, but says of no refusal why, and reads revocation lists and CAs once for each
// certificate.
class PeerVerifier final : public grpc::experimental::ExternalCertificateVerifier {
 public:
  PeerVerifier(PeerRole peer, std::shared_ptr<PeerTrust> trust) : peer_(peer), trust_(std::move(trust)) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* result) override {
    const std::string host = TextOf(request->target_name());
    const auto refusal =
        trust_->Check(peer_, TextOf(request->peer_cert()), TextOf(request->peer_cert_full_chain()), host);
    if (refusal == nullptr) {
      *result = grpc::Status::OK;
      return true;
    }
    Metrics().Refusals(peer_, refusal->reason).Increment();
    Log(Severity::kWarning, "a peer's certificate was refused",
        {{"peer", peer_ == PeerRole::kClient ? "client" : "server"},
         {"reason", refusal->reason},
         {"error", refusal->text},
         {"host", host},
         {"subject", refusal->subject},
         {"serial", refusal->serial}});
    *result = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, refusal->text);
    return true;
  }

  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const PeerRole peer_;
  const std::shared_ptr<PeerTrust> trust_;
};

std::shared_ptr<grpc::experimental::CertificateVerifier> NewVerifier(PeerRole peer, const TlsReload& reload) {
  return grpc::experimental::ExternalCertificateVerifier::Create<PeerVerifier>(peer, reload.trust());
}

using Provider = std::shared_ptr<grpc::experimental::CertificateProviderInterface>;

std::shared_ptr<grpc::ServerCredentials> NewServerCredentials(const Provider& provider, const TlsReload& reload) {
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);  // the verifier does
  options.set_certificate_verifier(NewVerifier(PeerRole::kClient, reload));
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> NewChannelCredentials(const Provider& provider, const TlsReload& reload) {
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(false);  // the verifier does
  options.set_check_call_host(false);      // likewise, and no call names another host than its channel
  options.set_certificate_verifier(NewVerifier(PeerRole::kServer, reload));
  return grpc::experimental::TlsCredentials(options);
}

// Of the Transport that is there. Null: plaintext.
struct InUse {
  std::shared_ptr<grpc::ServerCredentials> server;
  std::shared_ptr<grpc::ChannelCredentials> channel;
};

InUse& CredentialsInUse() {
  static auto* const in_use = new InUse;
  return *in_use;
}

TlsPaths PathsFromFlags() {
  return {.cert = absl::GetFlag(FLAGS_tls_cert),
          .key = absl::GetFlag(FLAGS_tls_key),
          .ca = absl::GetFlag(FLAGS_tls_ca),
          .crl = absl::GetFlag(FLAGS_tls_crl)};
}

bool IsTls(const TlsPaths& paths) {
  return !paths.cert.empty() || !paths.key.empty() || !paths.ca.empty() || !paths.crl.empty();
}

absl::Status CheckFlags(const TlsPaths& paths) {
  std::vector<std::string> errors;
  for (const auto& [flag, value] :
       {std::pair<const char*, std::string>("tls_cert", paths.cert), {"tls_key", paths.key}, {"tls_ca", paths.ca}}) {
    if (value.empty())
      errors.push_back(absl::StrCat("--", flag,
                                    ": is not given, and TLS needs all of --tls_cert, "
                                    "--tls_key and --tls_ca; for plaintext give no --tls_ flag"));
  }
  if (absl::GetFlag(FLAGS_insecure))
    errors.push_back("--insecure: contradicts the --tls_ flags; leave one of them out");
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Start() {
  auto transport = std::unique_ptr<Transport>(new Transport);
  TlsPaths paths = PathsFromFlags();
  if (!IsTls(paths)) return transport;
  RETURN_IF_ERROR(CheckFlags(paths));
  ASSIGN_OR_RETURN(transport->reload_, TlsReload::Start(std::move(paths), Metrics().Events()));
  const TlsReload& reload = *transport->reload_;
  const std::string identity = reload.identity_path();
  const Provider provider =
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(identity, identity, kWatchSeconds);
  InUse& in_use = CredentialsInUse();
  CHECK(in_use.server == nullptr);
  in_use.server = NewServerCredentials(provider, reload);
  in_use.channel = NewChannelCredentials(provider, reload);
  return transport;
}

Transport::~Transport() { CredentialsInUse() = {}; }

absl::Status Transport::CheckReach(const std::vector<std::string>& flags) {
  if (flags.empty() || absl::GetFlag(FLAGS_insecure) || SpeaksTls()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(flags, " and "),
                   " would serve plaintext to other machines, which may then call "
                   "everything: give --tls_cert, --tls_key and --tls_ca, or an address of loopback, or --insecure if "
                   "something else keeps strangers out"));
}

absl::Status Transport::CheckTargetOf(absl::string_view flag, absl::string_view target) {
  if (absl::GetFlag(FLAGS_insecure) || SpeaksTls() || IsLoopbackTarget(target)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--", flag, ": calls to ", target,
                   " would cross the network in plaintext: give --tls_cert, --tls_key and --tls_ca, or an address of "
                   "loopback, or --insecure if something else keeps strangers out"));
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentials() {
  CHECK(CredentialsInUse().server != nullptr || !IsTls(PathsFromFlags()));
  return CredentialsInUse().server != nullptr ? CredentialsInUse().server : PlaintextServerCredentials();
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials() {
  CHECK(CredentialsInUse().channel != nullptr || !IsTls(PathsFromFlags()));
  return CredentialsInUse().channel != nullptr ? CredentialsInUse().channel : PlaintextChannelCredentials();
}

std::shared_ptr<grpc::ChannelCredentials> PlaintextChannelCredentials() { return grpc::InsecureChannelCredentials(); }

bool SpeaksTls() { return CredentialsInUse().server != nullptr; }

std::shared_ptr<grpc::ServerCredentials> PlaintextServerCredentials() { return grpc::InsecureServerCredentials(); }

}  // namespace unwind
