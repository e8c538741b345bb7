#include "common/rpc/principal.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
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

std::string Checked(std::string identity) { return IsIdentity(identity) ? identity : ""; }

// A slash may not stand in an identity, so only one segment is left.
std::string Below(absl::string_view prefix, absl::string_view spiffe) {
  return absl::ConsumePrefix(&spiffe, prefix) ? Checked(std::string(spiffe)) : "";
}

}  // namespace

bool IsIdentity(absl::string_view text) {
  return !text.empty() && text.size() <= kIdentityBytesMax && std::all_of(text.begin(), text.end(), MayStand);
}

bool IsSpiffePrefix(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, kSpiffe) || !absl::ConsumeSuffix(&text, "/")) return false;
  return !text.empty() && text.front() != '/' && text.back() != '/' && !absl::StrContains(text, "//") &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

std::string PeerIdentity(const grpc::AuthContext& peer, absl::string_view spiffe_prefix) {
  if (!peer.IsPeerAuthenticated()) return "";
  const std::vector<std::string> uris = Values(peer, GRPC_PEER_URI_PROPERTY_NAME);
  const bool is_spiffe =
      std::any_of(uris.begin(), uris.end(), [](const std::string& uri) { return absl::StartsWith(uri, kSpiffe); });
  if (!spiffe_prefix.empty()) return uris.size() == 1 ? Below(spiffe_prefix, uris.front()) : "";
  if (is_spiffe) return "";
  const std::vector<std::string> names = Values(peer, GRPC_PEER_DNS_PROPERTY_NAME);
  if (!names.empty()) return Checked(absl::AsciiStrToLower(names.front()));
  const std::vector<std::string> common = Values(peer, GRPC_X509_CN_PROPERTY_NAME);
  return common.empty() ? "" : Checked(common.front());
}

}  // namespace unwind
