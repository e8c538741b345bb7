// The storage port. Two real implementations (memory, SQL over SQLite and PostgreSQL) pass one contract suite:
// tests/contract/saga_store_contract.h.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SAGA_STORE_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SAGA_STORE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/core/follower.h"
#include "orchestrator/core/saga.h"

namespace unwind {

// Proof of ownership: this instance, in this epoch. Every commit is fenced by it (S9).
struct Lease {
  std::string instance;
  std::int64_t epoch = 0;

  bool operator==(const Lease&) const = default;
};

// One entry of a saga's history. Folding a saga's events through Advance gives exactly its row.
struct HistoryEvent {
  std::int64_t seq = 0;  // the saga's version after it
  Moment moment;
  Event event;
  SagaState state = SagaState::kRunning;  // after it
  std::vector<Send> sends;                // of the decision

  bool operator==(const HistoryEvent&) const = default;
};

// One saga's part of a turn's transaction.
struct SagaWrite {
  std::int64_t seen_version = 0;  // 0: insert; else the stored version this was decided from
  Saga saga;
  absl::Time next_run_at = absl::InfiniteFuture();
  // Of one that rests, beside saga.due_at: when its wait ends, whatever its participants say, and since when its oldest
  // wait goes on that only an answer ends. Infinite: never, there is none.
  absl::Time wait_ends_at = absl::InfiniteFuture();
  absl::Time waits_since = absl::InfiniteFuture();
  // REQUIRES: true of an update that changes what is stored of these two or of saga.due_at. No insert has these two.
  // What waits for its turn (S17) is due at its create_time, what rests later than that.
  bool changes_due_at = false;
  std::vector<HistoryEvent> events;  // seq seen_version + 1 .. saga.version
};

enum class WriteResult : std::uint8_t {
  kStored,
  // The stored version is not seen_version, or another instance owns it, or the row of an insert is there already, as
  // after an earlier try: drop the copy and load again.
  kConflict,
  kKeyExists,  // an insert whose (definition, key_scope, key), or (definition, '', key), another saga has: load that
};

// Which sagas a list has: those that every field lets through.
struct SagaFilter {
  std::string definition = {};  // empty: all
  std::string key = {};         // in every key scope; empty: all. REQUIRES: a definition
  std::optional<SagaState> state = {};
  absl::Time created_from = absl::InfinitePast();      // inclusive
  absl::Time created_before = absl::InfiniteFuture();  // exclusive
  std::string before_id = {};                          // page: only ids below it; empty: from the newest
  int limit = 50;
};

// All but the page.
inline bool LetsThrough(const SagaFilter& filter, const Saga& saga) {
  return (filter.definition.empty() || saga.definition == filter.definition) &&
         (filter.key.empty() || saga.key == filter.key) && (!filter.state.has_value() || saga.state == *filter.state) &&
         saga.create_time >= filter.created_from && saga.create_time < filter.created_before;
}

// A row that this program cannot read: a newer version wrote it, or it is damaged.
struct UnreadableSaga {
  std::string id;
  std::string why;

  bool operator==(const UnreadableSaga&) const = default;
};

// A page ends with the row that makes it longer than this, in bytes, so that it fits into memory.
inline constexpr std::size_t kPageBytesMax = 4 << 20;

// Sagas in the order that was asked for. An unreadable row is named and left alone; it is no error of the others.
struct SagaPage {
  std::vector<Saga> sagas;
  std::vector<UnreadableSaga> unreadable;
  std::string last_id;       // of the last row, readable or not: the next page begins after it. Empty: there was no row
  bool is_cut = false;       // of LoadMany and lists: it ended because of kPageBytesMax
  std::size_t released = 0;  // of Claim: how many of `sagas` had an owner that ended its lease itself

  std::size_t rows() const { return sagas.size() + unreadable.size(); }
};

// How new a saga is and how it stands, without the rest of it.
struct SagaHead {
  std::string id;
  std::int64_t version = 0;
  SagaState state = SagaState::kRunning;

  bool operator==(const SagaHead&) const = default;
};

// What a saga's end gave birth to.
struct Child {
  std::string id;
  DefinitionVersion definition;
  SagaState state = SagaState::kRunning;

  bool operator==(const Child&) const = default;
};

// How many unfinished sagas of one version of a definition are in one state.
struct UnfinishedCount {
  DefinitionVersion definition;
  SagaState state = SagaState::kRunning;
  std::int64_t sagas = 0;
  absl::Time oldest;  // the least create_time of them

