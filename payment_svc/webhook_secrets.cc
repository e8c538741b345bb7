#include "payment_svc/webhook_secrets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/base/hmac.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace unwind::payment {
namespace {

constexpr absl::string_view kFlag = "webhook_secret_files";

std::vector<std::string> Split(const std::string& files) {
  if (files.empty()) return {};
  return absl::StrSplit(files, ',');
}

}  // namespace

absl::Status CheckSecretFiles(const std::string& files) {
  const std::vector<std::string> paths = Split(files);
  if (paths.size() <= kSecretFilesMax && std::count(paths.begin(), paths.end(), "") == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("must be one file, or two with a comma between them");
}

absl::StatusOr<std::unique_ptr<WebhookSecrets>> WebhookSecrets::Open(const std::string& files, absl::Duration pause) {
  std::unique_ptr<WebhookSecrets> secrets(new WebhookSecrets(Split(files)));
  ASSIGN_OR_RETURN(secrets->secrets_, secrets->Read());
  if (secrets->files_.empty()) return secrets;
  secrets->reloading_ = std::make_unique<Repeat>(pause, [raw = secrets.get(), pause] {
    raw->Reload();
    return pause;
  });
  return secrets;
}

std::vector<std::string> WebhookSecrets::Get() const {
  std::lock_guard lock(mutex_);
  return secrets_;
}

void WebhookSecrets::Reload() {
  absl::StatusOr<std::vector<std::string>> read = Read();
  if (!read.ok()) {
    Log(Severity::kWarning, "the secrets of webhooks were not read again, and stay as they are",
        {{"error", read.status().message()}});
    return;
  }
  std::lock_guard lock(mutex_);
  secrets_ = *std::move(read);
}

absl::StatusOr<std::vector<std::string>> WebhookSecrets::Read() const {
  std::vector<std::string> secrets;
  for (const std::string& file : files_) {
    ASSIGN_OR_RETURN(std::string secret, ReadSecretFile(kFlag, file));
    secrets.push_back(std::move(secret));
  }
  return secrets;
}

}  // namespace unwind::payment
