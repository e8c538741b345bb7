// A participant on a database with a tiny business: a shelf that one takes from, and a till that a far side pays
// into. Its process can "crash" before or after any statement and be started again on the same database.
#ifndef UNWIND_TESTS_CONTRACT_PARTICIPANT_HARNESS_H_
#define UNWIND_TESTS_CONTRACT_PARTICIPANT_HARNESS_H_

#include <algorithm>
#include <any>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/db/connection.h"
#include "common/db/statement.h"
#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "google/protobuf/wrappers.pb.h"
#include "soci/postgresql/soci-postgresql.h"
#include "soci/soci.h"
#include "soci/sqlite3/soci-sqlite3.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_database.h"

namespace unwind {

using Text = google::protobuf::StringValue;

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    std::lock_guard lock(mutex_);
    now_ += by;
  }

 private:
  mutable std::mutex mutex_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

// When the database of a process fails, and when it waits.
class Faults {
 public:
  // The `n`-th statement or commit fails, and all after it: the process is dead.
  void DieBefore(int n) { die_before_ = n; }
  // The `n`-th commit is done, but the process dies before it learns of it.
  void DieAfterCommit(int n) { die_after_commit_ = n; }
  void FailNextWrite() { fail_next_write_ = true; }
  bool died() const { return dead_; }
  int writes() const { return writes_; }

  void Close() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  // Until a transaction waits at the closed door.
  void AwaitWrite() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waits_; });
  }

  void EnterWrite(soci::session& session) {
    std::unique_lock lock(mutex_);
    waits_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    waits_ = false;
    ++writes_;
    if (std::exchange(fail_next_write_, false)) Throw(session, SQLITE_BUSY, "55P03");
    if (dead_) Throw(session, SQLITE_IOERR, "58030");
  }
  // Whether this statement is the one before which the process dies, or a later one.
  bool DiesHere() { return dead_ = dead_ || (die_before_ > 0 && --die_before_ == 0); }
  void ThrowIfDead(soci::session& session) const {
    if (dead_) Throw(session, SQLITE_IOERR, "58030");
  }
  bool AfterCommit() { return dead_ = dead_ || (die_after_commit_ > 0 && --die_after_commit_ == 0); }

 private:
  [[noreturn]] static void Throw(soci::session& session, int result, const char* sqlstate) {
    if (DialectOf(session) == Dialect::kPostgres) throw soci::postgresql_soci_error("injected", sqlstate);
    throw soci::sqlite3_soci_error("injected", result);
  }

  std::mutex mutex_;  // of open_ and waits_; the rest belongs to the writer's thread while there is one
  std::condition_variable changed_;
  bool open_ = true;
  bool waits_ = false;
  int die_before_ = 0;
  int die_after_commit_ = 0;
  bool fail_next_write_ = false;
  int writes_ = 0;
  bool dead_ = false;
};

class FaultyConnection final : public Connection {
 public:
  FaultyConnection(std::unique_ptr<Connection> connection, Faults& faults)
      : connection_(std::move(connection)), faults_(faults) {}

  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) override {
    absl::Status status = connection_->Write([&](soci::session& session) -> absl::Status {
      faults_.EnterWrite(session);
      // A transformation that threw would make SOCI leak the statement; SQL that does not prepare fails cleanly.
      session.set_query_transformation([this](const std::string& query) {
        return faults_.DiesHere() ? "a_process_that_died " + query : query;  // its parameters stay
      });
      absl::Status result = RunBody(body, session);
      if (result.ok() && faults_.DiesHere()) faults_.ThrowIfDead(session);  // before the commit
      return result;
    });
    if (status.ok() && faults_.AfterCommit()) return absl::UnavailableError("commit outcome unknown: injected");
    return status;
  }
  absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) override { return connection_->Read(body); }

 private:
  absl::Status RunBody(absl::FunctionRef<absl::Status(soci::session&)> body, soci::session& session) {
    try {
      return body(session);
    } catch (const soci::soci_error&) {
      faults_.ThrowIfDead(session);
      throw;
    }
  }

  const std::unique_ptr<Connection> connection_;
  Faults& faults_;
};

