#include "mock_pg/gateway.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/base/uuid.h"
#include "common/db/migrate.h"
#include "common/rpc/error.h"
#include "mock_pg/intent_store.h"
#include "mock_pg/ledger_store.h"

namespace unwind::pg {
namespace {

constexpr absl::Duration kDuePause = absl::Milliseconds(10);
constexpr int kDueMax = 256;  // of one transaction

// Which call a crash point is about.
const char* NameOf(Verb verb) {
  switch (verb) {
    case Verb::kConfirm:
      return "confirm";
    case Verb::kCancel:
      return "cancel";
    case Verb::kFence:
      return "fence";
  }
  std::abort();
}

absl::Status Overloaded() {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many calls wait for the ledger",
                                  {"OVERLOADED", std::string(kErrorDomain), {}}),
                        absl::Milliseconds(100));
}

}  // namespace

Gateway::Gateway(std::unique_ptr<Connection> writer, std::unique_ptr<Connection> reader, const Clock& clock,
                 Options options)
    : connection_(std::move(writer)),
      clock_(clock),
      first_scenario_(options.scenario),
      crash_(std::move(options.crash)),
      tell_(std::move(options.tell)),
      scenario_(options.scenario),
      reader_(std::move(reader)),
      writer_(options.batch_max, options.queue_max, [this](std::vector<Job> jobs) { Handle(std::move(jobs)); }),
      finishing_(kDuePause, [this] {
        AskForDue();
        return kDuePause;
      }) {}

void Gateway::Submit(Operation operation, absl::AnyInvocable<void(Answer) &&> done) {
  if (absl::Status status = CheckOperation(operation); !status.ok()) return std::move(done)({status});
  Job job = Move{std::move(operation), std::move(done)};
  if (!writer_.Push(std::move(job))) std::move(std::get<Move>(job).done)({Overloaded()});
}

void Gateway::Reset(absl::AnyInvocable<void(absl::StatusOr<std::int64_t>) &&> done) {
  Job job = Clear{std::move(done)};
  if (!writer_.Push(std::move(job))) std::move(std::get<Clear>(job).done)(Overloaded());
}

void Gateway::Probe(std::function<void(absl::Status)> done) {
  Job job = Touch{std::move(done)};
  if (!writer_.Push(std::move(job))) std::get<Touch>(job).done(Overloaded());
}

void Gateway::Get(std::string key, absl::AnyInvocable<void(absl::StatusOr<Entry>) &&> done) {
  auto entry = std::make_shared<Entry>();
  Reader::Query query{[key = std::move(key), entry](soci::session& session) {
                        std::optional<Entry> found = FindEntry(session, key);
                        if (!found) return TransactionNotFound("transaction of this key");
                        *entry = *std::move(found);
                        return absl::OkStatus();
                      },
                      [entry, done = std::move(done)](absl::Status status) mutable {
                        if (!status.ok()) return std::move(done)(std::move(status));
                        std::move(done)(std::move(*entry));
                      }};
  if (!reader_.Push(query)) std::move(query.done)(Overloaded());
}

void Gateway::List(std::int64_t after, int limit, absl::AnyInvocable<void(absl::StatusOr<Page>) &&> done) {
  auto page = std::make_shared<Page>();
  Reader::Query query{[after, limit, page](soci::session& session) {
                        auto rows =
                            ListEntries(session, after, limit + 1);  // one more tells whether there is a next page
                        if (rows.size() > static_cast<std::size_t>(limit)) {
                          rows.pop_back();
                          page->next = rows.back().first;
                        }
                        for (auto& [position, entry] : rows) page->entries.push_back(std::move(entry));
                        return absl::OkStatus();
                      },
                      [page, done = std::move(done)](absl::Status status) mutable {
                        if (!status.ok()) return std::move(done)(std::move(status));
                        std::move(done)(std::move(*page));
                      }};
  if (!reader_.Push(query)) std::move(query.done)(Overloaded());
}

