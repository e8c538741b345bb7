#include "tests/crash/cases.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace unwind {
namespace {

// A call of place-order: its step's number is what the store knows of it.
struct StepCall {
  int step = 0;
  const char* name = "";
};

const std::vector<StepCall>& CallsOf(Tale tale) {
  static const std::vector<StepCall> paid = {{0, "create_order/action"},
                                             {1, "reserve_stock/action"},
                                             {4, "charge/action"},
                                             {5, "confirm_stock/action"},
                                             {8, "confirm_order/action"}};
  static const std::vector<StepCall> declined = {
      {4, "charge/action"}, {1, "reserve_stock/compensation"}, {0, "create_order/compensation"}};
  static const std::vector<StepCall> unanswered = {{4, "charge/resolve"}};
  switch (tale) {
    case Tale::kPaid:
      return paid;
    case Tale::kDeclined:
      return declined;
    case Tale::kUnanswered:
      return unanswered;
  }
  std::abort();
}

// How it ends whatever happens to the orchestrator, or to a participant past the pivot.
End EndOf(Tale tale) { return tale == Tale::kDeclined ? End::kUndone : End::kPaid; }

std::string PhaseOf(const StepCall& call) {
  const std::string name = call.name;
  return name.substr(name.rfind('/') + 1);
}

class CaseList {
 public:
  std::vector<CrashCase> Make() {
    for (const Tale tale : {Tale::kPaid, Tale::kDeclined, Tale::kUnanswered}) {
      AddOrchestrator(tale);
      AddParticipants(tale);
    }
    AddGateway();
    AddSeveral();
    return std::move(cases_);
  }

 private:
  void Add(const char* part, Tale tale, End end, std::vector<std::vector<std::string>> acts) {
    cases_.push_back({.part = part, .tale = tale, .acts = std::move(acts), .end = end});
  }

  void AddOrchestrator(Tale tale) {
    const auto add = [&](const std::string& place) { Add("orchestrator", tale, EndOf(tale), {{place}}); };
    if (tale == Tale::kPaid) {
      add("orchestrator.after_accept@place-order");
      add("orchestrator.in_commit@place-order/started");
      add("orchestrator.after_insert@place-order");
      add("orchestrator.after_commit@started");
    }
    for (const StepCall& call : CallsOf(tale)) {
      add(absl::StrCat("orchestrator.before_send@", call.name));
      add(absl::StrCat("orchestrator.after_send@", call.name));
      add(absl::StrCat("orchestrator.before_commit@", call.name));
      add(absl::StrCat("orchestrator.in_commit@place-order/", call.step, "/", PhaseOf(call)));
      add(absl::StrCat("orchestrator.after_commit@", call.name));
    }
    if (tale == Tale::kPaid) add("orchestrator.before_answer@completed");
    if (tale == Tale::kDeclined) add("orchestrator.before_answer@aborted");
  }

  void AddParticipant(Tale tale, End end, const std::string& call) {
    for (const char* point : {"before_begin", "after_change", "after_row", "after_commit"}) {
      Add("participant", tale, end, {{absl::StrCat("participant.", point, "@", call)}});
    }
  }

  void AddParticipants(Tale tale) {
    for (const StepCall& call : CallsOf(tale)) {
      const std::string name = call.name;
      if (name == "charge/action" || name == "charge/resolve") {
        // A charge whose connection ended is sent once more, or fenced by its resolve if its service is not back by
        // then. Under the gateway's key it is what it was.
        const End cut_off = tale == Tale::kPaid ? End::kEither : End::kUndone;
        AddParticipant(tale, name == "charge/action" ? cut_off : End::kPaid, name);
        AddParticipant(tale, EndOf(tale), name + "/continued");
      } else {
        // A step before the pivot may be out of attempts before its service is back.
        AddParticipant(tale, tale == Tale::kPaid && call.step < 2 ? End::kEither : EndOf(tale), name);
      }
    }
  }

  void AddGateway() {
    Add("gateway", Tale::kPaid, End::kUndone, {{"gateway.before_ledger@confirm"}});
    Add("gateway", Tale::kPaid, End::kPaid, {{"gateway.after_ledger@confirm"}});
    Add("gateway", Tale::kDeclined, End::kUndone, {{"gateway.before_ledger@confirm"}});
    Add("gateway", Tale::kDeclined, End::kUndone, {{"gateway.after_ledger@confirm"}});
    Add("gateway", Tale::kUnanswered, End::kPaid, {{"gateway.before_ledger@fence"}});
    Add("gateway", Tale::kUnanswered, End::kPaid, {{"gateway.after_ledger@fence"}});
  }

