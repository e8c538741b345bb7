#include "orchestrator/definition/call_metadata.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "google/protobuf/arena.h"

namespace unwind {
namespace {

using google::protobuf::FieldDescriptor;

// A participant takes 8 KiB of metadata by default, and the contract's own needs a part of it.
constexpr std::size_t kPairsMax = 8;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kValueBytesMax = 256;

bool IsPrintable(char c) { return c >= 0x20 && c <= 0x7E; }

// What the participant contract, tracing, gRPC or HTTP/2 give a meaning.
bool IsReserved(const std::string& name) {
  static const auto* const kNames = new std::set<std::string>{
      "baggage", "connection", "content-length", "content-type",      "host",      "idempotency-key", "keep-alive",
      "te",      "tracestate", "traceparent",    "transfer-encoding", "user-agent"};
  return kNames->contains(name) || absl::StartsWith(name, "saga-") || absl::StartsWith(name, "grpc-");
}

bool IsMetadataName(const std::string& name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '-' || c == '_' || c == '.';
  });
}

void CheckName(const Text& name, Findings& findings) {
  const std::string what = absl::StrCat("'", name.value, "' cannot be the name of metadata");
  if (!IsMetadataName(name.value)) {
    findings.Add(name.line, what, absl::StrCat("use a-z, 0-9, -, _ and ., at most ", kNameBytesMax, " characters"));
  } else if (IsReserved(name.value)) {
    findings.Add(name.line, what, "the orchestrator, gRPC or HTTP/2 gives it a meaning: choose another");
  } else if (absl::EndsWith(name.value, "-bin")) {
    findings.Add(name.line, what, "only texts can be given, and -bin means bytes: choose another");
  }
}

std::string Fit(absl::string_view text) {
  std::string fit(absl::StripTrailingAsciiWhitespace(absl::StripAsciiWhitespace(text).substr(0, kValueBytesMax)));
  for (char& c : fit) {
    if (!IsPrintable(c)) c = '?';
  }
  return fit;
}

std::optional<CallMetadata::Pair> CompileLiteral(const Text& name, const Text& value, Findings& findings) {
  if (!value.value.empty() && Fit(value.value) == value.value) return CallMetadata::Pair{name.value, value.value};
  findings.Add(value.line, absl::StrCat("'", value.value, "' cannot be the metadata '", name.value, "'"),
               absl::StrCat("write 1 to ", kValueBytesMax, " printable ASCII characters, without spaces at the ends"));
  return std::nullopt;
}

std::optional<CallMetadata::Pair> CompilePath(const Text& name, const Text& value, const Scope& scope,
                                              MessageTypes& types, Findings& findings) {
  const std::optional<ResolvedPath> path = ResolvePath(value, scope, findings);
  if (!path.has_value()) return std::nullopt;
  if (const auto* of_saga = std::get_if<SagaField>(&*path)) return CallMetadata::Pair{name.value, *of_saga};
  const auto* const stored_path = std::get_if<StoredPath>(&*path);
  const StoredPath stored = stored_path == nullptr ? StoredPath() : *stored_path;
  const FieldDescriptor* field = stored.fields.empty() ? nullptr : stored.fields.back();
  if (field == nullptr || field->is_repeated() || field->type() != FieldDescriptor::TYPE_STRING) {
    findings.Add(value.line, absl::StrCat("'", value.value, "' is not a string"), "metadata is text: give it a string");
    return std::nullopt;
  }
  const auto* type = stored.step == kInputRoot ? scope.input : scope.steps[static_cast<std::size_t>(stored.step)].type;
  return CallMetadata::Pair{name.value, CallMetadata::StoredText{{stored.step, types.Prototype(*type)}, stored.fields}};
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> CallMetadata::Build(const Saga& saga) const {
  std::vector<std::pair<std::string, std::string>> built;
  for (const Pair& pair : pairs_) {
    std::string value;
    if (const auto* literal = std::get_if<std::string>(&pair.value)) {
      value = *literal;
    } else if (const auto* of_saga = std::get_if<SagaField>(&pair.value)) {
      value = *of_saga == SagaField::kId ? saga.id : saga.key;
    } else {
      const auto& stored = std::get<StoredText>(pair.value);
      google::protobuf::Arena arena;
      ASSIGN_OR_RETURN(const google::protobuf::Message* root, stored.root.Parse(saga, arena));
      const google::protobuf::Message* holder = Holder(*root, stored.path);
      if (holder != nullptr) value = holder->GetReflection()->GetString(*holder, stored.path.back());
    }
    value = Fit(value);
    if (!value.empty()) built.emplace_back(pair.name, std::move(value));
  }
  return built;
}

CallMetadata CompileMetadata(const std::vector<std::pair<Text, Text>>& table, const Scope& scope, MessageTypes& types,
                             Findings& findings) {
  std::vector<CallMetadata::Pair> pairs;
  if (table.size() > kPairsMax) {
    findings.Add(table[kPairsMax].first.line, absl::StrCat(scope.place, " has ", table.size(), " pairs"),
                 absl::StrCat("at most ", kPairsMax, " are allowed: put the rest into the request"));
  }
  for (const auto& [name, value] : table) {
    CheckName(name, findings);
    std::optional<CallMetadata::Pair> pair =
        IsPath(value, scope) ? CompilePath(name, value, scope, types, findings) : CompileLiteral(name, value, findings);
    if (pair.has_value()) pairs.push_back(*std::move(pair));
  }
  return CallMetadata(std::move(pairs));
}

}  // namespace unwind
