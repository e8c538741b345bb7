#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/clock.h"
#include "sagactl/commands.h"
#include "sagactl/json.h"
#include "sagactl/pages.h"
#include "sagactl/text.h"
#include "sagactl/times.h"
#include "sagactl/words.h"

namespace unwind::sagactl {
namespace {

// A stream that was cut, as when its instance stops, is opened again for so long.
constexpr absl::Duration kPatience = absl::Minutes(1), kPause = absl::Milliseconds(500);

struct WatchOptions {
  std::string saga_id, definition, state;
};

// What is under way, such as "charge".
std::string UnderWay(const saga::v1::Saga& saga) {
  std::vector<std::string> names;
  for (const saga::v1::Step& step : saga.steps()) {
    const bool is_out = step.state() == saga::v1::Step::STATE_IN_FLIGHT ||
                        step.state() == saga::v1::Step::STATE_COMPENSATING ||
                        step.state() == saga::v1::Step::STATE_WAITING;
    if (is_out && !step.parked() && !step.stuck()) names.push_back(step.name());
  }
  return absl::StrJoin(names, ", ");
}

void Print(Session& session, const saga::v1::Saga& saga) {
  if (session.json) {
    PrintJson(session, saga);
  } else {
    std::vector<std::string> parts = {ToMillisecond(TimeOf(saga.update_time()), session.zone), saga.saga_id(),
                                      Version(saga.definition(), saga.definition_version()), Standing(saga)};
    for (const std::string& part : {UnderWay(saga), Why(saga)}) {
      if (!part.empty()) parts.push_back(part);
    }
    const std::string line = Escaped(absl::StrJoin(parts, "  "));
    session.out << (session.line_max == 0 ? line : Cut(line, session.line_max)) << "\n";
  }
  session.out << std::flush;
}

// Calls `open(context)` for a stream and hands each response to `take`, again when the stream is cut; the stream's own
// end otherwise.
template <class Response, class Open, class Take>
absl::Status Follow(const Open& open, const Take& take) {
  bool has_begun = false;
  absl::Time answered = SteadyNow();
  for (;;) {
    grpc::ClientContext context;
    const std::unique_ptr<grpc::ClientReader<Response>> reader = open(context);
    for (Response response; reader->Read(&response); answered = SteadyNow()) {
      take(response);
      has_begun = true;
    }
    absl::Status status = FromGrpc(reader->Finish());
    const bool comes_again = absl::IsUnavailable(status) && (has_begun || !GetErrorInfo(status).reason.empty());
    if (!comes_again || SteadyNow() - answered > kPatience) return status;
    absl::SleepFor(kPause);
  }
}

absl::Status WatchOne(Session& session, const std::string& saga_id) {
  saga::v1::WatchSagaRequest request;
  request.set_saga_id(saga_id);
  return Follow<saga::v1::WatchSagaResponse>(
      [&](grpc::ClientContext& context) { return session.stub->WatchSaga(&context, request); },
      [&](const saga::v1::WatchSagaResponse& response) {
        request.set_after_version(response.saga().version());
        Print(session, response.saga());
      });
}

absl::Status WatchMany(Session& session, const WatchOptions& options) {
  saga::v1::WatchSagasRequest request;
  request.set_definition(options.definition);
  request.set_state(StateOf(options.state));
  return Follow<saga::v1::WatchSagasResponse>(
      [&](grpc::ClientContext& context) { return session.stub->WatchSagas(&context, request); },
      [&](const saga::v1::WatchSagasResponse& response) {
        for (const saga::v1::Saga& saga : response.sagas()) Print(session, saga);
      });
}

}  // namespace

void AddWatch(CLI::App& app, Command& chosen) {
  CLI::App& watch = AddCommand(
      app, "watch",
      "Prints a saga, or those of a filter, whenever they change. One saga until it has ended; those of a filter until "
      "Ctrl-C, at first those that have not ended. Quick changes may come as one. Goes on at the same address when the "
      "instance stops, for a minute.",
      "sagactl watch --definition place-order --state parked");
  const auto options = std::make_shared<WatchOptions>();
  CLI::Option* const saga = watch.add_option("SAGA", options->saga_id, "its id");
  watch.add_option("--definition", options->definition, "only of this definition")->excludes(saga);
  watch.add_option("--state", options->state, "only in this state; one that leaves it is printed once more")
      ->check(CLI::IsMember(StateNames(), CLI::ignore_case))
      ->excludes(saga);
  watch.require_option(1, 0);
  watch.callback([options, &chosen] {
    chosen = [options](Session& session) {
      return options->saga_id.empty() ? WatchMany(session, *options) : WatchOne(session, options->saga_id);
    };
  });
}

}  // namespace unwind::sagactl
