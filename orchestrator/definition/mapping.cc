#include "orchestrator/definition/mapping.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace unwind {
namespace {

using google::protobuf::Arena;
using google::protobuf::Message;

absl::string_view Read(const SagaText& source, const Saga& saga) {
  switch (source.field) {
    case SagaField::kId:
      return saga.id;
    case SagaField::kKey:
      return saga.key;
    case SagaField::kFailureReason:
      return saga.failure.reason;
    case SagaField::kFailureMessage:
      return saga.failure.message;
    case SagaField::kFailureStep:
      return saga.failure.step;
    case SagaField::kFailureDomain:
      return saga.failure.domain;
  }
  return "";
}

// The length of the UTF-8 character that `text` begins with; 0 if it begins with none.
std::size_t CharacterBytes(absl::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  unsigned low = 0x80;  // what the second byte may be: no overlong form, no surrogate, nothing past U+10FFFF
  unsigned high = 0xBF;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return size;
}

void Assign(const Assignment& assignment, const std::vector<const Message*>& roots, const Saga& saga, Message& built) {
  Message* holder = &built;
  for (std::size_t i = 0; i + 1 < assignment.target.size(); ++i) {
    holder = holder->GetReflection()->MutableMessage(holder, assignment.target[i]);
  }
  const auto& target = *assignment.target.back();
  for (const Source& source : assignment.sources) {
    if (const auto* stored = std::get_if<StoredField>(&source)) {
      if (CopyField(*roots[stored->root], stored->path, *holder, target)) return;
      continue;
    }
    const SagaText& words = std::get<SagaText>(source);
    const std::string text = FitText(Read(words, saga), words.bytes_max);
    if (text.empty()) continue;
    holder->GetReflection()->SetString(holder, &target, text);
    return;
  }
}

absl::StatusOr<std::string> Serialize(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    if (!message.SerializePartialToCodedStream(&out)) {
      return absl::InternalError(absl::StrCat("a ", message.GetTypeName(), " is too large to be sent"));
    }
  }
  return bytes;
}

}  // namespace

std::string FitText(absl::string_view text, std::size_t bytes_max) {
  std::string fitted;
  while (!text.empty()) {
    const std::size_t size = CharacterBytes(text);
    const absl::string_view character = size == 0 ? "?" : text.substr(0, size);
    if (bytes_max != 0 && fitted.size() + character.size() > bytes_max) break;
    absl::StrAppend(&fitted, character);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return fitted;
}

absl::StatusOr<const Message*> Root::Parse(const Saga& saga, Arena& arena) const {
  const std::string& bytes = step == kInputRoot ? saga.input : saga.steps[static_cast<std::size_t>(step)].reply;
  Message* message = prototype->New(&arena);
  if (message->ParsePartialFromString(bytes)) return message;
  return absl::InternalError(absl::StrCat("saga ", saga.id, ": the stored ",
                                          step == kInputRoot ? "input" : absl::StrCat("reply of step ", step),
                                          " is not a ", prototype->GetTypeName()));
}

Mapping::Mapping(std::unique_ptr<Message> base, std::vector<Root> roots, std::vector<Assignment> assignments)
    : base_(std::move(base)), roots_(std::move(roots)), assignments_(std::move(assignments)) {}

absl::StatusOr<std::string> Mapping::Build(const Saga& saga) const {
  Arena arena;
  std::vector<const Message*> roots;
  roots.reserve(roots_.size());
  for (const Root& root : roots_) {
    ASSIGN_OR_RETURN(roots.emplace_back(), root.Parse(saga, arena));
  }
  Message* built = base_->New(&arena);
  built->CopyFrom(*base_);
  for (const Assignment& assignment : assignments_) Assign(assignment, roots, saga, *built);
  return Serialize(*built);
}

}  // namespace unwind
