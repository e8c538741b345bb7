#include "mock_pg/gateway.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/base/uuid.h"
#include "common/db/migrate.h"
#include "common/rpc/error.h"
#include "mock_pg/ledger_store.h"

namespace unwind::pg {
namespace {

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
      scenario_(options.scenario),
      reader_(std::move(reader)),
      writer_(options.batch_max, options.queue_max, [this](std::vector<Job> jobs) { Handle(std::move(jobs)); }) {}

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
  writer_.Stop();
  reader_.Stop();
}

// A reset and a probe are alone in their transaction, and in their turn.
void Gateway::Handle(std::vector<Job> jobs) {
  for (auto begin = jobs.begin(); begin != jobs.end();) {
    const auto end = std::find_if(begin, jobs.end(), [](const Job& job) { return !std::holds_alternative<Move>(job); });
    if (begin != end) HandleMoves(absl::MakeSpan(&*begin, static_cast<std::size_t>(end - begin)));
    if (end == jobs.end()) return;
    if (auto* const clear = std::get_if<Clear>(&*end)) HandleClear(*clear);
    if (const auto* const touch = std::get_if<Touch>(&*end)) touch->done(ProbeWrite(*connection_, kLedgerComponent));
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
  for (const Job& job : moves) CRASH_POINT("gateway.after_ledger", NameOf(std::get<Move>(job).operation.verb));
  for (std::size_t i = 0; i < moves.size(); ++i) {
    auto& done = std::get<Move>(moves[i]).done;
    if (!status.ok()) {
      std::move(done)({status});
    } else if (!verdicts[i].status.ok()) {
      std::move(done)({verdicts[i].status, verdicts[i].hang});
    } else {
      std::move(done)({std::move(verdicts[i].entry), verdicts[i].hang});
    }
  }
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
    verdicts.clear();
    for (const Job& job : moves) {
      verdicts.push_back(Decide(ledger, scenario, std::get<Move>(job).operation));
      if (!verdicts.back().write) continue;
      ledger.Add(*verdicts.back().write);
      written.push_back(*verdicts.back().write);
    }
    if (AppendEntries(session, written)) return absl::OkStatus();
    return AsConflict(absl::AbortedError("another process used a key"));
  };
  RETURN_IF_ERROR(RetryOnConflict([&] {
    scenario = before;
    return connection_->Write(decide);
  }));
  std::lock_guard lock(mutex_);
  if (scenario_number == scenario_number_) {
    scenario_.fail_first = scenario.fail_first;
    scenario_.hang_first = scenario.hang_first;
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
