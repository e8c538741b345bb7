// Which stable service identity may call which method, and what it may say with the call. What no rule allows is
// refused. Immutable and pure; read from its file by common/rpc/policy_file.h.
#ifndef UNWIND_COMMON_RPC_POLICY_H_
#define UNWIND_COMMON_RPC_POLICY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/caller.h"
#include "grpcpp/support/string_ref.h"

namespace unwind {

inline constexpr char kMemberHeader[] = "x-member-id";

// What one rule allows to its callers.
struct Grant {
  enum class Member : std::uint8_t { kRefused, kAllowed, kRequired };
  Member member = Member::kRefused;  // whether a call may, or must, say x-member-id
  bool saga_metadata = false;        // whether a call may say saga-*
};

class Policy {
 public:
  // Anybody with an identity.
  static constexpr char kAnyCaller[] = "*";

  // Of one method, by caller; none: nobody may call it.
  using Grants = std::map<std::string, Grant, std::less<>>;
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  // By "/package.Service/Method". `spiffe_prefix`: how callers are named, as PeerIdentity takes it.
  explicit Policy(std::map<std::string, Grants, std::less<>> methods, std::string spiffe_prefix = "")
      : methods_(std::move(methods)), spiffe_prefix_(std::move(spiffe_prefix)) {}

  const std::string& spiffe_prefix() const { return spiffe_prefix_; }

  // Decides about a call of `path` by the peer whose identity is `service` (empty: it has none). The principal is set
  // even if the call is refused, as far as it is known, for the log.
  //   UNAUTHENTICATED    CALLER_UNKNOWN      there is no identity; or the rule needs a member and the call names none
  //   PERMISSION_DENIED  CALLER_NOT_ALLOWED  the metadata `denied` says what: method, x-member-id, or the name of the
  //                                          saga-* metadata
  //   INVALID_ARGUMENT   INVALID_REQUEST     x-member-id is given twice or is not [A-Za-z0-9_-]{1,64}
  //   UNIMPLEMENTED      METHOD_UNKNOWN      no rule is about the method: it is not served here
  Admission Decide(absl::string_view path, absl::string_view service, const Metadata& metadata) const;

  bool Knows(absl::string_view path) const { return methods_.find(path) != methods_.end(); }

 private:
  const std::map<std::string, Grants, std::less<>> methods_;
  const std::string spiffe_prefix_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_RPC_POLICY_H_
