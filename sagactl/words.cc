#include "sagactl/words.h"

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "sagactl/times.h"

namespace unwind::sagactl {
namespace {

std::string Named(const std::string& name, int number, const char* prefix) {
  return name.empty() ? absl::StrCat(number) : std::string(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string Word(saga::v1::Saga::State state) { return Named(saga::v1::Saga::State_Name(state), state, "STATE_"); }

std::string Word(saga::v1::Step::State state) { return Named(saga::v1::Step::State_Name(state), state, "STATE_"); }

std::string Word(saga::v1::Phase phase) {
  if (phase == saga::v1::PHASE_UNSPECIFIED) return "";
  return absl::AsciiStrToLower(Named(saga::v1::Phase_Name(phase), phase, "PHASE_"));
}

std::string Word(saga::v1::Outcome outcome) {
  if (outcome == saga::v1::OUTCOME_UNSPECIFIED) return "";
  return Named(saga::v1::Outcome_Name(outcome), outcome, "OUTCOME_");
}

std::string Standing(const saga::v1::Saga& saga) {
  if (saga.state() != saga::v1::Saga::STATE_PARKED) return Word(saga.state());
  const bool back = saga.direction() == saga::v1::Saga::DIRECTION_BACKWARD;
  return absl::StrCat("PARKED going ", back ? "backward" : "forward");
}

std::string Words(const saga::v1::Failure& failure) {
  std::vector<std::string> about;
  if (!failure.domain().empty()) about.push_back(failure.domain());
  if (failure.code() != 0) about.push_back(absl::StatusCodeToString(static_cast<absl::StatusCode>(failure.code())));
  std::string words = failure.reason();
  if (!about.empty()) absl::StrAppend(&words, words.empty() ? "" : " ", "(", absl::StrJoin(about, ", "), ")");
  if (!failure.message().empty()) absl::StrAppend(&words, ": ", failure.message());
  if (failure.metadata().empty()) return words;
  const std::map<std::string, std::string> sorted(failure.metadata().begin(), failure.metadata().end());
  return absl::StrCat(words, " {", absl::StrJoin(sorted, ", ", absl::PairFormatter(": ")), "}");
}

std::string Words(const saga::v1::Pause& pause, absl::TimeZone zone) {
  const std::string& actor = pause.actor();
  return absl::StrCat("since ", ToSecond(TimeOf(pause.pause_time()), zone), actor.empty() ? "" : " by ", actor, ": ",
                      pause.reason());
}

std::string Why(const saga::v1::Saga& saga) {
  std::vector<std::string> whys;
  for (const saga::v1::Step& step : saga.steps()) {
    if (!step.parked() && !step.stuck()) continue;
    whys.push_back(absl::StrCat(step.name(), step.parked() ? "" : " (stuck)", ": ", step.last_failure().reason()));
  }
  if (whys.empty() && !saga.has_failure()) {
    for (const saga::v1::Step& step : saga.steps()) {
      if (step.state() == saga::v1::Step::STATE_WAITING) whys.push_back(absl::StrCat(step.name(), " (waiting)"));
    }
  }
  if (!whys.empty() || !saga.has_failure()) return absl::StrJoin(whys, ", ");
  return absl::StrCat(saga.failure().step(), saga.failure().step().empty() ? "" : ": ", saga.failure().reason());
}

std::string Version(const std::string& definition, int version) { return absl::StrCat(definition, " ", version); }

}  // namespace unwind::sagactl