// The far side of the till: pays once by key, and can be told to never pay a key. Outlives every crash.
class Bank {
 public:
  enum class Word { kPaid, kNever, kUnknown };
  using Done = std::function<void(Word)>;

  void Pay(const std::string& key, Done done) { Ask({key, /*pay=*/true, std::move(done)}); }
  void Fence(const std::string& key, Done done) { Ask({key, /*pay=*/false, std::move(done)}); }

  // Requests are held until Release, which answers them in order or the newest first.
  void Hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release(bool newest_first = false) {
    std::vector<Request> waiting;
    {
      std::lock_guard lock(mutex_);
      held_ = false;
      waiting.swap(waiting_);
    }
    if (newest_first) std::reverse(waiting.begin(), waiting.end());
    for (Request& request : waiting) Ask(std::move(request));
  }
  std::size_t AwaitHeld(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return waiting_.size() >= count; });
    return waiting_.size();
  }
  void SetUnknown(bool unknown) {
    std::lock_guard lock(mutex_);
    unknown_ = unknown;
  }
  int asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  int paid() const {
    std::lock_guard lock(mutex_);
    int count = 0;
    for (const auto& [key, word] : words_) count += word == Word::kPaid ? 1 : 0;
    return count;
  }

 private:
  struct Request {
    std::string key;
    bool pay = false;
    Done done;
  };

  void Ask(Request request) {
    Word word = Word::kUnknown;
    {
      std::lock_guard lock(mutex_);
      if (held_) {
        waiting_.push_back(std::move(request));
        changed_.notify_all();
        return;
      }
      ++asked_;
      if (!unknown_) word = words_.try_emplace(request.key, request.pay ? Word::kPaid : Word::kNever).first->second;
    }
    request.done(word);
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Word> words_;
  std::vector<Request> waiting_;
  bool held_ = false;
  bool unknown_ = false;
  int asked_ = 0;
};

enum Method {
  kTake,
  kPutBack,
  kShip,
  kPay,
  kUnpay,
  kResolvePay,
  kPoisonSql,
  kPoisonStatus,
  kRaced,
  kCollect,
  kUncollect,
  kResolveCollect
};

inline constexpr char kTestDomain[] = "shelf.test.unwind";

// Each executed call leaves a row in `effect`, so that a test sees what was done twice or not at all.
class ShelfDomain final : public Domain {
 public:
  explicit ShelfDomain(Bank& bank) : bank_(bank) {}

  static void CreateTables(soci::session& session) {
    session << "CREATE TABLE IF NOT EXISTS shelf (item TEXT PRIMARY KEY, units BIGINT NOT NULL CHECK (units >= 0))";
    session << "CREATE TABLE IF NOT EXISTS effect (seq "
            << (DialectOf(session) == Dialect::kPostgres ? "BIGINT GENERATED ALWAYS AS IDENTITY" : "INTEGER")
            << " PRIMARY KEY, saga TEXT, step TEXT, what TEXT)";
    session << "CREATE TABLE IF NOT EXISTS payment (saga TEXT PRIMARY KEY, state TEXT NOT NULL)";
    session << "CREATE TABLE IF NOT EXISTS bill (saga TEXT PRIMARY KEY, state TEXT NOT NULL)";
  }

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override {
    ++applied;
    for (Command* command : commands) {
      ++executed;
      if (command->method == kPoisonStatus) return absl::FailedPreconditionError("poison");
      command->answer = Decide(session, *command);
    }
    return absl::OkStatus();
  }

  void Continue(const Command& command, std::function<void(std::any)> done) override {
    const auto pass_on = [done = std::move(done)](Bank::Word word) { done(word); };
    const std::string key = command.key.saga_id;
    if (command.method == kPay) return bank_.Pay(key, pass_on);
    bank_.Fence(key, pass_on);
  }

  // Of the writer's thread; read when it is at rest.
  int applied = 0;
  int executed = 0;
  int races = 0;

