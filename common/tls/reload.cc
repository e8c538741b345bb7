#include "common/tls/reload.h"

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

std::string DateOf(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

void LogTaken(const TlsMaterial& material) {
  Log(Severity::kInfo, "TLS files are in use", {{"certificate_expires", DateOf(material.expires())}});
  for (const std::string& warning : material.warnings()) {
    Log(Severity::kWarning, "the TLS files are likely not what was meant", {{"warning", warning}});
  }
  if (material.lists_expire() <= SystemClock().Now()) {
    Log(Severity::kError, "a revocation list is out of date: it still holds, and what was revoked since is unknown",
        {{"next_update", DateOf(material.lists_expire())}});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsReload>> TlsReload::Start(TlsPaths paths, Events events, absl::Duration pause) {
  ASSIGN_OR_RETURN(TlsBytes bytes, ReadTlsFiles(paths));
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsMaterial> material, TlsMaterial::Make(paths, bytes));
  ASSIGN_OR_RETURN(MemoryFile identity, MemoryFile::Create(material->identity_pem()));
  auto reload = std::unique_ptr<TlsReload>(new TlsReload(std::move(paths), std::move(events), std::move(identity)));
  reload->taken_ = std::move(bytes);
  reload->authorities_seen_ = material->authorities();
  LogTaken(*material);
  reload->events_.taken(*material);
  reload->trust_ = std::make_shared<PeerTrust>(std::move(material));
  reload->SayOnceIfExpired();
  reload->repeat_.emplace(pause, [self = reload.get(), pause] {
    self->Look();
    return pause;
  });
  return reload;
}

void TlsReload::Look() {
  const absl::Status status = TakeNew();
  SayOnceIfExpired();
  const std::string why(status.message());
  if (why != refused_) {
    refused_ = why;
    refusal_said_ = false;
    return;
  }
  if (status.ok() || refusal_said_) return;
  refusal_said_ = true;
  Log(Severity::kError, "the TLS files were changed and cannot be used; those read before go on", {{"error", why}});
  events_.refused();
}

absl::Status TlsReload::TakeNew() {
  ASSIGN_OR_RETURN(TlsBytes bytes, ReadTlsFiles(paths_));
  if (bytes == taken_) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::shared_ptr<const TlsMaterial> material, TlsMaterial::Make(paths_, bytes));
  if (const std::string issuer = LosesListOf(*material); !issuer.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls_crl=", paths_.crl, ": holds no list of ", issuer,
                     " any more, and whom that CA has revoked would be let in again; put its list back, or restart to "
                     "go on without it"));
  }
  if (material->identity_pem() != trust_->material()->identity_pem()) {
    RETURN_IF_ERROR(identity_.Put(material->identity_pem()));
  }
  taken_ = std::move(bytes);
  authorities_seen_.insert(material->authorities().begin(), material->authorities().end());
  expiry_said_ = false;
  LogTaken(*material);
  events_.taken(*material);
  trust_->Set(std::move(material));
  return absl::OkStatus();
}

// Returns a CA whose revocation list is in use and is missing from `next`, because the certificates that the CA revoked
// would be accepted again. Empty: none. A CA that was taken out of --tls_ca needs no list: nothing it signed is valid.
std::string TlsReload::LosesListOf(const TlsMaterial& next) const {
  for (const std::string& issuer : trust_->material()->list_issuers()) {
    const bool is_gone = authorities_seen_.contains(issuer) && !next.authorities().contains(issuer);
    if (!is_gone && !next.list_issuers().contains(issuer)) return issuer;
  }
  return "";
}

void TlsReload::SayOnceIfExpired() {
  const absl::Time expires = trust_->material()->expires();
  if (expiry_said_ || SystemClock().Now() < expires) return;
  expiry_said_ = true;
  Log(Severity::kError, "this process's certificate has expired: peers refuse it; replace the file of --tls_cert",
      {{"certificate_expires", DateOf(expires)}});
}

}  // namespace unwind
