// The imperative shell: decide, commit, act. One shard's turn drains its mailbox, runs Advance over each event, commits
// all the decisions in one transaction, then sends what they say. Timers live in memory and follow from the rows.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_DRIVER_H_
#define UNWIND_ORCHESTRATOR_ENGINE_DRIVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/participants.h"
#include "orchestrator/engine/saga_store.h"

namespace unwind {

class KeyLookup;
class Shard;
class WakeSweep;

struct DriverOptions {
  std::size_t shards = 1;             // threads that decide and commit, by saga id
  std::size_t batch_max = 256;        // events in one turn
  std::size_t in_flight_max = 20000;  // accepted and unfinished sagas; more are refused
  double definition_share_max = 0.8;  // of in_flight_max, for one definition where several are served
  std::size_t stuck_max = 100000;     // stuck sagas, which take no room; more count as in flight
  std::size_t followers_max = 100;    // sagas of one follower (S17) that are started and unfinished; more wait
  std::size_t waiting_max = 1000000;  // sagas with a step that waits (S13); more that may wait are refused
  std::size_t poll_rate_max = 100;    // of those that rest so many are asked again in a second
  std::size_t waiters_max = 20000;    // callers that wait for an answer; more are refused
  // Bytes of the sagas in memory; beyond it those that rest are loaded again when something happens to them.
  std::size_t saga_memory_max = 256 << 20;
  // Bytes of the requests that wait for their turn, and as many of the replies; what comes beyond is refused, or not
  // kept and asked for again.
  std::size_t queue_memory_max = 64 << 20;
  std::size_t turn_bytes_max = 4 << 20;  // of rows and events in one transaction, unless one saga has more
  std::uint64_t seed = 0;                // of jitter and ids; 0: from the system
};

// A request of a served method, checked and not yet accepted.
struct NewSaga {
  std::shared_ptr<const Definition> definition;
  std::string key_scope = {};  // whose the key is; empty: of callers that are not told apart
  std::string key;             // empty: the driver makes a UUIDv7
  std::string input;
  std::string input_hash;
  TraceContext trace;
};

// What a caller of a served method gets to know.
struct Progress {
  absl::Status status;  // OK: `saga` is terminal or running; else why it was not accepted, or that it cannot be said
  Saga saga;
  bool undriven = false;  // it is running and this instance's own, which cannot drive it: only an operator helps
};

// Counts and times what the driver does; called from its threads, so it must be quick and thread-safe.
class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  virtual void OnStarted(const Saga& saga) = 0;
  virtual void OnFinished(const Saga& saga) = 0;
  virtual void OnReplied(const Plan& plan, const Replied& reply, bool stale) = 0;
  virtual void OnParked(const Saga& saga, const std::string& step) = 0;
  // The store refuses what was decided for the saga, and takes others: it stands still.
  virtual void OnQuarantined(const Saga& saga) = 0;
  // A saga's row cannot be read; once for each.
  virtual void OnUnreadable() = 0;
  // The payload of a saga was dropped from memory.
  virtual void OnShed(const std::string& saga_id) = 0;
  virtual void OnTurn(std::size_t events, std::size_t sagas, absl::Duration commit) = 0;
  // A turn's transaction was not committed, or that is not known, for the store's sake; it is repeated.
  virtual void OnCommitFailed() = 0;
  // A saga is driven on from what is stored, after a start, a takeover, or a write that met a conflict; nobody hears
  // the answers to the calls that are out.
  virtual void OnRecovered(const Plan& plan, const Saga& saga) = 0;
  // Sagas were made this instance's own since their owner's lease was over; of `released` their owner had ended it.
  virtual void OnTakenOver(std::size_t sagas, std::size_t released) = 0;
};

// Thread-safe, but for the calls that drive it.
class Driver {
 public:
  // All must outlive it. Takes the lease of `lease` for granted.
  Driver(SagaStore& store, Participants& participants, const DefinitionCatalog& catalog, const Clock& clock,
         DriverObserver& observer, Lease lease, DriverOptions options);
  ~Driver();

  // Starts its threads. Call once, before the first call of Accept or Ask.
  void Start();

  // Instead of Start, for who drives it by himself, such as a simulator: each shard's turn (whether there was anything
  // to do); when a turn is due even if nobody calls or answers. One thread only.
  bool Turn();
  absl::Time NextDue() const;
  // And what goes on while Turn waits for the store: the callers whose shard is late are answered, which is due then.
  void AnswerLate();
  absl::Time NextLate() const;

  // Recovers every unfinished saga this instance owns; the first go on while others are still read. Takes over at most
  // `limit` unfinished sagas of instances whose lease is over: how many; UNAVAILABLE: call it again. Both for one
  // thread at a time, besides the others.
  absl::Status Recover();
  absl::StatusOr<int> Claim(int limit);

  // Starts sagas that another saga's end gave birth to (S17) and that are this instance's: those that were born first,
  // of each definition up to followers_max in flight, of one that is paused none. How many were found, and whether
  // there may be more to start at once; UNAVAILABLE: call it again. For one thread.
  struct Swept {
    int sagas = 0;
    bool may_be_more = false;
  };
  absl::StatusOr<Swept> StartFollowers();