 private:
  static Answer Say(const std::string& text) {
    auto response = std::make_unique<Text>();
    response->set_value(text);
    return Ok{std::move(response)};
  }

  // Two details, whose order must not change from one answer to the next.
  static Refused Refuse(const std::string& reason, const std::map<std::string, std::string>& metadata = {}) {
    return {WithRetryAfter(MakeError(absl::StatusCode::kFailedPrecondition, "no", {reason, kTestDomain, metadata}),
                           absl::Seconds(1))};
  }

  static void Record(soci::session& session, const Command& command, const std::string& what) {
    session << "INSERT INTO effect (saga, step, what) VALUES (:saga, :step, :what)", soci::use(command.key.saga_id),
        soci::use(command.key.step), soci::use(what);
  }

  static long long Units(soci::session& session, const std::string& item) {
    long long units = 0;
    session << "SELECT COALESCE(SUM(units), 0) FROM shelf WHERE item = :item", soci::into(units), soci::use(item);
    return units;
  }

  static void Move(soci::session& session, const std::string& item, long long by) {
    session << "UPDATE shelf SET units = units + :by WHERE item = :item", soci::use(by), soci::use(item);
  }

  Answer Decide(soci::session& session, const Command& command) {
    const std::string item = dynamic_cast<const Text&>(*command.request).value();
    switch (static_cast<Method>(command.method)) {
      case kTake:
      case kShip:
        if (Units(session, item) == 0) return Refuse("SHELF_EMPTY", {{"item", item}});
        Move(session, item, -1);
        Record(session, command, command.method == kTake ? "take" : "ship");
        // Not the same bytes if it were done twice.
        return Say(absl::StrCat(item, " ", Units(session, item), " left"));
      case kPutBack:
        if (item == "stuck") return Refuse("STUCK");
        Move(session, item, 1);
        Record(session, command, "put back");
        return Say("");
      case kPay:
        return Pay(session, command);
      case kUnpay:
        session << "UPDATE payment SET state = 'undone' WHERE saga = :saga", soci::use(command.key.saga_id);
        Record(session, command, "unpay");
        return Say("unpaid");
      case kResolvePay:
        if (!command.continuation.has_value()) return Intent{};
        return SettlePayment(session, command);
      case kPoisonSql:
        session << "INSERT INTO shelf VALUES ('poison', -1)";
        return Say("");
      case kPoisonStatus:
        break;
      case kRaced:
        if (races++ == 0) {
          session << "INSERT INTO saga_barrier (key_scope, saga_id, step, phase, outcome, payload_hash, reply,"
                     " written_at_us, keep_until_us) SELECT '', :saga, :step, 1, 1, 'x', '', 0, 0",
              soci::use(command.key.saga_id), soci::use(command.key.step);
        }
        Record(session, command, "raced");
        return Say("done");
      case kCollect:
        return Collect(session, command);
      case kUncollect:
        return Uncollect(session, command);
      case kResolveCollect:
        return ResolveCollect(session, command);
    }
    return Unknown{absl::InternalError("not a method")};
  }

  Answer Pay(soci::session& session, const Command& command) {
    if (command.continuation.has_value()) return SettlePayment(session, command);
    session << "INSERT INTO payment VALUES (:saga, 'pending') ON CONFLICT DO NOTHING", soci::use(command.key.saga_id);
    return Intent{};
  }

  Answer SettlePayment(soci::session& session, const Command& command) {
    const std::string& saga = command.key.saga_id;
    switch (std::any_cast<Bank::Word>(command.continuation)) {
      case Bank::Word::kPaid:
        session << "UPDATE payment SET state = 'paid' WHERE saga = :saga", soci::use(saga);
        Record(session, command, "pay");
        return Say(absl::StrCat("paid ", saga));
      case Bank::Word::kNever:
        session << "UPDATE payment SET state = 'never' WHERE saga = :saga", soci::use(saga);
        if (command.method == kPay) return Refuse("PAYMENT_FAILED");
        return Refuse("NEVER_HAPPENED", {{"cause", "PAYMENT_TIMEOUT"}});
      case Bank::Word::kUnknown:
        return Unknown{
            MakeError(absl::StatusCode::kUnavailable, "the bank is silent", {"BANK_SILENT", kTestDomain, {}})};
    }
    return Unknown{absl::InternalError("not a word")};
  }

