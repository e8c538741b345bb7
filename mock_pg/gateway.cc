#include "mock_pg/gateway.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/uuid.h"
#include "common/rpc/error.h"
#include "mock_pg/ledger_store.h"

namespace unwind::pg {
namespace {

absl::Status Overloaded() {
  return WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many calls wait for the ledger",
                                  {"OVERLOADED", std::string(kErrorDomain), {}}),
                        absl::Milliseconds(100));
}

}  // namespace

Gateway::Gateway(std::unique_ptr<Connection> writer, std::unique_ptr<Connection> reader, const Clock& clock, Options options)
    : connection_(std::move(writer)),
      read_connection_(std::move(reader)),
      clock_(clock),
      first_scenario_(options.scenario),
      crash_(std::move(options.crash)),
      scenario_(options.scenario),
      writer_(options.batch_max, options.queue_max, [this](std::vector<Job> jobs) { Handle(std::move(jobs)); }),
      reader_(options.batch_max, options.queue_max, [](std::vector<Query> queries) {
        for (Query& query : queries) std::move(query)();
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

void Gateway::Get(std::string key, absl::AnyInvocable<void(absl::StatusOr<Entry>) &&> done) {
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  Query query = [this, key = std::move(key), shared] {
    std::optional<Entry> entry;
    const absl::Status status = read_connection_->Read([&](soci::session& session) {
      entry = FindEntry(session, key);
      return absl::OkStatus();
    });
    if (!status.ok()) return std::move(*shared)(status);
    if (!entry) return std::move(*shared)(TransactionNotFound("transaction of this key"));
    std::move(*shared)(*std::move(entry));
  };
  if (!reader_.Push(std::move(query))) std::move(*shared)(Overloaded());
}

void Gateway::List(std::int64_t after, int limit, absl::AnyInvocable<void(absl::StatusOr<Page>) &&> done) {
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  Query query = [this, after, limit, shared] {
    std::vector<std::pair<std::int64_t, Entry>> rows;
    const absl::Status status = read_connection_->Read([&](soci::session& session) {
      rows = ListEntries(session, after, limit + 1);  // one more tells whether there is a next page
      return absl::OkStatus();
    });
    if (!status.ok()) return std::move(*shared)(status);
    Page page;
    if (rows.size() > static_cast<std::size_t>(limit)) {
      rows.pop_back();
      page.next = rows.back().first;
    }
    for (auto& [position, entry] : rows) page.entries.push_back(std::move(entry));
    std::move(*shared)(std::move(page));
  };
  if (!reader_.Push(std::move(query))) std::move(*shared)(Overloaded());
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

// A reset is alone in its transaction, and in its turn.
void Gateway::Handle(std::vector<Job> jobs) {
  for (auto begin = jobs.begin(); begin != jobs.end();) {
    const auto end = std::find_if(begin, jobs.end(), [](const Job& job) { return std::holds_alternative<Clear>(job); });
    if (begin != end) HandleMoves(absl::MakeSpan(&*begin, static_cast<std::size_t>(end - begin)));
    if (end == jobs.end()) return;
    HandleClear(std::get<Clear>(*end));
    begin = end + 1;
  }
}

// All in one transaction; if that fails, each in one of its own, so that one bad call fails alone.
void Gateway::HandleMoves(absl::Span<Job> moves) {
  std::vector<Verdict> verdicts;
  const absl::Status status = Commit(moves, verdicts);
  if (!status.ok() && moves.size() > 1) {
    for (Job& job : moves) HandleMoves({&job, 1});
    return;
  }
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
  Scenario scenario;
  int scenario_number = 0;
  {
    std::lock_guard lock(mutex_);
    scenario = scenario_;
    scenario_number = scenario_number_;
  }
  RETURN_IF_ERROR(connection_->Write([&](soci::session& session) {
    Ledger ledger = LoadLedger(session, keys, transaction_ids);
    std::vector<Entry> written;
    verdicts.clear();
    for (const Job& job : moves) {
      verdicts.push_back(Decide(ledger, scenario, std::get<Move>(job).operation));
      if (!verdicts.back().write) continue;
      ledger.Add(*verdicts.back().write);
      written.push_back(*verdicts.back().write);
    }
    AppendEntries(session, written);
    return absl::OkStatus();
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
