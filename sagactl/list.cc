#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/json.h"
#include "sagactl/pages.h"
#include "sagactl/text.h"
#include "sagactl/times.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

struct ListOptions {
  std::string definition, state, key, since, until;
  bool stuck = false, waiting = false;
  std::size_t limit = 50;
};

absl::Status ReadInto(const char* option, const std::string& text, const Session& session,
                      google::protobuf::Timestamp* time) {
  const absl::StatusOr<absl::Time> read = ReadTime(text, absl::Now(), session.zone);
  if (!read.ok()) {
    return CalledWrongly(absl::StrCat(option, "=", text, " ", read.status().message()));
  }
  *time = TimestampOf(*read);
  return absl::OkStatus();
}

absl::StatusOr<saga::v1::ListSagasRequest> RequestOf(const ListOptions& options, const Session& session) {
  const bool by_steps = options.stuck || options.waiting;
  if (by_steps && !options.state.empty() && !IsUnfinished(StateOf(options.state))) {
    return CalledWrongly(absl::StrCat("--state=", options.state, " has none that are stuck or wait; with --stuck and ",
                                      "--waiting it must be one of ", absl::StrJoin(UnfinishedStateNames(), ", ")));
  }
  saga::v1::ListSagasRequest request;
  request.set_definition(options.definition);
  request.set_state(StateOf(options.state));
  request.set_key(options.key);
  request.set_stuck(options.stuck);
  request.set_waiting(options.waiting);
  if (!options.since.empty()) {
    RETURN_IF_ERROR(ReadInto("--since", options.since, session, request.mutable_create_time_from()));
  }
  if (!options.until.empty()) {
    RETURN_IF_ERROR(ReadInto("--until", options.until, session, request.mutable_create_time_before()));
  }
  return request;
}

// One more than --limit if there are as many.
absl::StatusOr<std::vector<saga::v1::Saga>> Chosen(Session& session, const ListOptions& options,
                                                   const saga::v1::ListSagasRequest& request) {
  const std::size_t most = options.limit + 1;
  std::vector<saga::v1::Saga> sagas;
  RETURN_IF_ERROR(ForEachSaga(session, request, [&](const saga::v1::Saga& saga) {
    sagas.push_back(saga);
    return sagas.size() < most;
  }));
  return sagas;
}

void Print(Session& session, const std::vector<saga::v1::Saga>& sagas) {
  Table table({"SAGA", "DEFINITION", "KEY", "STATE", "CREATED", "WHY"});
  for (const saga::v1::Saga& saga : sagas) {
    table.Add({saga.saga_id(), Version(saga.definition(), saga.definition_version()), saga.key(), Standing(saga),
               ToSecond(TimeOf(saga.create_time()), session.zone), Why(saga)});
  }
  table.Print(session.out, session.line_max);
}

absl::Status List(Session& session, const ListOptions& options) {
  ASSIGN_OR_RETURN(const saga::v1::ListSagasRequest request, RequestOf(options, session));
  ASSIGN_OR_RETURN(std::vector<saga::v1::Saga> sagas, Chosen(session, options, request));
  const bool is_cut = sagas.size() > options.limit;
  if (is_cut) sagas.resize(options.limit);
  if (session.json) {
    for (const saga::v1::Saga& saga : sagas) PrintJson(session, saga);
  } else if (sagas.empty()) {
    session.err << "no saga\n";
  } else {
    Print(session, sagas);
  }
  if (is_cut) session.err << "there are more: raise --limit or narrow the filters\n";
  return absl::OkStatus();
}

}  // namespace

void AddList(CLI::App& app, Command& chosen) {
  CLI::App& list = AddCommand(app, "list", "Lists sagas, newest first; stuck and waiting ones oldest first.",
                              "sagactl list --definition place-order --state parked --since 2h");
  const auto options = std::make_shared<ListOptions>();
  CLI::Option* const definition = list.add_option("--definition", options->definition, "only of this definition");
  list.add_option("--state", options->state, "only in this state")
      ->check(CLI::IsMember(StateNames(), CLI::ignore_case));
  list.add_option("--key", options->key, "only with this idempotency key; needs --definition")->needs(definition);
  list.add_option("--since", options->since, "only accepted at this time or later, or so long ago: 15m, 2h30m, 7d");
  list.add_option("--until", options->until, "only accepted before this time");
  list.add_flag("--stuck", options->stuck, "only those with a step that is stuck, oldest first");
  list.add_flag("--waiting", options->waiting,
                "only those with a step that was answered \"not finished\" and is asked again, oldest first");
  list.add_option("--limit", options->limit, "how many at most")
      ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}))
      ->capture_default_str();
  list.callback([options, &chosen] { chosen = [options](Session& session) { return List(session, *options); }; });
}

}  // namespace unwind::sagactl
