#include "orchestrator/definition/mapping.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/utf8.h"
#include "common/rpc/deterministic.h"

namespace unwind {
namespace {

using google::protobuf::Arena;
using google::protobuf::Message;

constexpr std::size_t kMessageBytesMax = std::numeric_limits<std::int32_t>::max();  // protobuf's own limit

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

// `field` is a google.protobuf.Timestamp of any pool.
void SetTime(absl::Time time, Message& holder, const google::protobuf::FieldDescriptor& field) {
  Message& timestamp = *holder.GetReflection()->MutableMessage(&holder, &field);
  const google::protobuf::Descriptor& type = *timestamp.GetDescriptor();
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  const auto nanos = static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds)));
  timestamp.GetReflection()->SetInt64(&timestamp, type.FindFieldByName("seconds"), seconds);
  timestamp.GetReflection()->SetInt32(&timestamp, type.FindFieldByName("nanos"), nanos);
}

bool IsNoIdentifier(char c) { return !absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-'; }

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
    if (const auto* wait = std::get_if<WaitUntil>(&source)) {
      const absl::Time until = saga.steps[static_cast<std::size_t>(wait->step)].wait_until;
      if (until == absl::InfiniteFuture()) continue;
      return SetTime(until, *holder, target);
    }
    const SagaText& words = std::get<SagaText>(source);
    std::string text = CleanText(Read(words, saga), words.bytes_max);
    if (words.as_identifier) std::replace_if(text.begin(), text.end(), IsNoIdentifier, '_');
    if (text.empty()) continue;
    holder->GetReflection()->SetString(holder, &target, text);
    return;
  }
}

}  // namespace

absl::StatusOr<const Message*> Root::Parse(const Saga& saga, Arena& arena) const {
  const Step* const row = step == kInputRoot ? nullptr : &saga.steps[static_cast<std::size_t>(step)];
  const std::string& bytes = row == nullptr ? saga.input : pending ? row->pending_reply : row->reply;
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
  if (built->ByteSizeLong() > kMessageBytesMax) {
    return absl::InternalError(absl::StrCat("a ", built->GetTypeName(), " is too large to be sent"));
  }
  return DeterministicBytes(*built);
}

}  // namespace unwind
