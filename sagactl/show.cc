#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "sagactl/commands.h"
#include "sagactl/json.h"
#include "sagactl/text.h"
#include "sagactl/times.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

constexpr int kHistoryPage = 500;

std::string Timed(const google::protobuf::Timestamp& time, const Session& session) {
  const absl::Time at = TimeOf(time);
  return absl::StrCat(ToMillisecond(at, session.zone), " (", Rough(absl::Now() - at), " ago)");
}

void PrintHead(Session& session, const saga::v1::Saga& saga) {
  const auto line = [&session](const char* name, const std::string& value) {
    if (!value.empty()) session.out << absl::StrFormat("%-11s", name) << Escaped(value) << "\n";
  };
  line("saga", saga.saga_id());
  line("definition", Version(saga.definition(), saga.definition_version()));
  line("key", saga.key());
  line("state", absl::StrCat(Standing(saga), saga.cancel_requested() ? ", cancel requested" : "",
                             saga.answered_early() ? ", callers are answered for now" : ""));
  line("version", absl::StrCat(saga.version()));
  line("owner", saga.owner());
  if (!saga.parent_id().empty()) line("parent", saga.parent_id());
  for (const saga::v1::ChildSaga& child : saga.children()) {
    line("child", absl::StrCat(child.saga_id(), " (", child.definition(), " ", child.definition_version(), ", ",
                               Word(child.state()), ")"));
  }
  line("created", Timed(saga.create_time(), session));
  line("updated", Timed(saga.update_time(), session));
  if (saga.has_deadline()) line("deadline", ToMillisecond(TimeOf(saga.deadline()), session.zone));
  if (saga.has_failure()) {
    const std::string& step = saga.failure().step();
    line("failure", absl::StrCat(step, step.empty() ? "" : ": ", Words(saga.failure())));
  }
}

// A person, the time at which it is sent again, and how long it may wait.
std::string WaitsFor(const saga::v1::Step& step, const Session& session) {
  std::vector<std::string> waits;
  if (step.parked()) waits.emplace_back("a person");
  if (step.has_next_attempt_time()) waits.push_back(ToSecond(TimeOf(step.next_attempt_time()), session.zone));
  if (step.state() == saga::v1::Step::STATE_WAITING && !step.parked()) {
    if (step.has_wait_until()) {
      waits.push_back(absl::StrCat("at most to ", ToSecond(TimeOf(step.wait_until()), session.zone)));
    }
    const int answers = step.pending_answers();
    waits.push_back(absl::StrCat("not finished at ", answers, answers == 1 ? " answer" : " answers"));
  }
  if (step.stuck()) waits.emplace_back("stuck");
  return absl::StrJoin(waits, ", ");
}

void PrintSteps(Session& session, const saga::v1::Saga& saga) {
  Table table({"STEP", "STATE", "LAST SENT", "WAITS FOR", "LAST FAILURE"});
  for (const saga::v1::Step& step : saga.steps()) {
    const bool was_sent = step.phase() != saga::v1::PHASE_UNSPECIFIED;
    table.Add({step.name(), Word(step.state()), was_sent ? absl::StrCat(Word(step.phase()), " ", step.attempt()) : "",
               WaitsFor(step, session), step.has_last_failure() ? Words(step.last_failure()) : ""});
  }
  table.Print(session.out, session.line_max);
}

// What happened, such as "charge action 2: REFUSED", "book_room retried".
std::string What(const saga::v1::HistoryEntry& entry) {
  if (entry.outcome() == saga::v1::OUTCOME_UNSPECIFIED) {
    return absl::StrCat(entry.step(), entry.step().empty() ? "" : " ", entry.event());
  }
  return absl::StrCat(entry.step(), " ", Word(entry.phase()), " ", entry.attempt(), ": ", Word(entry.outcome()));
}

// Who asked for it and why, or how it failed; then what was sent.
std::string Details(const saga::v1::HistoryEntry& entry) {
  std::vector<std::string> details;
  if (!entry.actor().empty() || !entry.reason().empty()) {
    details.push_back(absl::StrCat("by ", entry.actor().empty() ? "nobody named" : entry.actor(),
                                   entry.reason().empty() ? "" : ": ", entry.reason()));
  }
  if (entry.has_failure()) details.push_back(Words(entry.failure()));
  std::vector<std::string> sends;
  for (const saga::v1::Send& send : entry.sends()) {
    sends.push_back(absl::StrCat(send.step(), " ", Word(send.phase()), " ", send.attempt()));
  }
  if (!sends.empty()) details.push_back(absl::StrCat("sends ", absl::StrJoin(sends, ", ")));
  return absl::StrJoin(details, "; ");
}