  // Brings the sagas of this instance back into memory that rested and are due: those whose wait is over, and of the
  // others at most poll_rate_max a second; of a definition none that would make it have more than twice in_flight_max
  // in flight. As StartFollowers, and for the same thread.
  absl::StatusOr<Swept> WakeResting();

  // Counts the sagas that rest, for waiting(), oldest_wait_seconds() and waiting_max. An error leaves the last count.
  absl::Status CountResting();

  // The catalog knows more definitions than before: the next Claim recovers the sagas of them that this instance owns.
  void OnDefinitionsLearnt();

  // Accepts a saga, or attaches to the one its key started, whichever instance drives that.
  // `accepted(saga_id)` is called once it is stored (or found);
  // `answered` exactly once: when the saga is terminal, at `answer_by` as it stands, or when it is refused
  // (RESOURCE_EXHAUSTED OVERLOADED or UNAVAILABLE DEFINITION_PAUSED, with RetryInfo; INVALID_ARGUMENT KEY_REUSED). Both
  // on the driver's threads: do not block. Its caller calls what it returns if it leaves, before or after
  // `answered`, which then need not be called: its place among --waiters_max is free at once, and its saga rests as if
  // nobody waited for it, from the next question on.
  std::function<void()> Accept(NewSaga saga, absl::Time answer_by, std::function<void(const std::string&)> accepted,
                               std::function<void(Progress)> answered);

  // Reads from the store which definitions are paused: before Start, and from then on again and again.
  // Blocks for as long as the store takes; an error leaves what was read before.
  absl::Status ReadPauses();

  // The same, and answers once it holds here: no saga of a definition that is paused then is about to be stored.
  // UNAVAILABLE STORE_UNAVAILABLE: that is not so, or not known.
  void HoldPauses(std::function<void(absl::Status)> held);

  // By definition, those that are served also with 0: 1 if no saga of it is started.
  std::map<std::string, std::size_t> paused() const;

  // Puts to a saga what a person asks (CancelRequested, Operated); answers it as it stands then, within 10 s. A saga of
  // another instance is taken from it. NOT_FOUND SAGA_NOT_FOUND; UNAVAILABLE SAGA_MOVED if `seen_version` is not 0 and
  // no longer the saga's, SAGA_NOT_HELD if its definition is not known here yet, STORE_UNAVAILABLE; FAILED_PRECONDITION
  // DEFINITION_UNUSABLE if that cannot be driven here; RESOURCE_EXHAUSTED
  // OVERLOADED.
  void Ask(const std::string& saga_id, Event event, std::int64_t seen_version, std::function<void(Progress)> answered);

  // Says of a step that waits that it may be finished (S14): it is asked about at once, or once more after the answer
  // that is out, at most once a second. Never takes the saga from another instance. NOT_FOUND SAGA_NOT_FOUND,
  // STEP_NOT_FOUND; FAILED_PRECONDITION SAGA_FINISHED, STEP_NOT_WAITING, DEFINITION_UNUSABLE; UNAVAILABLE
  // SAGA_ELSEWHERE, SAGA_NOT_HELD, STORE_UNAVAILABLE; RESOURCE_EXHAUSTED OVERLOADED; INTERNAL SAGA_QUARANTINED. Within
  // 10 s.
  void Nudge(const std::string& saga_id, std::string step, std::function<void(absl::Status)> answered);

  // Tells every caller that still waits how its saga stands, as at its own deadline, and every later one; to be called
  // shortly before nobody can be answered any more. Returns once all are told. With Start only.
  void AnswerWaiting();

  // Accepted and unfinished sagas.
  std::size_t in_flight() const;

  // By definition, those that are served also with 0: sagas with a step whose call has failed for long and is still
  // repeated (IsStuck).
  std::map<std::string, std::size_t> stuck() const;

  // The same: sagas with a step that waits (S13), in memory or at rest; and for how many seconds the oldest wait goes
  // on that only its answer ends, 0 if there is none.
  std::map<std::string, std::size_t> waiting() const;
  std::map<std::string, std::size_t> oldest_wait_seconds() const;

  // Sagas that stand still since the store refuses what was decided for them, by definition, those that are served also
  // with 0; and rows that cannot be read.
  std::map<std::string, std::size_t> quarantined() const;
  std::size_t unreadable() const;
  // Looks whether they still are; a row that can be read again is recovered by the next Claim. For one thread.
  void LookAgain();

  // The store refused this instance's lease: nothing is driven any more and the process should exit.
  bool lease_lost() const;

  // A shard's last commit failed for the store's sake, and is repeated until it lands.
  bool commits_fail() const;

  // Stops taking events, waits for the turn at hand. Unfinished sagas stay owned and are recovered by the next start.
  // Idempotent.
  void Stop();

 private:
  Shard& ShardOf(const std::string& saga_id);
  absl::Status PostRecovered(std::vector<Saga>& sagas);
  bool IsRecovering() const;  // some of these are not driven yet
  std::map<std::string, std::size_t> WithThoseServed(std::map<std::string, std::size_t> counts) const;
  void Flush(std::size_t first_shard, std::function<void(absl::Status)> flushed);

  const std::shared_ptr<struct DriverContext> context_;
  std::mutex mutex_;
  std::mt19937_64 random_;  // of ids; guarded by mutex_
  std::vector<std::shared_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
  const std::unique_ptr<KeyLookup> key_lookup_;
  const std::unique_ptr<WakeSweep> wake_sweep_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_DRIVER_H_
