#include "tests/support/timeline.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

constexpr std::size_t kMessageMax = 70;

// "PHASE_ACTION" -> "action".
std::string Lower(absl::string_view name, absl::string_view prefix) {
  absl::ConsumePrefix(&name, prefix);
  return absl::AsciiStrToLower(name);
}

std::string PhaseName(saga::v1::Phase phase) { return Lower(saga::v1::Phase_Name(phase), "PHASE_"); }
std::string OutcomeName(saga::v1::Outcome outcome) { return Lower(saga::v1::Outcome_Name(outcome), "OUTCOME_"); }
std::string StateName(saga::v1::Saga::State state) {
  return std::string(absl::StripPrefix(saga::v1::Saga::State_Name(state), "STATE_"));
}

double Millis(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  return static_cast<double>(to.seconds() - from.seconds()) * 1e3 +
         static_cast<double>(to.nanos() - from.nanos()) / 1e6;
}

std::string Why(const saga::v1::Failure& failure) {
  std::string why = absl::StrCat(failure.reason(), failure.reason().empty() ? "" : ": ", failure.message());
  if (why.size() > kMessageMax) why = absl::StrCat(why.substr(0, kMessageMax), "...");
  return why;
}

// What happened that is no answer, such as "the orchestrator came back and takes the saga up again".
std::string Happening(const saga::v1::HistoryEntry& entry) {
  if (entry.event() == "taken_over") return "the orchestrator is back and takes the saga up again";
  if (entry.event() == "cancel_requested") return absl::StrCat("asked to go back: ", entry.reason());
  return "";
}

std::string Sends(const saga::v1::HistoryEntry& entry) {
  std::string text;
  for (const saga::v1::Send& send : entry.sends()) {
    absl::StrAppendFormat(&text, "%s%s %s, try %d", text.empty() ? "" : "; ", send.step(), PhaseName(send.phase()),
                          send.attempt());
  }
  return text;
}

}  // namespace

std::string Timeline(const saga::v1::Saga& saga, const std::vector<saga::v1::HistoryEntry>& history) {
  std::string text = absl::StrFormat("  saga %s, %s: %s after %.0f ms%s\n", saga.saga_id(), saga.definition(),
                                     StateName(saga.state()), Millis(saga.create_time(), saga.update_time()),
                                     saga.has_failure() ? absl::StrCat(" (", saga.failure().reason(), ")") : "");
  absl::StrAppendFormat(&text, "    %8s  %-15s %-13s %3s  %-9s %8s\n", "at ms", "step", "phase", "try", "outcome",
                        "took ms");
  std::string waits;  // the step whose line was the last one, if that said pending
  int more = 0;       // times that it said so since
  const auto told_more = [&] {
    if (more > 0) absl::StrAppendFormat(&text, "    %8s  %-15s ... pending %d times more\n", "", waits, more);
    more = 0;
    waits.clear();
  };
  for (const saga::v1::HistoryEntry& entry : history) {
    const double at = Millis(saga.create_time(), entry.time());
    if (entry.event() == "replied") {
      const bool is_pending = entry.outcome() == saga::v1::OUTCOME_PENDING;
      if (is_pending && waits == entry.step()) {
        ++more;
        continue;
      }
      told_more();
      if (is_pending) waits = entry.step();
      absl::StrAppendFormat(&text, "    %8.1f  %-15s %-13s %3d  %-9s %8.1f", at, entry.step(), PhaseName(entry.phase()),
                            entry.attempt(), OutcomeName(entry.outcome()), entry.elapsed_ms());
      if (entry.has_failure()) absl::StrAppend(&text, "  ", Why(entry.failure()));
      absl::StrAppend(&text, "\n");
    } else if (const std::string happening = Happening(entry); !happening.empty()) {
      told_more();
      const std::string sends = Sends(entry);
      absl::StrAppendFormat(&text, "    %8.1f  -- %s%s%s\n", at, happening, sends.empty() ? "" : "; sends ", sends);
    }
  }
  told_more();
  return text;
}

nlohmann::json TimelineJson(const saga::v1::Saga& saga, const std::vector<saga::v1::HistoryEntry>& history) {
  nlohmann::json steps = nlohmann::json::array();
  for (const saga::v1::HistoryEntry& entry : history) {
    if (entry.event() != "replied") continue;
    steps.push_back({{"at_ms", Millis(saga.create_time(), entry.time())},
                     {"step", entry.step()},
                     {"phase", PhaseName(entry.phase())},
                     {"attempt", entry.attempt()},
                     {"outcome", OutcomeName(entry.outcome())},
                     {"ms", entry.elapsed_ms()},
                     {"reason", entry.failure().reason()}});
  }
  return {{"saga_id", saga.saga_id()},
          {"definition", saga.definition()},
          {"state", StateName(saga.state())},
          {"steps", std::move(steps)}};
}

}  // namespace unwind
