// A driver's surroundings in memory: a definition of any plan, a store that can be made to fail, participants that are
// told what to answer.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_WORLD_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_WORLD_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/empty.pb.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/driver.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "tests/support/memory_saga_store.h"

namespace unwind {

// Requests are "saga/step/phase"; nothing is mapped.
class PlainDefinition final : public Definition {
 public:
  // Requests of phase `unbuildable` cannot be built.
  explicit PlainDefinition(Plan plan, std::optional<Phase> unbuildable = std::nullopt)
      : plan_(std::move(plan)), unbuildable_(unbuildable) {
    for (const StepPlan& step : plan_.steps) {
      methods_.push_back({.action = absl::StrCat("/test/", step.name, ".action"),
                          .compensation = absl::StrCat("/test/", step.name, ".compensation"),
                          .resolve = absl::StrCat("/test/", step.name, ".resolve"),
                          .overrides = {},
                          .place = ""});
    }
  }

  const Plan& plan() const override { return plan_; }
  const google::protobuf::MethodDescriptor* serves() const override {
    if (follows_.has_value()) return nullptr;
    return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
        "shop.checkout.v1.CheckoutService.PlaceOrder");
  }
  const Follows* follows() const override { return follows_.has_value() ? &*follows_ : nullptr; }
  void set_follows(Follows follows) { follows_ = std::move(follows); }
  const StepMethods& methods(int step) const override { return methods_[static_cast<std::size_t>(step)]; }
  bool key_required() const override { return true; }
  std::unique_ptr<google::protobuf::Message> NewInput() const override {
    return std::make_unique<google::protobuf::Empty>();
  }
  std::string Key(const google::protobuf::Message&) const override { return ""; }
  absl::StatusOr<std::string> Request(const Saga& saga, int step, Phase phase) const override {
    if (phase == unbuildable_) return absl::InternalError("a stored reply does not parse");
    return absl::StrCat(saga.id, "/", step, "/", static_cast<int>(phase));
  }
  bool ReplyParses(int, Phase, const std::string& bytes) const override { return bytes != "not a reply"; }
  absl::StatusOr<std::string> Response(const Saga&) const override { return "done"; }
  absl::Status Error(const Saga& saga) const override { return absl::AbortedError(saga.failure.reason); }
  const std::string& yaml() const override { return nothing_; }
  const std::string& descriptors() const override { return nothing_; }
  const std::string& hash() const override { return nothing_; }

 private:
  const Plan plan_;
  const std::optional<Phase> unbuildable_;
  std::optional<Follows> follows_;
  std::vector<StepMethods> methods_;
  const std::string nothing_;
};

// A memory store whose next commits can be made to fail, before or after they take effect.
class FaultyStore final : public SagaStore {
 public:
  // kLandsLate: it is not answered, and is stored when it is repeated, which waits for it.
  enum class Fault { kNotStored, kStoredButUnknown, kLandsLate };

  void FailNextCommit(Fault fault) {
    std::lock_guard lock(mutex_);
    faults_.push_back(fault);
  }

  // A claim takes effect and is not answered.
  void SetClaimsAreSilent(bool silent) { claims_are_silent_ = silent; }

  // What reads very many rows in one statement takes too long.
  void SetScansFail(bool fail) { scans_fail_ = fail; }

  // Why no definition can be loaded. For the thread that loads them.
  void SetDefinitionsFail(absl::Status why) { definitions_fail_ = std::move(why); }

  // Commits wait until it is false again.
  void SetCommitsWait(bool wait) { commits_wait_ = wait; }
  // Whether one does.
  bool commit_waits() const { return commit_waits_; }

  // It refuses everything, for good.
  void SetBroken(bool broken) { broken_ = broken; }

  // It stores nothing of the saga with this id or key any more, for good.
  void Refuse(const std::string& id_or_key) {
    std::lock_guard lock(mutex_);
    refused_ = id_or_key;
  }
  // The row of the saga with this key cannot be read when it is recovered or loaded with others.
  void SetDamaged(const std::string& key) {
    std::lock_guard lock(mutex_);
    damaged_ = key;
  }

