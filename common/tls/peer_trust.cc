#include "common/tls/peer_trust.h"

#include "absl/strings/str_join.h"

namespace unwind {

std::shared_ptr<const TlsMaterial> PeerTrust::material() const {
  const std::lock_guard lock(mutex_);
  return material_;
}

void PeerTrust::Set(std::shared_ptr<const TlsMaterial> material) {
  const std::lock_guard lock(mutex_);
  material_ = std::move(material);
}

std::unique_ptr<PeerRefusal> PeerTrust::Check(PeerRole role, absl::string_view certificate, absl::string_view chain,
                                              const std::string& host) {
  const std::shared_ptr<const TlsMaterial> now = material();
  std::vector<std::string> between;
  auto refusal = now->CheckPeer(role, certificate, chain, host, &between);
  if (refusal == nullptr) {
    Remember(std::move(between));
    return nullptr;
  }
  return chain.empty() ? now->CheckPeer(role, certificate, Remembered(), host) : std::move(refusal);
}

void PeerTrust::Remember(std::vector<std::string> between) {
  const std::lock_guard lock(mutex_);
  for (std::string& each : between) {
    if (remembered_.size() >= kRememberedMax && !remembered_.contains(each)) remembered_.clear();
    remembered_.insert(std::move(each));
  }
}

std::string PeerTrust::Remembered() const {
  const std::lock_guard lock(mutex_);
  return absl::StrJoin(remembered_, "");
}

}  // namespace unwind