void Gateway::SetScenario(const Scenario& scenario) {
  std::lock_guard lock(mutex_);
  scenario_ = scenario;
  ++scenario_number_;
}

Scenario Gateway::GetScenario() const {
  std::lock_guard lock(mutex_);
  return scenario_;
}

void Gateway::CountAnswer() {
  {
    std::lock_guard lock(mutex_);
    if (scenario_.crash_after == 0 || --scenario_.crash_after > 0) return;
  }
  crash_();
}

void Gateway::Stop() {
  finishing_.Stop();
  writer_.Stop();
  reader_.Stop();
}

// What is no move is alone in its transaction, and in its turn.
void Gateway::Handle(std::vector<Job> jobs) {
  for (auto begin = jobs.begin(); begin != jobs.end();) {
    const auto end = std::find_if(begin, jobs.end(), [](const Job& job) { return !std::holds_alternative<Move>(job); });
    if (begin != end) HandleMoves(absl::MakeSpan(&*begin, static_cast<std::size_t>(end - begin)));
    if (end == jobs.end()) return;
    if (auto* const clear = std::get_if<Clear>(&*end)) HandleClear(*clear);
    if (const auto* const touch = std::get_if<Touch>(&*end)) touch->done(ProbeWrite(*connection_, kLedgerComponent));
    if (std::holds_alternative<FinishDue>(*end)) HandleDue();
    begin = end + 1;
  }
}

// All in one transaction; if that fails, each in one of its own, so that one bad call fails alone. A database that
// cannot be written now would fail all of them.
void Gateway::HandleMoves(absl::Span<Job> moves) {
  std::vector<Verdict> verdicts;
  const absl::Status status = Commit(moves, verdicts);
  if (!status.ok() && !absl::IsUnavailable(status) && moves.size() > 1) {
    for (Job& job : moves) HandleMoves({&job, 1});
    return;
  }
  if (status.ok()) {
    for (const Job& job : moves) CRASH_POINT("gateway.after_ledger", NameOf(std::get<Move>(job).operation.verb));
  }
  for (std::size_t i = 0; i < moves.size(); ++i) {
    auto& done = std::get<Move>(moves[i]).done;
    if (!status.ok()) {
      std::move(done)({status});
      continue;
    }
    Verdict& verdict = verdicts[i];
    Answer answer = verdict.status.ok() ? Answer{std::move(verdict.entry), verdict.hang}
                                        : Answer{std::move(verdict.status), verdict.hang};
    if (!verdict.tell) {
      std::move(done)(std::move(answer));
      continue;
    }
    auto told = std::make_shared<std::pair<decltype(Move::done), Answer>>(std::move(done), std::move(answer));
    TellEnd(*verdict.write, *verdict.tell, [told] { std::move(told->first)(std::move(told->second)); });
  }
}

void Gateway::TellEnd(const Entry& end, const Webhook& webhook, std::function<void()> tried) {
  if (tell_ == nullptr || webhook.lost) return tried();
  tell_(end, webhook, std::move(tried));
}

// On the thread of finishing_.
void Gateway::AskForDue() {
  {
    std::lock_guard lock(mutex_);
    if (clock_.Now() < next_due_) return;
    next_due_ = absl::InfiniteFuture();  // until HandleDue knows more
  }
  if (!writer_.Push(FinishDue{})) IsDueBy(absl::InfinitePast());
}

void Gateway::IsDueBy(absl::Time due) {
  std::lock_guard lock(mutex_);
  next_due_ = std::min(next_due_, due);
}