  bool operator==(const UnfinishedCount&) const = default;
};

// How many sagas of one version of a definition rest, and since when the oldest wait of them goes on that only an
// answer ends; infinite: there is none.
struct RestingCount {
  DefinitionVersion definition;
  std::int64_t sagas = 0;
  absl::Time oldest;

  bool operator==(const RestingCount&) const = default;
};

// What has come of a row that nobody drives.
enum class DueFor : std::uint8_t {
  kStart,    // the turn of a saga that was born (S17)
  kPoll,     // of one that rests, the time to ask again or for more
  kWaitEnd,  // of one that rests, the end of its wait
};

// A definition as it was accepted, with the descriptors it needs.
struct StoredDefinition {
  std::string name;
  int version = 0;
  std::string hash;  // of yaml and descriptors, hex
  std::string yaml;
  std::string descriptors;  // a serialized google.protobuf.FileDescriptorSet

  bool operator==(const StoredDefinition&) const = default;
};

// That no saga of a definition may be started, of any version.
struct DefinitionPause {
  std::string definition;
  absl::Time since;    // by the database's clock
  std::string actor;   // who decided it
  std::string reason;  // callers are told

  bool operator==(const DefinitionPause&) const = default;
};

// Thread-safe; calls block for as long as the database takes. UNAVAILABLE: try again. Nothing is ever half-applied.
class SagaStore {
 public:
  virtual ~SagaStore() = default;

  // All or nothing for the transaction, one result per write: a write that is not kStored changes nothing, the others
  // stand. A write that ends its saga brings what follows it (BirthsOf of Followers, in births.h), also if it inserts
  // it; a child that is there already stays as it is; without the end none is born. Nothing was written: ABORTED, the
  // lease is over; DATA_LOSS, what follows a saga cannot be read. UNAVAILABLE: it may have been stored; load to see.
  virtual absl::StatusOr<std::vector<WriteResult>> Commit(const Lease& lease, const std::vector<SagaWrite>& writes) = 0;

  // NOT_FOUND if there is none; DATA_LOSS if it cannot be read.
  virtual absl::StatusOr<Saga> Load(absl::string_view saga_id) = 0;
  // Those of `ids` that there are, ascending, in one statement; if the page is cut, none above its last_id.
  virtual absl::StatusOr<SagaPage> LoadMany(const std::vector<std::string>& ids) = 0;
  // While sagas of scope '' are kept, from before callers were known, a key is looked up there too: of two sagas the
  // one of `key_scope` is the answer.
  virtual absl::StatusOr<Saga> LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                         absl::string_view key) = 0;

  // Newest (highest id) first; at most filter.limit of them or kPageBytesMax bytes.
  virtual absl::StatusOr<SagaPage> List(const SagaFilter& filter) = 0;

  // Unfinished sagas of all owners, in `state` if that is given, ids above `after_id`, ascending: the oldest first; at
  // most `limit` of them or kPageBytesMax bytes.
  virtual absl::StatusOr<SagaPage> ListUnfinished(std::optional<SagaState> state, absl::string_view after_id,
                                                  int limit) = 0;

  // The heads of what List would list, without its limit on bytes: to see what has changed, often and cheaply.
  virtual absl::StatusOr<std::vector<SagaHead>> ListHeads(const SagaFilter& filter) = 0;
  // Those of `seen` that are stored with a higher version, whatever their states, ascending, in one statement; if the
  // page is cut, none above its last_id.
  virtual absl::StatusOr<SagaPage> LoadNewer(const std::vector<SagaHead>& seen) = 0;

  // Entries with seq > after_seq, ascending, at most `limit`. Empty also for a saga that does not exist.
  virtual absl::StatusOr<std::vector<HistoryEvent>> History(absl::string_view saga_id, std::int64_t after_seq,
                                                            int limit) = 0;

  // Takes or renews the lease row of `instance` (unique id, stable over restarts) with a new epoch, reachable at
  // `address`. What an older epoch has claimed, taken or written by then LoadOwned finds; it does nothing more.
  virtual absl::StatusOr<Lease> Acquire(absl::string_view instance, absl::string_view address,
                                        absl::Duration length) = 0;
  // Extends it. ABORTED if the epoch is no longer the stored one.
  virtual absl::Status Renew(const Lease& lease, absl::Duration length) = 0;

  // The unfinished sagas that `lease.instance` owns and that are not left to LoadDue, ids above `after_id`, ascending:
  // what a start has to recover again. At most `limit` of them or kPageBytesMax bytes; no row only if there is none.
  virtual absl::StatusOr<SagaPage> LoadOwned(const Lease& lease, absl::string_view after_id, int limit) = 0;