  static Later WaitFor(const Command& command) {
    auto response = std::make_unique<Text>();
    response->set_value(absl::StrCat("pay ", command.key.saga_id, " here"));
    return {std::move(response), absl::Seconds(7)};
  }

  static std::string BillOf(soci::session& session, const std::string& saga) {
    std::string state;
    session << "SELECT state FROM bill WHERE saga = :saga", soci::into(state), soci::use(saga);
    return state;
  }

  static void SetBill(soci::session& session, const std::string& saga, const std::string& state) {
    session << "INSERT INTO bill VALUES (:saga, :state) ON CONFLICT (saga) DO UPDATE SET state = excluded.state",
        soci::use(saga), soci::use(state);
  }

  // A customer pays the bill when he likes. It keeps nothing from itself: what is executed late has an effect.
  Answer Collect(soci::session& session, const Command& command) {
    const std::string& saga = command.key.saga_id;
    session << "INSERT INTO bill VALUES (:saga, 'open') ON CONFLICT DO NOTHING", soci::use(saga);
    const std::string state = BillOf(session, saga);
    if (state == "open") return WaitFor(command);
    if (state == "declined") return Refuse("DECLINED");
    Record(session, command, "collect");
    return Say("collected");
  }

  // The money goes back in its own time.
  Answer Uncollect(soci::session& session, const Command& command) {
    const std::string& saga = command.key.saga_id;
    const std::string state = BillOf(session, saga);
    if (state == "silent") return Unknown{absl::UnavailableError("silent")};
    if (state == "stuck") return Refuse("STUCK");
    if (state == "returned") {
      Record(session, command, "uncollect");
      return Say("uncollected");
    }
    SetBill(session, saga, "returning");
    return WaitFor(command);
  }

  Answer ResolveCollect(soci::session& session, const Command& command) {
    const std::string& saga = command.key.saga_id;
    const std::string state = BillOf(session, saga);
    if (state == "paid") {
      Record(session, command, "collect");
      return Say("collected");
    }
    if (!command.key.decides || state == "slow") return WaitFor(command);
    SetBill(session, saga, "never");
    return Refuse("NEVER_HAPPENED", {{"cause", "PAYMENT_EXPIRED"}});
  }

  Bank& bank_;
};

struct CallSpec {
  int method = 0;
  std::string saga;
  std::string step = "step";
  barrier::Phase phase = barrier::Phase::kAction;
  std::string request = "pen";
  bool sticky = true;
  absl::Time issued_at = absl::InfiniteFuture();
  absl::Time expires_at = absl::InfinitePast();
  std::string key_scope = {};
  bool accepts_pending = false;
  bool decides = false;
};

// One participant, which can be stopped and started again on its file.
class ParticipantHarness {
 public:
  using Reply = Participant::Reply;

  explicit ParticipantHarness(ParticipantOptions options = {}) : options_(std::move(options)) {
    options_.domain = kTestDomain;
    CHECK(Participant::Migrate(*onlooker_).ok());
    CHECK(onlooker_
              ->Write([](soci::session& session) {
                ShelfDomain::CreateTables(session);
                session << "INSERT INTO shelf VALUES ('pen', 10), ('last', 1), ('none', 0), ('stuck', 1)";
                return absl::OkStatus();
              })
              .ok());
    Start();
  }
  ~ParticipantHarness() { Stop(); }

  // As a new process: nothing is left of the old one but the file.
  void Start() {
    faults = std::make_unique<Faults>();
    domain = std::make_unique<ShelfDomain>(bank);
    auto connection = std::make_unique<FaultyConnection>(OpenDatabase(), *faults);
    participant_ = std::make_unique<Participant>(std::move(connection), *domain, clock, options_);
  }
  void Stop() {
    if (faults) faults->Open();
    participant_.reset();
  }
  void Restart() {
    Stop();
    Start();
  }
  Participant& participant() { return *participant_; }

