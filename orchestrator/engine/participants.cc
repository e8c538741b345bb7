#include "orchestrator/engine/participants.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/core/names.h"

namespace unwind {

std::string StepOf(const Call& call) { return absl::StrCat(call.saga_id, "/", call.step); }

std::string KeyOf(const Call& call) { return absl::StrCat(StepOf(call), "/", NameOf(call.phase)); }

Metadata MetadataOf(const Call& call) {
  Metadata metadata = {
      {"saga-id", call.saga_id},
      {"saga-step", call.step},
      {"saga-phase", NameOf(call.phase)},
      {"saga-kind", NameOf(call.kind)},
      {"saga-attempt", absl::StrCat(call.attempt)},
      {"idempotency-key", KeyOf(call)},
      {"saga-issued-at", absl::StrCat(absl::ToUnixMillis(call.issued_at))},
      {"saga-expires-at", absl::StrCat(absl::ToUnixMillis(call.expires_at))},
  };
  if (!call.traceparent.empty()) metadata.emplace_back("traceparent", call.traceparent);
  metadata.insert(metadata.end(), call.metadata.begin(), call.metadata.end());
  return metadata;
}

}  // namespace unwind
