#include "common/rpc/principal.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "grpc/grpc_security_constants.h"

namespace unwind {
namespace {

constexpr char kSpiffe[] = "spiffe://";

std::vector<std::string> Values(const grpc::AuthContext& peer, const char* property) {
  std::vector<std::string> values;
  for (const grpc::string_ref& value : peer.FindPropertyValues(property)) {
    values.emplace_back(value.data(), value.size());
  }
  return values;
}

bool MayStand(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(".-_@", c); }

std::string Checked(std::string identity) {
  const bool good = identity.size() <= kIdentityBytesMax && std::all_of(identity.begin(), identity.end(), MayStand);
  return good ? identity : "";
}

// Empty if the URI has no path.
std::string LastSegment(absl::string_view spiffe) {
  spiffe.remove_prefix(sizeof(kSpiffe) - 1);
  const std::size_t slash = spiffe.rfind('/');
  return slash == absl::string_view::npos ? "" : std::string(spiffe.substr(slash + 1));
}

}  // namespace

std::string PeerIdentity(const grpc::AuthContext& peer) {
  if (!peer.IsPeerAuthenticated()) return "";
  const std::vector<std::string> uris = Values(peer, GRPC_PEER_URI_PROPERTY_NAME);
  const bool is_spiffe =
      std::any_of(uris.begin(), uris.end(), [](const std::string& uri) { return absl::StartsWith(uri, kSpiffe); });
  if (is_spiffe) return uris.size() == 1 ? Checked(LastSegment(uris.front())) : "";
  const std::vector<std::string> names = Values(peer, GRPC_PEER_DNS_PROPERTY_NAME);
  if (!names.empty()) return Checked(absl::AsciiStrToLower(names.front()));
  const std::vector<std::string> common = Values(peer, GRPC_X509_CN_PROPERTY_NAME);
  return common.empty() ? "" : Checked(common.front());
}

}  // namespace unwind
