#include "common/participant/call_key.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/observe/tracer.h"
#include "common/rpc/error.h"

namespace unwind {
namespace {

using barrier::Phase;

constexpr std::size_t kKeyCharsMax = 200;

absl::Status Invalid(absl::string_view domain, const char* name, absl::string_view rule) {
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat("metadata ", name, " ", rule),
                   {"METADATA_INVALID", std::string(domain), {{"name", name}}});
}

absl::Status Missing(absl::string_view domain, const char* name) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("metadata ", name,
                                " is missing: send an idempotency-key that names this call and its repeats, or, as a "
                                "saga's step, saga-id, saga-step, saga-phase and saga-kind"),
                   {"METADATA_MISSING", std::string(domain), {{"name", name}}});
}

// The metadata of one call, read strictly: it decides what is done twice and what is not.
class MetadataReader {
 public:
  MetadataReader(const CallMetadata& metadata, absl::string_view domain) : metadata_(metadata), domain_(domain) {}

  bool Has(const char* name) const { return metadata_.find(name) != metadata_.end(); }

  // One value of 1 to 200 printable ASCII characters.
  absl::StatusOr<std::string> Text(const char* name) const {
    const auto [first, last] = metadata_.equal_range(name);
    if (first == last) return Missing(domain_, name);
    if (std::next(first) != last) return Invalid(domain_, name, "is there more than once");
    const std::string value(first->second.data(), first->second.size());
    if (value.empty() || value.size() > kKeyCharsMax) {
      return Invalid(domain_, name, absl::StrCat("must have 1 to ", kKeyCharsMax, " characters"));
    }
    const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!printable) return Invalid(domain_, name, "must be printable ASCII");
    return value;
  }

  absl::StatusOr<Phase> ReadPhase() const {
    ASSIGN_OR_RETURN(const std::string text, Text("saga-phase"));
    for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
      if (text == NameOf(phase)) return phase;
    }
    return Invalid(domain_, "saga-phase", "must be action, compensation or resolve");
  }

  absl::StatusOr<bool> ReadRetriable() const {
    ASSIGN_OR_RETURN(const std::string text, Text("saga-kind"));
    if (text == "compensatable" || text == "pivot") return false;
    if (text == "retriable") return true;
    return Invalid(domain_, "saga-kind", "must be compensatable, pivot or retriable");
  }

  // `absent`: if it is not there.
  absl::StatusOr<absl::Time> ReadTime(const char* name, absl::Time absent) const {
    if (!Has(name)) return absent;
    ASSIGN_OR_RETURN(const std::string text, Text(name));
    std::int64_t millis = 0;
    if (!absl::SimpleAtoi(text, &millis) || millis < 0) {
      return Invalid(domain_, name, "must be whole milliseconds since 1970");
    }
    return absl::FromUnixMillis(millis);
  }

  // Whether it is there. It has one value that means anything.
  absl::StatusOr<bool> ReadWord(const char* name, const char* word) const {
    if (!Has(name)) return false;
    ASSIGN_OR_RETURN(const std::string text, Text(name));
    if (text == word) return true;
    return Invalid(domain_, name, absl::StrCat("must be ", word));
  }

 private:
  const CallMetadata& metadata_;
  const absl::string_view domain_;
};

}  // namespace

absl::StatusOr<CallKey> ReadCallKey(const CallMetadata& metadata, barrier::Phase phase, absl::string_view domain) {
  const MetadataReader reader(metadata, domain);
  CallKey key;
  ASSIGN_OR_RETURN(key.issued_at, reader.ReadTime("saga-issued-at", absl::InfiniteFuture()));
  ASSIGN_OR_RETURN(key.expires_at, reader.ReadTime("saga-expires-at", absl::InfinitePast()));
  key.trace = InsideServerSpan(ReadTraceContext(metadata));
  if (!reader.Has("saga-id") && !reader.Has("saga-step") && !reader.Has("saga-phase") && !reader.Has("saga-kind")) {
    ASSIGN_OR_RETURN(key.saga_id, reader.Text("idempotency-key"));
    key.phase = phase;
    key.sticky = phase != Phase::kCompensation;
    return key;
  }
  ASSIGN_OR_RETURN(key.saga_id, reader.Text("saga-id"));
  ASSIGN_OR_RETURN(key.step, reader.Text("saga-step"));
  ASSIGN_OR_RETURN(key.phase, reader.ReadPhase());
  ASSIGN_OR_RETURN(const bool retriable, reader.ReadRetriable());
  if ((key.phase == Phase::kResolve) != (phase == Phase::kResolve)) {
    return Invalid(domain, "saga-phase", "must be resolve for a method that resolves, and for no other");
  }
  key.sticky = key.phase != Phase::kCompensation && !(key.phase == Phase::kAction && retriable);
  ASSIGN_OR_RETURN(key.accepts_pending, reader.ReadWord("saga-accepts", "pending"));
  ASSIGN_OR_RETURN(key.decides, reader.ReadWord("saga-decide", "now"));
  if (key.decides && key.phase != Phase::kResolve) return Invalid(domain, "saga-decide", "is for a resolve");
  if (reader.Has("idempotency-key")) RETURN_IF_ERROR(reader.Text("idempotency-key").status());
  return key;
}

}  // namespace unwind
