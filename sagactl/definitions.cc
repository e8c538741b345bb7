#include <cstdint>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "sagactl/commands.h"
#include "sagactl/json.h"
#include "sagactl/text.h"
#include "sagactl/times.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

std::int64_t Sum(const saga::v1::Definition& definition) {
  std::int64_t sum = 0;
  for (const saga::v1::UnfinishedSagas& each : definition.unfinished()) sum += each.count();
  return sum;
}

// The method that starts its sagas, or whose end does.
std::string StarterOf(const saga::v1::Definition& definition) {
  if (!definition.has_follows()) return definition.method();
  const saga::v1::Follows& follows = definition.follows();
  if (follows.on() == saga::v1::Saga::STATE_RUNNING) return "none: on: never";
  return absl::StrCat("follows ", absl::StrJoin(follows.definitions(), ", "), " ", Word(follows.on()),
                      follows.reasons().empty() ? "" : ": ", absl::StrJoin(follows.reasons(), ", "));
}

absl::Status Definitions(Session& session) {
  ASSIGN_OR_RETURN(const saga::v1::ListDefinitionsResponse all,
                   Call(session, &Stub::ListDefinitions, saga::v1::ListDefinitionsRequest()));
  Table table({"DEFINITION", "STARTS HERE", "UNFINISHED", "METHOD", "NOT DRIVEN HERE BECAUSE", "PAUSED"});
  for (const saga::v1::Definition& each : all.definitions()) {
    if (session.json) PrintJson(session, each);
    table.Add({Version(each.name(), each.version()), each.served() && !each.has_pause() ? "yes" : "no",
               absl::StrCat(Sum(each)), StarterOf(each), each.undriven_reason(),
               each.has_pause() ? Words(each.pause(), session.zone) : ""});
  }
  if (!session.json) table.Print(session.out, session.line_max);
  return absl::OkStatus();
}

// A count by itself is no message of the API: its JSON, with whose it is.
void PrintCount(Session& session, const saga::v1::Definition& definition, const saga::v1::UnfinishedSagas& count) {
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(count, &text).ok()) return;
  nlohmann::json json = nlohmann::json::parse(text);
  json["definition"] = definition.name();
  json["version"] = definition.version();
  session.out << json.dump() << "\n";
}

absl::Status Stats(Session& session) {
  ASSIGN_OR_RETURN(const saga::v1::ListDefinitionsResponse all,
                   Call(session, &Stub::ListDefinitions, saga::v1::ListDefinitionsRequest()));
  Table table({"DEFINITION", "STATE", "SAGAS", "OLDEST ACCEPTED", "AGO"});
  for (const saga::v1::Definition& definition : all.definitions()) {
    for (const saga::v1::UnfinishedSagas& count : definition.unfinished()) {
      const absl::Time oldest = TimeOf(count.oldest_create_time());
      if (session.json) PrintCount(session, definition, count);
      table.Add({Version(definition.name(), definition.version()), Word(count.state()), absl::StrCat(count.count()),
                 ToSecond(oldest, session.zone), Rough(absl::Now() - oldest)});
    }
  }
  if (session.json) return absl::OkStatus();
  if (table.empty()) session.err << "no saga is unfinished\n";
  if (!table.empty()) table.Print(session.out, session.line_max);
  return absl::OkStatus();
}

}  // namespace

void AddDefinitions(CLI::App& app, Command& chosen) {
  AddCommand(
      app, "definitions",
      "Lists the definitions that this instance serves or that an unfinished saga runs on, and which are paused.",
      "sagactl definitions")
      .callback([&chosen] { chosen = Definitions; });
  AddCommand(app, "stats",
             "Counts the unfinished sagas of all instances by definition and state. Those that ended are counted by "
             "the metric saga_finished_total only.",
             "sagactl stats --json")
      .callback([&chosen] { chosen = Stats; });
}

}  // namespace unwind::sagactl
