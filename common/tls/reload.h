// Follows the files of mutual TLS while the process runs.
#ifndef UNWIND_COMMON_TLS_RELOAD_H_
#define UNWIND_COMMON_TLS_RELOAD_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/repeat.h"
#include "common/tls/files.h"
#include "common/tls/material.h"
#include "common/tls/memory_file.h"
#include "common/tls/peer_trust.h"

namespace unwind {

// Looks at the files after every pause, whatever it was that changed them: a copy, a rename, the links of a Kubernetes
// volume. What is good as a whole is taken as a whole. What is not is left alone and the old goes on; the log says why
// once it has stood for two looks, so that a file that is being written is nobody's trouble.
class TlsReload {
 public:
  static constexpr absl::Duration kPause = absl::Seconds(1);

  struct Events {
    std::function<void(const TlsMaterial& material)> taken;  // the first too
    std::function<void()> refused;
  };

  // The error of ReadTlsFiles or TlsMaterial::Make. `events` are called one at a time.
  static absl::StatusOr<std::unique_ptr<TlsReload>> Start(TlsPaths paths, Events events, absl::Duration pause = kPause);
  ~TlsReload() { repeat_->Stop(); }

  // Lives on with who holds it.
  const std::shared_ptr<PeerTrust>& trust() const { return trust_; }

  // A file that always holds TlsMaterial::identity_pem() of the material that is current; while this lives.
  std::string identity_path() const { return identity_.path(); }

 private:
  TlsReload(TlsPaths paths, Events events, MemoryFile identity)
      : paths_(std::move(paths)), events_(std::move(events)), identity_(std::move(identity)) {}
  void Look();
  absl::Status TakeNew();
  std::string LosesListOf(const TlsMaterial& next) const;
  void SayOnceIfExpired();

  const TlsPaths paths_;
  const Events events_;
  MemoryFile identity_;
  TlsBytes taken_;
  std::set<std::string> authorities_seen_;  // by subject, since the start
  std::string refused_;                     // why the files could not be taken at the last look; empty: they could
  bool refusal_said_ = false;
  bool expiry_said_ = false;
  std::shared_ptr<PeerTrust> trust_;
  std::optional<Repeat> repeat_;  // last: it runs on what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_TLS_RELOAD_H_
