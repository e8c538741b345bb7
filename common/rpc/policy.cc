#include "common/rpc/policy.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "common/rpc/unimplemented.h"

namespace unwind {
namespace {

constexpr std::size_t kMemberBytesMax = 64;

bool IsMember(absl::string_view text) {
  return !text.empty() && text.size() <= kMemberBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
}

absl::Status Unauthenticated(absl::string_view what) {
  return MakeError(absl::StatusCode::kUnauthenticated, what,
                   {.reason = "CALLER_UNKNOWN", .domain = kTransportDomain, .metadata = {}});
}

absl::Status Denied(absl::string_view path, absl::string_view denied, absl::string_view what) {
  return MakeError(absl::StatusCode::kPermissionDenied, what,
                   {.reason = "CALLER_NOT_ALLOWED",
                    .domain = kTransportDomain,
                    .metadata = {{"method", std::string(path)}, {"denied", std::string(denied)}}});
}

absl::Status CheckSagaMetadata(absl::string_view path, const Grant& grant, const Policy::Metadata& metadata) {
  if (grant.saga_metadata) return absl::OkStatus();
  for (const auto& [key, value] : metadata) {
    const absl::string_view name(key.data(), key.size());
    if (!absl::StartsWith(name, "saga-")) continue;
    return Denied(path, name, absl::StrCat("the caller may not send the metadata ", name));
  }
  return absl::OkStatus();
}

absl::Status ReadMember(absl::string_view path, Grant::Member allowed, const Policy::Metadata& metadata,
                        std::string& member) {
  const auto [first, last] = metadata.equal_range(kMemberHeader);
  if (first == last) {
    if (allowed != Grant::Member::kRequired) return absl::OkStatus();
    return Unauthenticated(absl::StrCat("the call must say for which member it is made, as ", kMemberHeader));
  }
  if (allowed == Grant::Member::kRefused) {
    return Denied(path, kMemberHeader,
                  absl::StrCat("the caller may not say for which member it calls, as ", kMemberHeader));
  }
  if (std::next(first) != last) {
    return MakeBadRequest(kTransportDomain, {{kMemberHeader, "is given more than once; send it once"}});
  }
  const absl::string_view value(first->second.data(), first->second.size());
  if (!IsMember(value)) return MakeBadRequest(kTransportDomain, {{kMemberHeader, "must match [A-Za-z0-9_-]{1,64}"}});
  member = std::string(value);
  return absl::OkStatus();
}

absl::Status Check(const Policy::Grants& grants, absl::string_view path, const Policy::Metadata& metadata,
                   Principal& principal) {
  auto grant = grants.find(principal.service);
  if (grant == grants.end()) grant = grants.find(absl::string_view(Policy::kAnyCaller));
  if (grant == grants.end()) return Denied(path, "method", "the caller may not call this method");
  RETURN_IF_ERROR(CheckSagaMetadata(path, grant->second, metadata));
  return ReadMember(path, grant->second.member, metadata, principal.member);
}

}  // namespace

Admission Policy::Decide(absl::string_view path, absl::string_view service, const Metadata& metadata) const {
  Admission admission;
  admission.principal.service = std::string(service);
  const auto method = methods_.find(path);
  if (service.empty()) {
    admission.status = Unauthenticated("the caller has shown no certificate");
  } else if (method == methods_.end()) {
    admission.status = NoSuchMethod(std::string(path));
  } else {
    admission.status = Check(method->second, path, metadata, admission.principal);
  }
  return admission;
}

}  // namespace unwind
