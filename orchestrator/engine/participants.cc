#include "orchestrator/engine/participants.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "orchestrator/core/names.h"

namespace unwind {
namespace {

// gRPC's servers end a call with more than 8 KiB, and gRPC's own take a part of that.
constexpr std::size_t kBytesMax = 7 << 10;
constexpr std::size_t kPairBytes = 32;  // as HTTP/2 counts

std::size_t BytesOf(const Metadata& metadata) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : metadata) bytes += name.size() + value.size() + kPairBytes;
  return bytes;
}

}  // namespace

std::string StepOf(const Call& call) { return absl::StrCat(call.saga_id, "/", call.step); }

std::string KeyOf(const Call& call) { return absl::StrCat(StepOf(call), "/", NameOf(call.phase)); }

Metadata MetadataOf(const Call& call) {
  Metadata metadata;
  metadata.reserve(13 + call.metadata.size());
  metadata.emplace_back("saga-id", call.saga_id);
  metadata.emplace_back("saga-step", call.step);
  metadata.emplace_back("saga-phase", NameOf(call.phase));
  metadata.emplace_back("saga-kind", NameOf(call.kind));
  metadata.emplace_back("saga-attempt", absl::StrCat(call.attempt));
  metadata.emplace_back("idempotency-key", KeyOf(call));
  metadata.emplace_back("saga-issued-at", absl::StrCat(absl::ToUnixMillis(call.issued_at)));
  metadata.emplace_back("saga-expires-at", absl::StrCat(absl::ToUnixMillis(call.expires_at)));
  if (call.accepts_pending) metadata.emplace_back("saga-accepts", "pending");
  if (call.decides) metadata.emplace_back("saga-decide", "now");
  metadata.insert(metadata.end(), call.metadata.begin(), call.metadata.end());
  for (auto& pair : MetadataOf(call.trace)) metadata.push_back(std::move(pair));
  if (!call.trace.baggage.empty() && BytesOf(metadata) > kBytesMax) metadata.pop_back();
  return metadata;
}

}  // namespace unwind
