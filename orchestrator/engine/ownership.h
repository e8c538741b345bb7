// Whose a saga is, and whether its copy in memory is what is stored. Nothing is decided on a stale copy; sagas of other
// instances are watched for their waiters, taken for an operator, or left alone.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_
#define UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_

#include <optional>

#include "orchestrator/engine/pending_commit.h"

namespace unwind {

// Lets `waiter` wait for the saga that its key has started already, if that was by the same input. Thread-safe.
void AttachToExisting(DriverContext& context, const Saga& existing, const std::string& input_hash, Waiter waiter);

// What Load found.
struct LoadedSagas {
  // This instance's own, but not what their copies in memory were made from.
  std::vector<RecoverMail> recovered;
  // As their copies in memory once were: what waited for the row of one is handled as if it had not been shed.
  struct Refilled {
    std::string saga_id;
    std::vector<EventMail> events;
    std::vector<AskMail> asks;
  };
  std::vector<Refilled> refilled;
};

// Not thread-safe.
class Ownership {
 public:
  Ownership(DriverContext& context, LiveSagas& live, PendingCommit& pending)
      : context_(context), live_(live), pending_(pending) {}

  // Whether the mail's saga is left as it is stored until its row is due, unless somebody asks something of it or it is
  // in memory.
  bool WaitsForItsTurn(const RecoverMail& mail);

  // Brings a saga of this instance into memory as it is stored. Its copy, on which TakenOver must be decided, or
  // Started if it was born and not started yet; null if it is driven already, stands still, or its definition is
  // unknown.
  LiveSaga* Recover(Saga stored);

  // The copy in memory is stale, and nothing is decided on it until its row was loaded.
  void Reload(LiveSaga& live);

  // Lets a caller wait for a saga, of this or another instance. OVERLOADED if too many wait for this one.
  void Attach(AttachMail mail);

  // The event is decided once the row of its saga, which is shed, was loaded.
  void Await(EventMail mail) { wanted_[mail.saga_id].events.push_back(std::move(mail)); }

  // Puts an operator's request to a saga that is shed or not driven here: a row of another instance is made this one's
  // own first, and its previous owner sees a conflict at its next write. A nudge is put to this instance's own alone.
  void Ask(AskMail mail) { wanted_[mail.saga_id].asks.push_back(std::move(mail)); }

  // Another saga has the key of this one, which was not stored: its callers are told of the other.
  void KeyTaken(LiveSaga& live);

  // The store refuses what was decided for the saga: it stands as it is stored, this instance's own and driven by
  // nobody, until an operator asks something of it, another instance moves it or the process starts again. Everybody
  // who waits is told.
  void Quarantine(LiveSaga& live, const Landed& refused);

  // Whether Load has something to load.
  bool wants_rows() const { return !wanted_.empty(); }

  // Loads by one statement the rows that were asked for, as many as fit into a page, and uses them: sagas of other
  // instances are watched for their waiters, those that nobody needs are forgotten. Nothing while the store is away.
  LoadedSagas Load(absl::Time now);

 private:
  // Who needs the row of a saga, besides its copy in memory.
  struct Wanted {
    std::vector<Waiter> waiters;
    std::vector<AskMail> asks;
    std::vector<EventMail> events;  // only while its copy is shed
  };

  LiveSaga* Insert(Saga saga);
  bool StandsStill(const Saga& stored) { return context_.quarantine.Holds(stored, context_.lease.instance); }
  absl::StatusOr<Saga> Take(const Saga& stored);
  absl::Status WhyNotNudged(const absl::StatusOr<Saga>& stored, const AskMail& nudge);
  void AnswerNudges(std::vector<AskMail>& asks, const absl::StatusOr<Saga>& stored);
  void AnswerAsks(Wanted& wanted, absl::StatusOr<Saga>& stored, RecoverMail& recover);
  bool Refill(LiveSaga& live, Wanted& wanted, absl::StatusOr<Saga>& stored);
  std::optional<RecoverMail> Use(const std::string& saga_id, Wanted wanted, absl::StatusOr<Saga> stored,
                                 absl::Time now);
  bool IsToldForNow(const LiveSaga& live) const;
  void MarkStale(LiveSaga& live);
  void Watch(LiveSaga& live, Saga stored, absl::Time now);

  DriverContext& context_;
  LiveSagas& live_;
  PendingCommit& pending_;
  std::map<std::string, Wanted> wanted_;  // by saga id
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_OWNERSHIP_H_