  std::future<Reply> Send(const CallSpec& spec) {
    auto request = std::make_shared<Text>();
    request->set_value(spec.request);
    auto promise = std::make_shared<std::promise<Reply>>();
    std::future<Reply> reply = promise->get_future();
    CallKey key{.key_scope = spec.key_scope,
                .saga_id = spec.saga,
                .step = spec.step,
                .phase = spec.phase,
                .sticky = spec.sticky,
                .accepts_pending = spec.accepts_pending,
                .decides = spec.decides,
                .issued_at = spec.issued_at,
                .expires_at = spec.expires_at};
    participant_->Submit(spec.method, std::move(key), std::move(request),
                         [promise](Reply value) { promise->set_value(std::move(value)); });
    return reply;
  }
  static Reply Await(std::future<Reply> reply) {
    if (reply.wait_for(std::chrono::seconds(20)) == std::future_status::ready) return reply.get();
    return {.status = absl::DeadlineExceededError("no answer within 20 s"), .response = ""};
  }
  Reply Call(const CallSpec& spec) { return Await(Send(spec)); }

  // All in one batch: the writer is held at another call's transaction while they are sent.
  std::vector<Reply> CallTogether(const std::vector<CallSpec>& specs) {
    faults->Close();
    std::future<Reply> plug =
        Send({.method = kShip, .saga = absl::StrCat("plug", ++plugs_), .request = "none", .sticky = false});
    faults->AwaitWrite();
    std::vector<std::future<Reply>> pending;
    for (const CallSpec& spec : specs) pending.push_back(Send(spec));
    faults->Open();
    std::vector<Reply> replies;
    for (std::future<Reply>& reply : pending) replies.push_back(Await(std::move(reply)));
    Await(std::move(plug));
    return replies;
  }

  void Do(const std::string& sql) {
    CHECK(onlooker_
              ->Write([&](soci::session& session) {
                session << sql;
                return absl::OkStatus();
              })
              .ok());
  }
  std::string Ask(const std::string& sql) {
    std::string answer;
    CHECK(onlooker_
              ->Read([&](soci::session& session) {
                session << "SELECT COALESCE(CAST((" << sql << ") AS TEXT), '')", soci::into(answer);
                return absl::OkStatus();
              })
              .ok());
    return answer;
  }
  // The first column of every row, joined.
  std::string Lines(const std::string& sql) {
    std::string line, lines;
    CHECK(onlooker_
              ->Read([&](soci::session& session) {
                Statement select(session, sql, soci::into(line));
                select.Execute();
                while (select.Fetch()) absl::StrAppend(&lines, lines.empty() ? "" : ", ", line);
                return absl::OkStatus();
              })
              .ok());
    return lines;
  }
  // Every effect there was, "saga/step what", in order.
  std::string Effects() { return Lines("SELECT saga || '/' || step || ' ' || what FROM effect ORDER BY seq"); }
  // Every barrier row, "saga/step phase=outcome", sorted.
  std::string Barriers() {
    return Lines(
        "SELECT saga_id || '/' || step || ' ' || phase || '=' || outcome FROM saga_barrier"
        " ORDER BY saga_id, step, phase");
  }

  Bank bank;
  ManualClock clock;
  std::unique_ptr<Faults> faults;
  std::unique_ptr<ShelfDomain> domain;

 private:
  std::unique_ptr<Connection> OpenDatabase() { return OpenTestDatabase(dir_.File("shelf.db")); }

  TempDir dir_;
  const std::unique_ptr<Connection> onlooker_ = OpenDatabase();  // of the test's own, to look at the rows
  ParticipantOptions options_;
  int plugs_ = 0;
  std::unique_ptr<Participant> participant_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CONTRACT_PARTICIPANT_HARNESS_H_
