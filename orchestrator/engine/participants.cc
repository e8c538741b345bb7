#include "orchestrator/engine/participants.h"

#include "absl/strings/str_cat.h"
#include "orchestrator/core/names.h"

namespace unwind {

std::string StepOf(const Call& call) { return absl::StrCat(call.saga_id, "/", call.step); }

std::string KeyOf(const Call& call) { return absl::StrCat(StepOf(call), "/", NameOf(call.phase)); }

Metadata MetadataOf(const Call& call) {
  Metadata metadata;
  metadata.reserve(9 + call.metadata.size());
  metadata.emplace_back("saga-id", call.saga_id);
  metadata.emplace_back("saga-step", call.step);
  metadata.emplace_back("saga-phase", NameOf(call.phase));
  metadata.emplace_back("saga-kind", NameOf(call.kind));
  metadata.emplace_back("saga-attempt", absl::StrCat(call.attempt));
  metadata.emplace_back("idempotency-key", KeyOf(call));
  metadata.emplace_back("saga-issued-at", absl::StrCat(absl::ToUnixMillis(call.issued_at)));
  metadata.emplace_back("saga-expires-at", absl::StrCat(absl::ToUnixMillis(call.expires_at)));
  if (!call.traceparent.empty()) metadata.emplace_back("traceparent", call.traceparent);
  metadata.insert(metadata.end(), call.metadata.begin(), call.metadata.end());
  return metadata;
}

}  // namespace unwind