void Gateway::HandleDue() {
  struct End {
    Entry entry;
    Webhook webhook;
  };
  std::vector<End> ends;
  absl::Time next;
  const absl::Status status = RetryOnConflict([&] {
    return connection_->Write([&](soci::session& session) {
      ends.clear();
      std::vector<Entry> entries;
      const absl::Time now = clock_.Now();
      for (const Intent& intent : TakeDueIntents(session, now, kDueMax)) {
        entries.push_back(Finish(intent, now));
        ends.push_back({entries.back(), intent.webhook});
      }
      if (!ends.empty()) CRASH_POINT("gateway.before_ledger", "finish");
      const std::set<std::string> put = PutEnds(session, entries);
      std::erase_if(ends, [&](const End& end) { return put.count(end.entry.idempotency_key) == 0; });
      next = NextDue(session);
      return absl::OkStatus();
    });
  });
  IsDueBy(status.ok() ? next : clock_.Now() + absl::Seconds(1));
  if (!status.ok()) return;
  if (!ends.empty()) CRASH_POINT("gateway.after_ledger", "finish");
  for (const End& end : ends) TellEnd(end.entry, end.webhook, [] {});
}

absl::Status Gateway::Commit(absl::Span<Job> moves, std::vector<Verdict>& verdicts) {
  std::vector<std::string> keys, transaction_ids;
  for (Job& job : moves) {
    Operation& operation = std::get<Move>(job).operation;
    operation.now = clock_.Now();
    operation.transaction_id = MakeUuidV7(operation.now, random_);
    keys.push_back(operation.key);
    if (!operation.captured.empty()) transaction_ids.push_back(operation.captured);
  }
  for (const Job& job : moves) CRASH_POINT("gateway.before_ledger", NameOf(std::get<Move>(job).operation.verb));
  Scenario scenario;
  int scenario_number = 0;
  {
    std::lock_guard lock(mutex_);
    scenario = scenario_;
    scenario_number = scenario_number_;
  }
  const Scenario before = scenario;
  const auto decide = [&](soci::session& session) -> absl::Status {
    Ledger ledger = LoadLedger(session, keys, transaction_ids);
    std::vector<Entry> written;
    std::vector<Intent> accepted;
    std::vector<std::string> dropped;
    std::map<std::string, absl::Time> dues;
    verdicts.clear();
    for (const Job& job : moves) {
      const Operation& operation = std::get<Move>(job).operation;
      const Verdict& verdict = verdicts.emplace_back(Decide(ledger, scenario, operation));
      if (verdict.write) {
        ledger.Add(*verdict.write);
        written.push_back(*verdict.write);
      }
      if (verdict.accept) {
        ledger.Accept(*verdict.accept);
        accepted.push_back(*verdict.accept);
      }
      if (verdict.drop) {
        ledger.Drop(operation.key);
        dropped.push_back(operation.key);
      }
      if (verdict.due) dues[operation.key] = *verdict.due;
    }
    // What was accepted and fenced in one batch is inserted first.
    const bool first = InsertIntents(session, accepted) && DropIntents(session, dropped) && SetDue(session, dues);
    if (first && AppendEntries(session, written)) return absl::OkStatus();
    return AsConflict(absl::AbortedError("another process used a key"));
  };
  RETURN_IF_ERROR(RetryOnConflict([&] {
    scenario = before;
    return connection_->Write(decide);
  }));
  for (const Verdict& verdict : verdicts) {
    if (verdict.accept) IsDueBy(verdict.accept->due);
    if (verdict.due) IsDueBy(*verdict.due);
  }
  std::lock_guard lock(mutex_);
  if (scenario_number == scenario_number_) {
    scenario_.fail_first = scenario.fail_first;
    scenario_.hang_first = scenario.hang_first;
    scenario_.async_first = scenario.async_first;
  }
  return absl::OkStatus();
}

void Gateway::HandleClear(Clear& clear) {
  std::int64_t removed = 0;
  const absl::Status status = connection_->Write([&](soci::session& session) {
    removed = ClearLedger(session);
    return absl::OkStatus();
  });
  if (!status.ok()) return std::move(clear.done)(status);
  SetScenario(first_scenario_);
  std::move(clear.done)(removed);
}

}  // namespace unwind::pg