absl::StatusOr<std::vector<saga::v1::HistoryEntry>> HistoryOf(Session& session, const std::string& saga_id) {
  saga::v1::GetHistoryRequest request;
  request.set_saga_id(saga_id);
  request.set_page_size(kHistoryPage);
  std::vector<saga::v1::HistoryEntry> entries;
  do {
    ASSIGN_OR_RETURN(const saga::v1::GetHistoryResponse page, Call(session, &Stub::GetHistory, request));
    entries.insert(entries.end(), page.entries().begin(), page.entries().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return entries;
}

void PrintHistory(Session& session, const std::vector<saga::v1::HistoryEntry>& entries) {
  Table table({"SEQ", "TIME", "WHAT", "TOOK", "STATE", "DETAILS"});
  for (const saga::v1::HistoryEntry& entry : entries) {
    table.Add({absl::StrCat(entry.seq()), ToMillisecond(TimeOf(entry.time()), session.zone), What(entry),
               entry.elapsed_ms() > 0 ? absl::StrFormat("%.1fms", entry.elapsed_ms()) : "", Word(entry.state()),
               Details(entry)});
  }
  table.Print(session.out, session.line_max);
}

absl::Status Get(Session& session, const saga::v1::GetSagaRequest& request) {
  ASSIGN_OR_RETURN(const saga::v1::Saga saga, Call(session, &Stub::GetSaga, request));
  if (session.json) {
    PrintJson(session, saga);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<saga::v1::HistoryEntry> entries, HistoryOf(session, saga.saga_id()));
  PrintHead(session, saga);
  session.out << "\n";
  PrintSteps(session, saga);
  session.out << "\n";
  PrintHistory(session, entries);
  return absl::OkStatus();
}

absl::Status History(Session& session, const std::string& saga_id) {
  ASSIGN_OR_RETURN(const std::vector<saga::v1::HistoryEntry> entries, HistoryOf(session, saga_id));
  if (session.json) {
    for (const saga::v1::HistoryEntry& entry : entries) PrintJson(session, entry);
  } else {
    PrintHistory(session, entries);
  }
  return absl::OkStatus();
}

}  // namespace

void AddShow(CLI::App& app, Command& chosen) {
  const auto wanted = std::make_shared<saga::v1::GetSagaRequest>();
  const auto text = [wanted](void (*set)(saga::v1::GetSagaRequest&, const std::string&)) {
    return [wanted, set](const std::string& value) { set(*wanted, value); };
  };
  const auto by_id = text([](auto& request, const std::string& value) { request.set_saga_id(value); });
  const auto shown = [wanted, &chosen] { chosen = [wanted](Session& session) { return Get(session, *wanted); }; };

  CLI::App& get = AddCommand(app, "get",
                             "Shows a saga: its steps, and all that happened to it. With --json the saga alone, as "
                             "GetSaga answers it; `history --json` has the rest.",
                             "sagactl get 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22");
  get.add_option_function<std::string>("SAGA", by_id, "its id")->required();
  get.callback(shown);

  CLI::App& find = AddCommand(app, "find", "Shows the saga that a caller's idempotency key started, as `get` does.",
                              "sagactl find place-order buy-1");
  find.add_option_function<std::string>(
          "DEFINITION", text([](auto& request, const std::string& value) { request.set_definition(value); }),
          "its definition")
      ->required();
  find.add_option_function<std::string>(
          "KEY", text([](auto& request, const std::string& value) { request.set_key(value); }), "the key")
      ->required();
  find.callback(shown);

  CLI::App& history = AddCommand(app, "history", "Shows all that happened to a saga, oldest first.",
                                 "sagactl history 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 --utc");
  history.add_option_function<std::string>("SAGA", by_id, "its id")->required();
  history.callback(
      [wanted, &chosen] { chosen = [wanted](Session& session) { return History(session, wanted->saga_id()); }; });
}

}  // namespace unwind::sagactl