  // The unfinished sagas of `definition` that `lease.instance` owns and that are due for `what`: those that are due
  // first, in that order; at most `limit` of them or kPageBytesMax bytes. Those whose ids are in `without` take no
  // place.
  virtual absl::StatusOr<SagaPage> LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what,
                                           absl::Time now, const std::vector<std::string>& without, int limit) = 0;
  // How many `instance` owns of each definition that wait for their turn, and that rest; only counts above 0.
  virtual absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> CountUnstarted(
      absl::string_view instance) = 0;
  virtual absl::StatusOr<std::vector<RestingCount>> CountResting(absl::string_view instance) = 0;

  // Ends it, so that others may claim its sagas at once. OK also if it is over.
  virtual absl::Status Release(const Lease& lease) = 0;

  // Makes at most `limit` unfinished sagas of the definitions `drivable` `lease.instance`'s own whose owner is another
  // and has a lease that is over: those that go back first, then those that were driven, and last those that are left
  // to LoadDue, which may be very many; as they are now, about kPageBytesMax at most. An unreadable one keeps its owner
  // (at most `limit` of these are named). What the former owner still writes of them is a conflict. Nothing if `lease`
  // is over. UNAVAILABLE: it may own more sagas than it knows; LoadOwned tells.
  virtual absl::StatusOr<SagaPage> Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                         int limit) = 0;
  // The same of one unfinished saga, of any owner. NOT_FOUND: there is no such saga, it is finished, or `lease` is
  // over.
  virtual absl::StatusOr<Saga> Take(const Lease& lease, absl::string_view saga_id) = 0;

  // Removes finished sagas last updated before `before`, with their history and keys; at most `limit`. How many.
  virtual absl::StatusOr<int> Purge(const Lease& lease, absl::Time before, int limit) = 0;

  // Keeps a definition, and notes the time. ALREADY_EXISTS if the same name and version is stored with another hash;
  // equal: OK.
  virtual absl::Status PutDefinition(const StoredDefinition& definition) = 0;
  // NOT_FOUND if it is not stored.
  virtual absl::StatusOr<StoredDefinition> LoadDefinition(absl::string_view name, int version) = 0;
  // All that are stored, ascending.
  virtual absl::StatusOr<std::vector<DefinitionVersion>> StoredDefinitions() = 0;
  // Those of unfinished sagas of all owners, ascending. They need not be stored.
  virtual absl::StatusOr<std::vector<DefinitionVersion>> DefinitionsInUse() = 0;
  // The unfinished sagas that `instance` owns, of all if it is empty, by definition and state, ascending; only counts
  // above 0.
  virtual absl::StatusOr<std::vector<UnfinishedCount>> CountUnfinished(absl::string_view instance) = 0;
  // The same of those whose owner is another than `instance` and has a lease that is over.
  virtual absl::StatusOr<std::vector<UnfinishedCount>> CountOrphaned(absl::string_view instance) = 0;
  // Removes the stored definitions that have no saga, follow none and were last put longer than `unused_for` ago, by
  // the database's clock; which. Who may start sagas of a definition must put it more often than that.
  virtual absl::StatusOr<std::vector<DefinitionVersion>> PurgeDefinitions(absl::Duration unused_for) = 0;

  // Who follows whom, by parent and definition; of one that cannot be read, that it is there (Follower::unreadable).
  // The end of its parent is refused, and PutFollowers writes it back as it was.
  virtual absl::StatusOr<FollowerSet> Followers() = 0;
  // Puts `followers` in the place of all, and makes the generation one higher. ABORTED if that is not
  // `seen_generation`. No commit that begins after it has returned ends a saga without them.
  virtual absl::Status PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) = 0;
  // What the end of a saga gave birth to, by definition.
  virtual absl::StatusOr<std::vector<Child>> Children(absl::string_view parent_id) = 0;

  // Notes a pause. One that is noted already keeps its time, with the new actor and reason. It stops nobody: who starts
  // sagas looks at Pauses. NOT_FOUND if no version of the definition is stored.
  virtual absl::StatusOr<DefinitionPause> PutPause(const std::string& definition, const std::string& actor,
                                                   const std::string& reason) = 0;
  // Ends it; OK also if there is none. NOT_FOUND as above.
  virtual absl::Status RemovePause(const std::string& definition) = 0;
  // All, by definition.
  virtual absl::StatusOr<std::vector<DefinitionPause>> Pauses() = 0;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SAGA_STORE_H_
