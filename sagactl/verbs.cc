#include "sagactl/verbs.h"

#include <pwd.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/json.h"
#include "sagactl/text.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

struct Reply {
  std::string json;
  std::string path;  // of a file that has it; "-": standard input
};

template <class Request>
Request RequestOf(const Session& session, const Asked& asked) {
  Request request;
  request.set_saga_id(asked.saga_id);
  request.set_actor(asked.actor.empty() ? session.actor : asked.actor);
  request.set_reason(asked.reason);
  if constexpr (!std::is_same_v<Request, saga::v1::CancelSagaRequest>) {
    request.set_step(asked.step);
    request.set_seen_direction(asked.seen_direction);
    request.set_seen_phase(asked.seen_phase);
  }
  return request;
}

// Calls `method` and gives the saga that it answers.
template <class Request, class Response>
absl::StatusOr<saga::v1::Saga> Ask(Session& session,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                   const Request& request) {
  ASSIGN_OR_RETURN(Response response, Call(session, method, request));
  return std::move(*response.mutable_saga());
}

absl::StatusOr<saga::v1::Saga> Cancel(Session& session, const Asked& asked) {
  return Ask(session, &Stub::CancelSaga, RequestOf<saga::v1::CancelSagaRequest>(session, asked));
}

absl::StatusOr<std::string> ReadReply(Session& session, const Reply& reply) {
  if (reply.path.empty()) return reply.json;
  std::ifstream file;
  if (reply.path != "-") file.open(reply.path);
  std::istream& from = reply.path == "-" ? session.in : file;
  std::string json((std::istreambuf_iterator<char>(from)), std::istreambuf_iterator<char>());
  if (from.bad() || (reply.path != "-" && !file.is_open())) {
    return CalledWrongly(absl::StrCat("--reply_file=", reply.path, " cannot be read"));
  }
  if (json.empty()) {
    return CalledWrongly(absl::StrCat("--reply_file=", reply.path, " is empty; give the reply as JSON"));
  }
  return json;
}

absl::StatusOr<saga::v1::Saga> Resolve(Session& session, const Asked& asked, const Reply& reply) {
  auto request = RequestOf<saga::v1::ResolveStepRequest>(session, asked);
  ASSIGN_OR_RETURN(*request.mutable_reply_json(), ReadReply(session, reply));
  return Ask(session, &Stub::ResolveStep, request);
}

// It ended before, and not as was asked. One that was cancelled is ABORTED as it should be, no matter who asked first.
bool IsTooLateToCancel(const saga::v1::Saga& saga) {
  return saga.state() == saga::v1::Saga::STATE_COMPLETED ||
         (saga.state() == saga::v1::Saga::STATE_ABORTED && !saga.cancel_requested());
}

absl::Status Show(Session& session, const absl::StatusOr<saga::v1::Saga>& saga, bool is_cancel) {
  if (EndingOf(saga.status()) == Ending::kNotKnown) {
    session.err << "sagactl: whether it was done is not known: look at the saga before you ask again\n";
  }
  RETURN_IF_ERROR(saga.status());
  if (session.json) {
    PrintJson(session, *saga);
  } else {
    const std::string why = Why(*saga);
    session.out << Escaped(absl::StrCat("saga ", saga->saga_id(), " is ", Standing(*saga), ", version ",
                                        saga->version(), why.empty() ? "" : "; ", why))
                << "\n";
  }
  if (!is_cancel || !IsTooLateToCancel(*saga)) return absl::OkStatus();
  return NotAll(absl::StrCat("saga ", saga->saga_id(), " had ended before: it is ", Word(saga->state()),
                             " and stays so; nothing was cancelled"));
}

// The options that every verb has.
std::shared_ptr<Asked> AddAsked(CLI::App& command, bool of_step) {
  const auto asked = std::make_shared<Asked>();
  command.add_option("SAGA", asked->saga_id, "its id")->required();
  if (of_step) command.add_option("STEP", asked->step, "the step's name")->required();
  command.add_option("--reason", asked->reason, "why; stays in the history, at most 256 bytes")->required(of_step);
  command.add_option("--actor", asked->actor, kActorHelp);
  return asked;
}

using Verb = absl::StatusOr<saga::v1::Saga> (*)(Session&, const Asked&);

void AddVerb(CLI::App& app, Command& chosen, Verb verb, const std::string& name, const std::string& help,
             const std::string& example) {
  CLI::App& command = AddCommand(app, name, help, example);
  const auto asked = AddAsked(command, verb != Cancel);
  command.callback([verb, asked, &chosen] {
    chosen = [verb, asked](Session& session) { return Show(session, verb(session, *asked), verb == Cancel); };
  });
}

}  // namespace

std::string SystemUser() {
  const passwd* const user = getpwuid(getuid());
  return user == nullptr ? absl::StrCat("uid ", getuid()) : user->pw_name;
}

absl::StatusOr<saga::v1::Saga> Retry(Session& session, const Asked& asked) {
  return Ask(session, &Stub::RetryStep, RequestOf<saga::v1::RetryStepRequest>(session, asked));
}

absl::StatusOr<saga::v1::Saga> Skip(Session& session, const Asked& asked) {
  return Ask(session, &Stub::SkipStep, RequestOf<saga::v1::SkipStepRequest>(session, asked));
}

void AddVerbs(CLI::App& app, Command& chosen) {
  AddVerb(app, chosen, Cancel, "cancel",
          "Asks a saga to go back. Until its pivot is sent it will; afterwards the outcome stands. One that had ended "
          "otherwise is left as it is: exit 1.",
          "sagactl cancel 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 --reason 'the guest called'");
  AddVerb(app, chosen, Retry, "retry",
          "Sends the call of a step that is parked, repeated or waiting again now, under its own idempotency key.",
          "sagactl retry 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 book_room --reason 'the desk is open again'");
  AddVerb(
      app, chosen, Skip, "skip",
      "Goes on without such a step: a compensation is taken as done, a step past the pivot as not needed, any other "
      "as never happened. Nobody checks it: only for who has made it true.",
      "sagactl skip 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 book_room --reason 'cancelled by phone'");

  CLI::App& resolve =
      AddCommand(app, "resolve",
                 "Takes the call of such a step as done: with the reply that it would have given, as JSON of the "
                 "action's response "
                 "type; without one if it is a compensation. Nobody checks it: only for who knows that it happened.",
                 "sagactl resolve 01938f5e-7c00-7a10-b1a2-0c5d3e9f1a22 print_ticket --reason 'printed by hand' "
                 "--reply '{\"ticket\": \"T-9\"}'");
  const auto asked = AddAsked(resolve, /*of_step=*/true);
  const auto reply = std::make_shared<Reply>();
  CLI::Option* const json = resolve.add_option("--reply", reply->json, "the reply as JSON");
  resolve.add_option("--reply_file", reply->path, "the file that has the reply as JSON; -: standard input")
      ->excludes(json);
  resolve.callback([asked, reply, &chosen] {
    chosen = [asked, reply](Session& session) {
      return Show(session, Resolve(session, *asked, *reply), /*is_cancel=*/false);
    };
  });
}

}  // namespace unwind::sagactl
