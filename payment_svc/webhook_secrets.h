// The secrets under which webhooks are signed: the files may be changed while the process runs.
#ifndef UNWIND_PAYMENT_SVC_WEBHOOK_SECRETS_H_
#define UNWIND_PAYMENT_SVC_WEBHOOK_SECRETS_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/repeat.h"

namespace unwind::payment {

inline constexpr std::size_t kSecretFilesMax = 2;  // the secret, and during a rotation the one before or after

// OK, or INVALID_ARGUMENT, one sentence: not one or two files, comma-separated; or none at all.
absl::Status CheckSecretFiles(const std::string& files);

// Thread-safe.
class WebhookSecrets {
 public:
  // Reads `files`, as CheckSecretFiles takes them, and again each `pause`. What cannot be read then leaves those that
  // are known, with a warning.
  static absl::StatusOr<std::unique_ptr<WebhookSecrets>> Open(const std::string& files,
                                                              absl::Duration pause = absl::Seconds(5));

  // Empty: there are no files, and nothing is signed.
  std::vector<std::string> Get() const;

  // Now.
  void Reload();

 private:
  explicit WebhookSecrets(std::vector<std::string> files) : files_(std::move(files)) {}
  absl::StatusOr<std::vector<std::string>> Read() const;

  const std::vector<std::string> files_;
  mutable std::mutex mutex_;
  std::vector<std::string> secrets_;   // guarded by mutex_
  std::unique_ptr<Repeat> reloading_;  // last: its thread runs on what is above
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_WEBHOOK_SECRETS_H_