  void AddSeveral() {
    const auto add = [&](Tale tale, End end, std::vector<std::vector<std::string>> acts) {
      Add("several", tale, end, std::move(acts));
    };
    // Two at once: what the one would have told the other is lost on both sides.
    add(Tale::kPaid, End::kEither,
        {{"orchestrator.before_commit@create_order/action", "participant.after_commit@reserve_stock/action"}});
    add(Tale::kPaid, End::kEither,
        {{"orchestrator.after_send@reserve_stock/action", "participant.after_commit@reserve_stock/action"}});
    add(Tale::kPaid, End::kPaid,
        {{"orchestrator.after_send@charge/action", "participant.after_commit@charge/action/continued"}});
    add(Tale::kPaid, End::kPaid,
        {{"orchestrator.in_commit@place-order/4/action", "participant.before_begin@confirm_stock/action"}});
    add(Tale::kPaid, End::kPaid, {{"gateway.after_ledger@confirm", "participant.before_begin@charge/resolve"}});
    add(Tale::kPaid, End::kUndone, {{"gateway.before_ledger@confirm", "orchestrator.before_commit@charge/resolve"}});
    add(Tale::kPaid, End::kPaid,
        {{"participant.after_commit@confirm_stock/action", "participant.after_commit@confirm_order/action"}});
    add(Tale::kDeclined, End::kUndone,
        {{"orchestrator.after_send@reserve_stock/compensation",
          "participant.after_commit@reserve_stock/compensation"}});
    add(Tale::kUnanswered, End::kPaid,
        {{"orchestrator.after_send@charge/resolve", "participant.after_row@charge/resolve/continued"}});
    // Dead again while it recovers.
    add(Tale::kPaid, End::kPaid,
        {{"orchestrator.after_send@charge/action"}, {"orchestrator.in_commit@place-order/taken_over"}});
    add(Tale::kPaid, End::kPaid,
        {{"orchestrator.after_commit@create_order/action"}, {"orchestrator.before_send@reserve_stock/action"}});
    add(Tale::kPaid, End::kPaid,
        {{"orchestrator.before_commit@charge/action"}, {"orchestrator.before_commit@charge/action"}});
    add(Tale::kDeclined, End::kUndone,
        {{"orchestrator.in_commit@place-order/1/compensation"}, {"orchestrator.after_commit@taken_over"}});
    add(Tale::kUnanswered, End::kPaid,
        {{"orchestrator.after_send@charge/resolve"}, {"orchestrator.after_commit@taken_over"}});
    add(Tale::kPaid, End::kPaid,
        {{"participant.after_commit@confirm_stock/action"}, {"participant.before_begin@confirm_stock/action"}});
    add(Tale::kDeclined, End::kUndone,
        {{"participant.after_commit@create_order/compensation"}, {"participant.after_row@create_order/compensation"}});
    add(Tale::kUnanswered, End::kPaid,
        {{"participant.after_row@charge/resolve"}, {"participant.after_commit@charge/resolve"}});
    // The same place three times in a row.
    const auto thrice = [&](Tale tale, const std::string& place) {
      add(tale, EndOf(tale), {{place}, {place}, {place}});
    };
    thrice(Tale::kPaid, "orchestrator.after_accept@place-order");
    thrice(Tale::kPaid, "orchestrator.after_send@charge/action");
    thrice(Tale::kPaid, "orchestrator.in_commit@place-order/4/action");
    thrice(Tale::kPaid, "orchestrator.before_commit@confirm_order/action");
    thrice(Tale::kDeclined, "orchestrator.before_send@reserve_stock/compensation");
    thrice(Tale::kUnanswered, "orchestrator.before_commit@charge/resolve");
    thrice(Tale::kPaid, "participant.before_begin@confirm_order/action");
    thrice(Tale::kPaid, "participant.after_row@confirm_stock/action");
    thrice(Tale::kDeclined, "participant.after_change@reserve_stock/compensation");
    thrice(Tale::kUnanswered, "participant.before_begin@charge/resolve");
    thrice(Tale::kUnanswered, "gateway.before_ledger@fence");
  }

  std::vector<CrashCase> cases_;
};

}  // namespace

std::vector<CrashCase> AllCases() { return CaseList().Make(); }

const char* NameOf(Tale tale) {
  switch (tale) {
    case Tale::kPaid:
      return "paid";
    case Tale::kDeclined:
      return "declined";
    case Tale::kUnanswered:
      return "unanswered";
  }
  std::abort();
}

const char* NameOf(End end) {
  switch (end) {
    case End::kPaid:
      return "paid";
    case End::kUndone:
      return "undone";
    case End::kEither:
      return "either";
  }
  std::abort();
}

std::string NameOf(const CrashCase& which) {
  std::vector<std::string> acts;
  for (const std::vector<std::string>& act : which.acts) acts.push_back(absl::StrJoin(act, " and "));
  return absl::StrCat(NameOf(which.tale), ": ", absl::StrJoin(acts, ", then "));
}

}  // namespace unwind
