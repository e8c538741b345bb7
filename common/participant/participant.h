// A C++ saga participant: the contract of docs/PARTICIPANTS.md in one class. gRPC handlers submit; one writer thread
// drains up to `batch_max` requests and, in one transaction, decides each by its barrier rows, asks the domain about
// those to be executed, stores the answers, commits, and only then answers.
#ifndef UNWIND_COMMON_PARTICIPANT_PARTICIPANT_H_
#define UNWIND_COMMON_PARTICIPANT_PARTICIPANT_H_

#include <any>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/trace_context.h"
#include "common/db/connection.h"
#include "common/participant/barrier.h"
#include "google/protobuf/message.h"
#include "soci/session.h"

namespace unwind {

// Who calls, from the call's metadata (see ReadCallKey in common/participant/call_key.h).
struct CallKey {
  std::string key_scope;  // whose the idempotency-key is, without saga metadata (KeyScopeOf); with it empty
  std::string saga_id;    // or the idempotency-key, if there is no saga metadata
  std::string step;       // empty without saga metadata
  barrier::Phase phase = barrier::Phase::kAction;
  bool sticky = true;            // false for retriable actions and compensations: a refusal is not stored
  bool accepts_pending = false;  // saga-accepts: pending; its caller understands Later
  bool decides = false;          // saga-decide: now; this resolve ends the wait
  absl::Time issued_at = absl::InfiniteFuture();  // of this send; infinite: not said
  absl::Time expires_at = absl::InfinitePast();   // past it the saga calls no more, and rows go; infinite: not said
  TraceContext trace = {};                        // within which the call is served
};

// Who makes something: the action, the resolve and the compensation of a saga's step are one; another call that names
// the same id is another. The size keeps apart what a '/' in an id would bring together.
inline std::string OwnerOf(const CallKey& key) {
  const std::string owner = absl::StrCat(key.saga_id.size(), ":", key.saga_id, "/", key.step);
  return key.key_scope.empty() ? owner : absl::StrCat(owner, "@", key.key_scope);
}

// The step that OwnerOf wrote; nothing: no saga's step did it.
struct StepName {
  std::string saga_id;
  std::string step;
};
std::optional<StepName> StepOf(absl::string_view owner);

// What the domain says of one command.
struct Ok {
  std::unique_ptr<google::protobuf::Message> response;
};
struct Refused {
  absl::Status status;  // not OK, with ErrorInfo; it has changed nothing that its caller would have to undo
};
struct Unknown {        // nothing can be said now; no barrier row is stored, the caller asks again
  absl::Status status;  // UNAVAILABLE, with ErrorInfo
};
// The call takes two transactions: this one commits an intent, then Domain::Continue does the slow thing outside of any
// transaction, then the command is applied again with its `continuation` set.
struct Intent {};
// Accepted, not finished: the caller hears `response` now and calls again under the same key, after `retry_after` if it
// is not zero, until the answer is another. A caller that does not accept that is answered UNAVAILABLE, reason PENDING.
// Not for a call that decides, unless settling itself takes time.
struct Later {
  std::unique_ptr<google::protobuf::Message> response;
  absl::Duration retry_after = absl::ZeroDuration();
};
using Answer = std::variant<Unknown, Ok, Refused, Intent, Later>;

// One request of a batch.
struct Command {
  int method = 0;  // the service's own numbering
  CallKey key;
  std::shared_ptr<const google::protobuf::Message> request;
  std::any continuation;  // empty the first time; then what Domain::Continue gave
  Answer answer;          // out
};

// The business of one service. Apply runs on the writer's thread only.
class Domain {
 public:
  virtual ~Domain() = default;

  // Inside the batch's transaction: loads the rows the commands touch (one SELECT a table), decides each in order with
  // pure functions, writes each table once, sets each answer. At most one command per (saga, step) is in a batch. Must
  // not catch soci_error; a status that is not OK rolls the whole batch back, and each command is then tried alone
  // (ABORTED: the batch is run again first, as after a claim lost to another process).
  virtual absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) = 0;

  // After the commit of a command that answered Intent, on the writer's thread. Calls `done` exactly once, on any
  // thread, possibly before it returns, possibly after the Participant stopped or was destroyed (the call is then
  // UNAVAILABLE). `command` lives until then. A domain that never answers Intent need not have it.
  virtual void Continue(const Command& command, std::function<void(std::any)> done);

  // After the commit of a command that Apply was asked about, on the writer's thread, before it is answered. Must not
  // block.
  virtual void Committed(const Command& command);
};

struct ParticipantOptions {
  std::string domain;            // of ErrorInfo, such as "stock.shop.unwind"
  std::size_t batch_max = 256;   // requests in one transaction
  std::size_t queue_max = 4096;  // calls not answered yet; more are RESOURCE_EXHAUSTED with RetryInfo
  absl::Duration request_age_max = absl::Minutes(15);  // an action issued longer ago that has no row is FENCED
  absl::Duration row_age_max = absl::Hours(24 * 30);   // barrier rows are kept so long, and while their saga may call
  std::string never_cause = "NEVER_RECEIVED";  // `cause` of NEVER_HAPPENED for an action that never came or was fenced
};

// Thread-safe.
class Participant {
 public:
  // `response` bytes of an OK answer, or an error. `effect_free`: send the trailer `saga-outcome: refused`. `pending`,
  // of an OK answer: send `saga-outcome: pending`, and `saga-retry-after` if it is not zero.
  struct Reply {
    absl::Status status;
    std::string response;
    bool effect_free = false;
    bool pending = false;
    absl::Duration retry_after = absl::ZeroDuration();
  };
  using Done = absl::AnyInvocable<void(Reply) &&>;

  // Brings the barrier's table in the participant's own database up to date. Before the constructor.
  static absl::Status Migrate(Connection& connection);

  // Takes over `connection` for writing. `domain` and `clock` must outlive it.
  Participant(std::unique_ptr<Connection> connection, Domain& domain, const Clock& clock, ParticipantOptions options);
  ~Participant();

  // Calls `done` exactly once: after the commit, on the writer's thread; at once with RESOURCE_EXHAUSTED, reason
  // OVERLOADED, if too many wait. UNAVAILABLE, reason STORE_UNAVAILABLE, and INTERNAL, reason STORE_FAILED, say nothing
  // of whether it happened.
  void Submit(int method, CallKey key, std::shared_ptr<const google::protobuf::Message> request, Done done);

  // Writes what changes nothing, behind the calls that were submitted before: `done` gets how that ended, on the
  // writer's thread. REQUIRES: the one before has ended.
  void Probe(std::function<void(absl::Status)> done);

  // Answers what is queued, then stops; what comes later is UNAVAILABLE. Idempotent.
  void Stop();

 private:
  class Writer;
  std::shared_ptr<Writer> writer_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_PARTICIPANT_H_
