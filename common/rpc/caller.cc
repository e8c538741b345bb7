#include "common/rpc/caller.h"

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "grpc/census.h"

namespace unwind {
namespace {

constexpr std::size_t kScopeNameBytesMax = 128;  // the stores' columns hold 200 bytes

}  // namespace

std::string KeyScopeOf(const Principal& principal) {
  if (!principal.member.empty()) return absl::StrCat("member/", principal.member);
  if (principal.service.empty()) return "";
  const bool is_long = principal.service.size() > kScopeNameBytesMax;
  return absl::StrCat("service/", is_long ? HexSha256(principal.service) : principal.service);
}

std::string ActorOf(const Principal& principal) {
  if (principal.member.empty()) return principal.service;
  return absl::StrCat(principal.member, " via ", principal.service);
}

bool MayRead(const Principal& principal, absl::string_view member) {
  return principal.member.empty() || principal.member == member;
}

// The call's place for a tracer's context is the one pointer that a handler can find from its own context. There is no
// OpenCensus here, whose it would be.
void SetAdmission(grpc::ServerContextBase& context, const Admission& admission) {
  auto* const slot = reinterpret_cast<census_context*>(const_cast<Admission*>(&admission));
  grpc_census_call_set_context(context.c_call(), slot);
}

const Admission& AdmissionOf(const grpc::ServerContextBase& context) {
  static const auto* const nobody = new Admission;
  const census_context* const slot = context.census_context();
  return slot == nullptr ? *nobody : *reinterpret_cast<const Admission*>(slot);
}

}  // namespace unwind
