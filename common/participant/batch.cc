#include "common/participant/batch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/participant/barrier_rows.h"
#include "common/rpc/deterministic.h"
#include "common/rpc/error.h"

namespace unwind {
namespace {

using barrier::Outcome;
using barrier::Phase;
using barrier::Row;
using barrier::RowKey;
using barrier::Verdict;

// How long a caller can make a row be kept. A saga lives for days; longer would be its caller's mistake, kept for ever.
constexpr absl::Duration kKeepMax = absl::Hours(24 * 400);

RowKey KeyOf(const CallKey& key, Phase phase) { return {key.key_scope, key.saga_id, key.step, phase}; }

absl::Status Fenced(const std::string& domain, const CallKey& key) {
  return MakeError(absl::StatusCode::kAborted,
                   absl::StrCat("step ", key.step, " of ", key.saga_id, " was compensated or resolved before it came"),
                   {"FENCED", domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
}

absl::Status TooOld(const std::string& domain, const CallKey& key) {
  return MakeError(absl::StatusCode::kAborted, "the call was issued too long ago",
                   {"FENCED", domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
}

// To a caller that does not know of pending answers: nothing was decided.
absl::Status NotFinished(const std::string& domain, const CallKey& key, absl::Duration retry_after) {
  absl::Status status = MakeError(absl::StatusCode::kUnavailable,
                                  "the call was accepted and is not finished; call again with the same key",
                                  {"PENDING", domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
  return retry_after > absl::ZeroDuration() ? WithRetryAfter(std::move(status), retry_after) : status;
}

absl::Status Forgotten(const std::string& domain, const CallKey& key) {
  return MakeError(absl::StatusCode::kUnavailable,
                   absl::StrCat("what became of step ", key.step, " of ", key.saga_id,
                                " is not remembered: the call came after its saga had expired"),
                   {"KEYS_FORGOTTEN", domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
}

absl::Status KeyReused(const std::string& domain, const CallKey& key) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("step ", key.step, " of ", key.saga_id, " was called before with another request"),
                   {"KEY_REUSED", domain, {{"saga_id", key.saga_id}, {"step", key.step}}});
}

// The final "no" of a resolve. If the action was refused, in its words and with its reason as the cause: they reach the
// saga's caller.
absl::Status NeverHappened(const ParticipantOptions& options, const std::optional<Row>& action) {
  std::string message = "it was not carried out in time, and nothing was done";
  std::string cause = options.never_cause;
  if (action.has_value() && action->outcome == Outcome::kRefused) {
    const absl::Status refusal = ParseStatus(action->reply);
    message = std::string(refusal.message());
    cause = GetErrorInfo(refusal).reason;
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, message,
                   {"NEVER_HAPPENED", options.domain, {{"cause", cause}}});
}

// The decisions of a batch as they are made, and the barrier rows they write.
class Batch {
 public:
  Batch(const ParticipantOptions& options, absl::Time now, barrier::Rows rows)
      : options_(options), now_(now), rows_(std::move(rows)) {}

  const barrier::Rows& inserts() const { return inserts_; }
  const barrier::SettledRows& settled() const { return settled_; }

  // Whether the domain must be asked.
  bool Decide(Submission& call) {
    CallKey& key = call.command.key;
    if (HasUnscopedRows(key)) key.key_scope.clear();
    const std::optional<Row> action = Find(key, Phase::kAction);
    const std::optional<Row> own = Find(key, key.phase);
    const barrier::Decision decision = barrier::Decide({.phase = key.phase,
                                                        .payload_hash = call.payload_hash,
                                                        .memory = MemoryOf(key),
                                                        .decides = key.decides,
                                                        .too_old = IsTooOld(key)},
                                                       action, own);
    call.verdict = decision.verdict;
    if (decision.mark == Outcome::kTombstone) PutAction(key, Tombstone());
    if (decision.mark == Outcome::kSettling) PutAction(key, Settling(key, action->payload_hash));
    switch (decision.verdict) {
      case Verdict::kExecute:
        return true;
      case Verdict::kReplayOwn:
        Replay(*own, call.reply);
        break;
      case Verdict::kReplayAction:
        Replay(*action, call.reply);
        break;
      case Verdict::kNeverHappened:
        Refuse(call, NeverHappened(options_, action), /*store=*/true);
        break;
      case Verdict::kNothingToUndo:
        Insert(key, {Outcome::kOk, call.payload_hash, ""});
        break;
      case Verdict::kForgotten:
        call.reply.status = Forgotten(options_.domain, key);
        break;
      case Verdict::kFenced:
        call.reply.status = Fenced(options_.domain, key);
        break;
      case Verdict::kTooOld:
        call.reply.status = TooOld(options_.domain, key);
        break;
      case Verdict::kKeyReused:
        call.reply.status = KeyReused(options_.domain, key);
        break;
    }
    return false;
  }

  // Takes the domain's answer to a call that Decide returned true for.
  void Take(Submission& call) {
    Answer& answer = call.command.answer;
    if (auto* ok = std::get_if<Ok>(&answer)) return TakeOk(call, *ok);
    if (auto* refused = std::get_if<Refused>(&answer)) return TakeRefused(call, std::move(refused->status));
    if (std::holds_alternative<Intent>(answer)) return TakeIntent(call);
    if (const auto* later = std::get_if<Later>(&answer)) return TakeLater(call, *later);
    call.reply.status = std::move(std::get<Unknown>(answer).status);
    if (call.reply.status.ok()) call.reply.status = absl::InternalError("the service did not answer the call");
  }

 private:
  static Row Tombstone() { return {Outcome::kTombstone, "", ""}; }
  Row Settling(const CallKey& key, const std::string& payload_hash) const {
    return {Outcome::kSettling, payload_hash, SerializeStatus(Fenced(options_.domain, key))};
  }

  // From before callers were told apart: the same key and request are the same call still.
  bool HasUnscopedRows(const CallKey& key) const {
    const auto it = rows_.lower_bound({"", key.saga_id, key.step, Phase::kAction});
    return it != rows_.end() && it->first.key_scope.empty() && it->first.saga_id == key.saga_id &&
           it->first.step == key.step;
  }

  // A call that was sent before its saga expired may still be on its way for as long as it is not too old.
  absl::Time LastCallOf(const CallKey& key) const { return key.expires_at + options_.request_age_max; }

  absl::Time KeepUntil(const CallKey& key) const {
    return std::max(now_ + options_.row_age_max, std::min(LastCallOf(key), now_ + kKeepMax));
  }

  // By this machine's clock, which purges rows; and by the caller's, for this one may have been set back since.
  barrier::Memory MemoryOf(const CallKey& key) const {
    const bool says_when = key.expires_at != absl::InfinitePast();
    const bool is_sent_late = key.issued_at != absl::InfiniteFuture() && key.issued_at > key.expires_at;
    const bool is_late = says_when && (is_sent_late || now_ > LastCallOf(key));
    return is_late ? barrier::Memory::kMayLackRows : barrier::Memory::kWhole;
  }

  bool IsTooOld(const CallKey& key) const { return key.issued_at < now_ - options_.request_age_max; }

  std::optional<Row> Find(const CallKey& key, Phase phase) const {
    const auto it = rows_.find(KeyOf(key, phase));
    return it == rows_.end() ? std::nullopt : std::optional(it->second);
  }

  // Whether the action's row was there when it was loaded, and not final.
  bool ActionIsOpen(const CallKey& key) const {
    const std::optional<Row> action = Find(key, Phase::kAction);
    return action.has_value() && (action->outcome == Outcome::kPending || action->outcome == Outcome::kSettling);
  }

  void Insert(const CallKey& key, Row row) {
    row.keep_until = KeepUntil(key);
    inserts_.insert_or_assign(KeyOf(key, key.phase), std::move(row));
  }

  void PutAction(const CallKey& key, Row row) {
    row.keep_until = KeepUntil(key);
    const RowKey row_key = KeyOf(key, Phase::kAction);
    if (!ActionIsOpen(key)) {
      inserts_.insert_or_assign(row_key, std::move(row));
    } else {
      settled_.insert_or_assign(row_key, barrier::SettledRow{rows_.at(row_key).outcome, std::move(row)});
    }
  }

  static void Replay(const Row& row, Participant::Reply& reply) {
    if (row.outcome == Outcome::kOk) {
      reply.response = row.reply;
    } else {
      reply.status = ParseStatus(row.reply);
      reply.effect_free = true;
    }
  }

  void TakeOk(Submission& call, const Ok& ok) {
    const CallKey& key = call.command.key;
    if (ok.response != nullptr) call.reply.response = DeterministicBytes(*ok.response);
    Row row{Outcome::kOk, call.payload_hash, call.reply.response};
    switch (key.phase) {
      case Phase::kAction:
      case Phase::kResolve:  // what is stored is that the action happened
        return PutAction(key, std::move(row));
      case Phase::kCompensation:
        Insert(key, std::move(row));
        if (ActionIsOpen(key)) PutAction(key, Tombstone());  // or its second half would still come
        return;
    }
  }

  void TakeRefused(Submission& call, absl::Status status) {
    const CallKey& key = call.command.key;
    switch (key.phase) {
      case Phase::kAction:
        return Refuse(call, std::move(status), key.sticky);
      case Phase::kCompensation:
        return Refuse(call, std::move(status), /*store=*/false);
      case Phase::kResolve: {
        const bool never = GetErrorInfo(status).reason == "NEVER_HAPPENED";
        if (never) PutAction(key, Tombstone());
        return Refuse(call, std::move(status), never);
      }
    }
  }

  void TakeIntent(Submission& call) {
    call.continues = true;
    const CallKey& key = call.command.key;
    if (key.phase == Phase::kAction && !ActionIsOpen(key)) PutAction(key, {Outcome::kPending, call.payload_hash, ""});
  }

  void TakeLater(Submission& call, const Later& later) {
    const CallKey& key = call.command.key;
    // Written each time: at another process its compensation may have come meanwhile, and then this one must not count.
    if (key.phase == Phase::kAction) PutAction(key, {Outcome::kPending, call.payload_hash, ""});
    if (!key.accepts_pending) {
      call.reply.status = NotFinished(options_.domain, key, later.retry_after);
      return;
    }
    if (later.response != nullptr) call.reply.response = DeterministicBytes(*later.response);
    call.reply.pending = true;
    call.reply.retry_after = later.retry_after;
  }

  void Refuse(Submission& call, absl::Status status, bool store) {
    const CallKey& key = call.command.key;
    call.reply.status = std::move(status);
    call.reply.effect_free = store;
    if (!store) return;
    Row row{Outcome::kRefused, call.payload_hash, SerializeStatus(call.reply.status)};
    if (key.phase == Phase::kAction) return PutAction(key, std::move(row));
    Insert(key, std::move(row));
  }

  const ParticipantOptions& options_;
  const absl::Time now_;
  const barrier::Rows rows_;
  barrier::Rows inserts_;
  barrier::SettledRows settled_;
};

}  // namespace

SubmissionPtr MakeSubmission(int method, CallKey key, std::shared_ptr<const google::protobuf::Message> request,
                             Participant::Done done) {
  auto call = std::make_shared<Submission>();
  call->command.method = method;
  call->command.key = std::move(key);
  call->payload_hash = PayloadHash(*request);
  call->command.request = std::move(request);
  call->done = std::move(done);
  return call;
}

std::string CallOf(const Command& command) {
  return absl::StrCat(command.key.step, "/", barrier::NameOf(command.key.phase),
                      command.continuation.has_value() ? "/continued" : "");
}

std::string PayloadHash(const google::protobuf::Message& request) {
  // The NUL keeps the name and the bytes apart.
  return HexSha256(
      absl::StrCat(request.GetDescriptor()->full_name(), std::string(1, '\0'), DeterministicBytes(request)));
}

absl::Status RunBatch(soci::session& session, Domain& domain, const ParticipantOptions& options, absl::Time now,
                      const std::vector<SubmissionPtr>& calls) {
  barrier::Steps steps;
  for (const SubmissionPtr& call : calls) {
    const CallKey& key = call->command.key;
    steps.emplace(key.key_scope, key.saga_id, key.step);
    steps.emplace("", key.saga_id, key.step);
  }
  Batch batch(options, now, barrier::LoadRows(session, steps));
  std::vector<Submission*> asked;
  std::vector<Command*> commands;
  for (const SubmissionPtr& call : calls) {
    call->reply = {};
    call->continues = false;
    call->command.answer = {};
    if (!batch.Decide(*call)) continue;
    asked.push_back(call.get());
    commands.push_back(&call->command);
  }
  if (!commands.empty()) RETURN_IF_ERROR(domain.Apply(session, commands));
  for (const Submission* call : asked) CRASH_POINT("participant.after_change", CallOf(call->command));
  for (Submission* call : asked) batch.Take(*call);
  if (barrier::InsertRows(session, batch.inserts(), now) != batch.inserts().size() ||
      barrier::SettleRows(session, batch.settled(), now) != batch.settled().size()) {
    return absl::AbortedError("another process wrote the same barrier rows");
  }
  for (const SubmissionPtr& call : calls) CRASH_POINT("participant.after_row", CallOf(call->command));
  return absl::OkStatus();
}

}  // namespace unwind
