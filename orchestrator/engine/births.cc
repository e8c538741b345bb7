#include "orchestrator/engine/births.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/names.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/definition/field_copy.h"

namespace unwind {
namespace {

bool Matches(const Follower& follower, const Saga& parent) {
  if (follower.parent != DefinitionVersion{parent.definition, parent.definition_version}) return false;
  if (follower.on != parent.state) return false;
  if (follower.reasons.empty()) return true;
  const std::string told = ToldReason(parent);
  return std::any_of(follower.reasons.begin(), follower.reasons.end(),
                     [&](const std::string& reason) { return reason == parent.failure.reason || reason == told; });
}

// Of a follower one parent has one child: its id is drawn from both, so that a write that is repeated has the same.
std::string IdOf(const Saga& parent, const std::string& follower) {
  const std::string digest = HexSha256(absl::StrCat(parent.id, "/", follower));
  std::size_t drawn = 0;
  const auto draw = [&digest, &drawn] {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      const char digit = digest[16 * drawn + i];
      bits = (bits << 4) | static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    ++drawn;
    return bits;
  };
  return MakeUuidV7(parent.update_time, draw);
}

constexpr std::size_t kTextBytesMax = 1024;  // of a failure's words

template <class Fact>
void Append(Fact fact, const std::string& text, std::string& to) {
  AppendField(static_cast<int>(fact), CleanText(text, kTextBytesMax), to);
}

std::string FactsOf(const Saga& parent) {
  std::string facts, failure;
  Append(ParentFact::kId, parent.id, facts);
  if (parent.state != SagaState::kAborted) return facts;
  Append(ParentFailure::kReason, parent.failure.reason, failure);
  Append(ParentFailure::kMessage, parent.failure.message, failure);
  Append(ParentFailure::kStep, parent.failure.step, failure);
  Append(ParentFailure::kDomain, parent.failure.domain, failure);
  AppendField(static_cast<int>(ParentFact::kFailure), failure, facts);
  return facts;
}

// The message that a copy reads; null: there is no such step.
const std::string* RootOf(const FollowerCopy& copy, const Saga& parent, const std::string& facts) {
  if (copy.root == kParentInput) return &parent.input;
  if (copy.root == kParentFacts) return &facts;
  const auto step = static_cast<std::size_t>(copy.root);
  return step < parent.steps.size() ? &parent.steps[step].reply : nullptr;
}

// Empty: `input` has what the follower reads. Else why not.
std::string CopyInput(const Follower& follower, const Saga& parent, std::string& input) {
  if (!follower.why_not_built.empty()) return follower.why_not_built;
  const std::string facts = FactsOf(parent);
  for (const FollowerCopy& copy : follower.copies) {
    const std::string* const root = RootOf(copy, parent, facts);
    if (root == nullptr || !CopyFieldBytes(*root, copy.source, copy.target, input)) {
      return absl::StrCat("the stored ", copy.root == kParentInput ? "input" : "reply of a step",
                          " of the parent is no message");
    }
  }
  return "";
}

// Nothing can be read of an input that is no message, so that no call is made of half of what it needs.
constexpr absl::string_view kNoMessage = "\xff";

SagaWrite BirthOf(const Follower& follower, const Saga& parent) {
  Saga child;
  child.id = IdOf(parent, follower.definition.name);
  child.definition = follower.definition.name;
  child.definition_version = follower.definition.version;
  child.key = child.parent = parent.id;
  child.trace = parent.trace;
  child.steps.resize(static_cast<std::size_t>(follower.steps));
  Born born{.parked_step = follower.first_step, .why_parked = {}};
  if (const std::string why = CopyInput(follower, parent, child.input); !why.empty()) {
    child.input = std::string(kNoMessage);  // gcc 12 warns of a literal: it might overlap
    born.why_parked = {.reason = "PARENT_NOT_READ",
                       .domain = kSagaDomain,
                       .code = static_cast<int>(absl::StatusCode::kFailedPrecondition),
                       .message = absl::StrCat(why, "; skip the step, and do by hand what it was for"),
                       .step = {},
                       .metadata = {}};
  }
  SagaWrite birth{.seen_version = 0, .saga = BornAs(std::move(child), born, parent.update_time), .events = {}};
  birth.events.push_back({.seq = birth.saga.version,
                          .moment = {.now = parent.update_time, .jitter = 0},
                          .event = std::move(born),
                          .state = birth.saga.state,
                          .sends = {}});
  return birth;
}

}  // namespace

std::vector<SagaWrite> BirthsOf(const FollowerSet& set, const SagaWrite& end) {
  std::vector<SagaWrite> births;
  if (!IsTerminal(end.saga.state)) return births;
  for (const Follower& follower : set.followers) {
    if (Matches(follower, end.saga)) births.push_back(BirthOf(follower, end.saga));
  }
  return births;
}

}  // namespace unwind
