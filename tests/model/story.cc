#include "tests/model/story.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "orchestrator/core/names.h"

namespace unwind::model {
namespace {

const char* Said(std::uint8_t said) {
  switch (said) {
    case kSaidOk:
      return "OK";
    case kSaidRefusedFree:
      return "REFUSED, nothing done";
    case kSaidRefused:
      return "REFUSED";
    case kSaidFenced:
      return "FENCED";
    case kSaidNever:
      return "NEVER_HAPPENED";
    case kSaidKeyReused:
      return "KEY_REUSED";
    case kSaidPending:
      return "PENDING";
    case kSaidForgotten:
      return "KEYS_FORGOTTEN";
    default:
      return "nothing yet";
  }
}

std::string Told(int orchestrator) {
  return orchestrator < 2 ? absl::StrCat("orchestrator ", orchestrator + 1, " will hear") : "nobody hears";
}

std::string Tell(const Model& model, const Move& move) {
  const std::string who = absl::StrCat("orchestrator ", move.orchestrator + 1);
  const std::string& step = model.plan.steps[static_cast<std::size_t>(move.step)].name;
  const std::string call = absl::StrCat(step, "'s ", move.decides ? "deciding " : "", NameOf(move.phase));
  switch (move.what) {
    case What::kStarted:
      return absl::StrCat("orchestrator 1 ", move.event);
    case What::kBorn:
      return absl::StrCat("another saga's end gives birth to this one", move.event);
    case What::kFindBorn:
      return absl::StrCat(who, " finds that the saga must be started");
    case What::kCrash:
      return absl::StrCat(who, " is killed");
    case What::kRestart:
      return absl::StrCat(who, " starts");
    case What::kClaim:
      return absl::StrCat(who, " claims the saga");
    case What::kFindStale:
      return absl::StrCat(who, " finds that the row moved");
    case What::kDeadline:
      return "the saga's deadline passes";
    case What::kWaitOver:
      return "every wait is over";
    case What::kAge:
      return "the saga becomes too old";
    case What::kForget:
      return absl::StrCat(step, " forgets its ", NameOf(move.phase));
    case What::kUndoByHand:
      return absl::StrCat("a person undoes ", step, " by hand");
    case What::kFenceByHand:
      return absl::StrCat("a person asks the gateway to fence the key of ", step);
    case What::kForeignCancel:
      return "another instance notes a cancel in the row";
    case What::kDecide:
      return absl::StrCat(who, " ", move.event, move.sends ? ", commits and sends" : " and commits");
    case What::kDecideUnlearnt:
      return absl::StrCat(who, " ", move.event, "; its commit lands, and it does not learn so");
    case What::kSendUncommitted:
      return absl::StrCat(who, " ", move.event, ", sends, and is killed before it commits");
    case What::kExecute:
      return absl::StrCat(call, " comes in: ", Said(move.said), ", ", Told(move.orchestrator));
    case What::kBegin:
      return absl::StrCat(call, " comes in and has read the barrier");
    case What::kFinish:
      return absl::StrCat(call, " acts on what it had read: ", Said(move.said), ", ", Told(move.orchestrator));
    case What::kCollect:
      return absl::StrCat("the tombstone of ", step, " is collected");
    case What::kCapture:
      return absl::StrCat("the gateway ", move.said == kSaidOk ? "captures" : "declines");
    case What::kFence:
      return "the gateway fences the key";
  }
  return "";
}

std::string Standing(const Model& model, const World& world) {
  std::string line = NameOf(static_cast<SagaState>(world.row.state));
  for (std::size_t i = 0; i < model.size(); ++i) {
    const char* const effect = world.services[i].effect == Effect::kDone   ? "+"
                               : world.services[i].effect == Effect::kNone ? ""
                                                                           : "-";
    absl::StrAppend(&line, "  ", model.plan.steps[i].name, " ",
                    NameOf(static_cast<StepState>(world.row.steps[i].state)), effect);
  }
  return line;
}

}  // namespace

std::string Story(const Model& model, const Found& found) {
  std::string story = absl::StrCat(model.name, ": the shortest way to break it, ", found.trace.size(),
                                   " events (+ an effect is there, - it was undone)\n");
  int n = 0;
  for (const Leg& leg : found.trace) {
    absl::StrAppendFormat(&story, "%3d  %-78s | %s\n", ++n, Tell(model, leg.move), Standing(model, leg.world));
  }
  absl::StrAppend(&story, "     => ", found.broken, "\n");
  return story;
}

}  // namespace unwind::model