  // Calls that commit, load, claim or take.
  int calls() const { return calls_; }
  // Pages of own sagas that were read.
  int pages() const { return pages_; }
  // Looks for what is newer, and for what is due.
  int looks() const { return looks_; }
  int due_looks() const { return due_looks_; }
  // What happens while such a call lasts.
  void SetDelay(std::function<void()> delay) { delay_ = std::move(delay); }

  // What happens once, before the pauses that were read are answered.
  void SetAfterPauses(std::function<void()> then) { after_pauses_ = std::move(then); }

  // What happens once, before followers are put.
  void SetBeforePutFollowers(std::function<void()> then) { before_put_followers_ = std::move(then); }

  void SetPageBytesMax(std::size_t bytes) { store_.set_page_bytes_max(bytes); }

  // Writes in the transactions that were stored.
  std::vector<std::size_t> parts() {
    std::lock_guard lock(mutex_);
    return parts_;
  }

  void ForgetParts() {
    std::lock_guard lock(mutex_);
    parts_.clear();
  }

  // While away it neither stores nor finds anything.
  void SetAway(bool away) { away_ = away; }

  absl::StatusOr<std::vector<WriteResult>> Commit(const Lease& lease, const std::vector<SagaWrite>& writes) override {
    while (commits_wait_) {
      commit_waits_ = true;
      std::this_thread::yield();
    }
    commit_waits_ = false;
    if (Call()) return Away();
    if (broken_) return Broken();
    std::optional<Fault> fault;
    {
      std::lock_guard lock(mutex_);
      for (const SagaWrite& write : writes) {
        if (write.saga.id == refused_ || write.saga.key == refused_) return absl::InternalError("value out of range");
      }
      parts_.push_back(writes.size());
      if (!faults_.empty()) {
        fault = faults_.front();
        faults_.pop_front();
      }
    }
    if (fault == Fault::kNotStored) return Away();
    if (fault == Fault::kLandsLate) {
      late_ = writes;
      return Away();
    }
    if (!late_.empty()) store_.Commit(lease, std::exchange(late_, {})).IgnoreError();
    auto results = store_.Commit(lease, writes);
    if (fault == Fault::kStoredButUnknown) return absl::UnavailableError("commit outcome unknown");
    return results;
  }
  absl::StatusOr<Saga> Load(absl::string_view id) override {
    if (Call()) return Away();
    if (broken_) return Broken();
    return store_.Load(id);
  }
  absl::StatusOr<SagaPage> LoadMany(const std::vector<std::string>& ids) override {
    if (Call()) return Away();
    absl::StatusOr<SagaPage> page = store_.LoadMany(ids);
    if (page.ok()) Damage(*page);
    return page;
  }
  absl::StatusOr<Saga> LoadByKey(absl::string_view definition, absl::string_view key_scope,
                                 absl::string_view key) override {
    if (Call()) return Away();
    if (broken_) return Broken();
    return store_.LoadByKey(definition, key_scope, key);
  }
  absl::StatusOr<SagaPage> List(const SagaFilter& filter) override {
    if (broken_) return Broken();
    return store_.List(filter);
  }
  absl::StatusOr<SagaPage> ListUnfinished(std::optional<SagaState> state, absl::string_view after, int limit) override {
    if (broken_) return Broken();
    return store_.ListUnfinished(state, after, limit);
  }
  absl::StatusOr<std::vector<SagaHead>> ListHeads(const SagaFilter& filter) override {
    if (broken_) return Broken();
    return store_.ListHeads(filter);
  }
  absl::StatusOr<SagaPage> LoadNewer(const std::vector<SagaHead>& seen) override {
    ++looks_;
    if (broken_) return Broken();
    absl::StatusOr<SagaPage> page = store_.LoadNewer(seen);
    if (page.ok()) Damage(*page);
    return page;
  }
  absl::StatusOr<std::vector<HistoryEvent>> History(absl::string_view id, std::int64_t after, int limit) override {
    return store_.History(id, after, limit);
  }
  absl::StatusOr<Lease> Acquire(absl::string_view instance, absl::string_view address, absl::Duration length) override {
    return store_.Acquire(instance, address, length);
  }
  absl::Status Renew(const Lease& lease, absl::Duration length) override {
    return away_ ? Away() : store_.Renew(lease, length);
  }
  absl::StatusOr<SagaPage> LoadOwned(const Lease& lease, absl::string_view after, int limit) override {
    ++pages_;
    absl::StatusOr<SagaPage> page = store_.LoadOwned(lease, after, limit);
    if (page.ok()) Damage(*page);
    return page;
  }
  absl::StatusOr<SagaPage> LoadDue(const Lease& lease, const DefinitionVersion& definition, DueFor what, absl::Time now,
                                   const std::vector<std::string>& without, int limit) override {
    ++due_looks_;
    if (away_) return Away();
    absl::StatusOr<SagaPage> page = store_.LoadDue(lease, definition, what, now, without, limit);
    if (page.ok()) Damage(*page);
    return page;
  }
  absl::StatusOr<std::vector<std::pair<DefinitionVersion, std::int64_t>>> CountUnstarted(
      absl::string_view instance) override {
    return store_.CountUnstarted(instance);
  }
  absl::StatusOr<std::vector<RestingCount>> CountResting(absl::string_view instance) override {
    return away_ ? Away() : store_.CountResting(instance);
  }
  absl::Status Release(const Lease& lease) override { return store_.Release(lease); }
  absl::StatusOr<SagaPage> Claim(const Lease& lease, const std::vector<DefinitionVersion>& drivable,
                                 int limit) override {
    if (Call()) return Away();
    auto claimed = store_.Claim(lease, drivable, limit);
    if (claims_are_silent_) return Away();
    return claimed;
  }
  absl::StatusOr<Saga> Take(const Lease& lease, absl::string_view id) override {
    if (Call()) return Away();
    return store_.Take(lease, id);
  }
  absl::StatusOr<int> Purge(const Lease& lease, absl::Time before, int limit) override {
    return store_.Purge(lease, before, limit);
  }
  absl::Status PutDefinition(const StoredDefinition& definition) override { return store_.PutDefinition(definition); }
  absl::StatusOr<StoredDefinition> LoadDefinition(absl::string_view name, int version) override {
    if (!definitions_fail_.ok()) return definitions_fail_;
    return store_.LoadDefinition(name, version);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> StoredDefinitions() override { return store_.StoredDefinitions(); }
  absl::StatusOr<FollowerSet> Followers() override { return away_ ? Away() : store_.Followers(); }
  absl::Status PutFollowers(std::int64_t seen_generation, const std::vector<Follower>& followers) override {
    if (before_put_followers_) std::exchange(before_put_followers_, nullptr)();
    return store_.PutFollowers(seen_generation, followers);
  }
  absl::StatusOr<std::vector<Child>> Children(absl::string_view parent_id) override {
    return store_.Children(parent_id);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> DefinitionsInUse() override {
    if (scans_fail_) return Away();
    return store_.DefinitionsInUse();
  }
  absl::StatusOr<std::vector<UnfinishedCount>> CountUnfinished(absl::string_view instance) override {
    if (scans_fail_) return Away();
    return store_.CountUnfinished(instance);
  }
  absl::StatusOr<std::vector<UnfinishedCount>> CountOrphaned(absl::string_view instance) override {
    return store_.CountOrphaned(instance);
  }
  absl::StatusOr<std::vector<DefinitionVersion>> PurgeDefinitions(absl::Duration unused_for) override {
    return store_.PurgeDefinitions(unused_for);
  }
  absl::StatusOr<DefinitionPause> PutPause(const std::string& definition, const std::string& actor,
                                           const std::string& reason) override {
    if (away_) return Away();
    return store_.PutPause(definition, actor, reason);
  }
  absl::Status RemovePause(const std::string& definition) override {
    return away_ ? Away() : store_.RemovePause(definition);
  }
  absl::StatusOr<std::vector<DefinitionPause>> Pauses() override {
    if (away_) return Away();
    absl::StatusOr<std::vector<DefinitionPause>> pauses = store_.Pauses();
    if (after_pauses_) std::exchange(after_pauses_, nullptr)();
    return pauses;
  }

 private:
  void Damage(SagaPage& page) {
    std::lock_guard lock(mutex_);
    std::erase_if(page.sagas, [&](const Saga& saga) {
      if (saga.key != damaged_) return false;
      page.unreadable.push_back({.id = saga.id, .why = "damaged"});
      return true;
    });
  }
  bool Call() {
    ++calls_;
    if (delay_) delay_();
    return away_;
  }
  static absl::Status Broken() { return absl::InternalError("there is no such table"); }
  static absl::Status Away() { return absl::UnavailableError("the store is away"); }

  MemorySagaStore store_;
  std::atomic<int> calls_ = 0, pages_ = 0, looks_ = 0, due_looks_ = 0;
  std::function<void()> delay_, after_pauses_, before_put_followers_;
  absl::Status definitions_fail_;
  std::atomic<bool> away_ = false, broken_ = false, claims_are_silent_ = false, scans_fail_ = false;
  std::atomic<bool> commits_wait_ = false, commit_waits_ = false;
  std::mutex mutex_;
  std::deque<Fault> faults_;
  std::string refused_ = "none", damaged_ = "none";
  std::vector<std::size_t> parts_;
  std::vector<SagaWrite> late_;
};

// Answers every call by `behave`, at once, on the caller's thread; keeps what was called. A call without an answer is
// lost.
class ScriptedParticipants final : public Participants {
 public:
  using Behaviour = std::function<std::optional<CallResult>(const Call&)>;
  explicit ScriptedParticipants(Behaviour behave) : behave_(std::move(behave)) {}

  void Invoke(Call call, std::function<void(CallResult)> done) override {
    std::optional<CallResult> result = behave_(call);
    {
      std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
    }
    if (result.has_value()) done(*std::move(result));
  }

  // Paths in the order they were called.
  std::vector<std::string> paths() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> paths;
    for (const Call& call : calls_) paths.push_back(call.method);
    return paths;
  }

 private:
  const Behaviour behave_;
  mutable std::mutex mutex_;
  std::vector<Call> calls_;
};

inline CallResult OkResult() { return {.effect_free = false, .reply = "reply", .failure = {}}; }
inline CallResult RefusedResult() {
  return {.effect_free = true,
          .reply = {},
          .failure = {.reason = "NO", .domain = "test", .code = 9, .message = "no", .step = {}, .metadata = {}}};
}
inline CallResult UnavailableResult() {
  return {.effect_free = false,
          .reply = {},
          .failure = {.reason = "", .domain = "", .code = 14, .message = "away", .step = {}, .metadata = {}}};
}

class CountingObserver final : public DriverObserver {
 public:
  void OnStarted(const Saga&) override { ++started; }
  void OnFinished(const Saga&) override { ++finished; }
  void OnRecovered(const Plan&, const Saga&) override { ++recovered; }
  void OnReplied(const Plan&, const Replied&, bool is_stale) override { stale += is_stale; }
  void OnParked(const Saga&, const std::string&) override { ++parked; }
  void OnQuarantined(const Saga&) override { ++quarantined; }
  void OnUnreadable() override { ++unreadable; }
  void OnShed(const std::string&) override { ++shed; }
  void OnTurn(std::size_t, std::size_t, absl::Duration) override {}
  void OnCommitFailed() override { ++commits_failed; }
  void OnTakenOver(std::size_t sagas, std::size_t of_released) override {
    taken_over += static_cast<int>(sagas);
    released += static_cast<int>(of_released);
  }

  std::atomic<int> commits_failed = 0;
  std::atomic<int> recovered = 0;
  std::atomic<int> taken_over = 0, released = 0;
  std::atomic<int> quarantined = 0;
  std::atomic<int> unreadable = 0;
  std::atomic<int> shed = 0;
  std::atomic<int> started = 0;
  std::atomic<int> finished = 0;
  std::atomic<int> stale = 0;
  std::atomic<int> parked = 0;
};

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixMicros(micros_); }
  void Advance(absl::Duration by) { micros_ += absl::ToInt64Microseconds(by); }

 private:
  std::atomic<std::int64_t> micros_ = 1'000'000'000'000'000;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_ENGINE_WORLD_H_
