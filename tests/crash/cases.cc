#include "tests/crash/cases.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace unwind {
namespace {

using Acts = std::vector<std::vector<std::string>>;

// Such as "action" or "action/continued".
std::string PhaseOf(const std::string& call) { return call.substr(call.find('/') + 1); }

class CaseList {
 public:
  std::vector<CrashCase> Make() {
    for (const TaleFacts& facts : AllTales()) {
      AddBeginning(facts);
      for (const StepCall& call : facts.calls) AddOrchestrator(facts, call);
      AddEnd(facts);
      for (const StepCall& call : facts.calls) AddParticipant(facts, call);
    }
    AddGateway();
    AddSettler();
    AddWaits();
    AddSeveral();
    AddSeveralOfTenders();
    AddSeveralOfCheckouts();
    AddSeveralOfCancels();
    return std::move(cases_);
  }

 private:
  void Add(const std::string& part, Tale tale, End end, Acts acts, std::string stands_for) {
    const TaleFacts& facts = FactsOf(tale);
    cases_.push_back({.part = IsPlain(facts) ? part : facts.part,
                      .tale = tale,
                      .acts = std::move(acts),
                      .end = end,
                      .stands_for = std::move(stands_for)});
  }

  // A place of a process that is no participant.
  void AddPlace(const std::string& part, Tale tale, End end, const std::string& place) {
    Add(part, tale, end, {{place}}, place);
  }

  void AddBeginning(const TaleFacts& facts) {
    const auto add = [&](const std::string& point, const std::string& of) {
      Add("orchestrator", facts.tale, facts.end, {{absl::StrCat("orchestrator.", point, "@", of)}},
          absl::StrCat("orchestrator.", point, " of a start"));
    };
    const std::string started = absl::StrCat(facts.definition, "/started");
    switch (facts.tale) {
      case Tale::kPaid:
      case Tale::kCheckout:
      case Tale::kCancel:
      case Tale::kCharge:
        add("after_accept", facts.definition);
        add("in_commit", started);
        add("after_insert", facts.definition);
        add("after_commit", "started");
        return;
      case Tale::kFollowed:
      case Tale::kSoldOut:
        add("after_due", facts.definition);
        add("in_commit", started);
        return;
      case Tale::kDeclined:
      case Tale::kUnanswered:
      case Tale::kSplit:
      case Tale::kSplitDeclined:
      case Tale::kCheckoutUnheard:
      case Tale::kCheckoutExpired:
      case Tale::kCheckoutLate:
      case Tale::kCheckoutRecalled:
      case Tale::kCheckoutCancelled:
      case Tale::kCancelDeclined:
      case Tale::kCancelUnanswered:
      case Tale::kChargeDeclined:
      case Tale::kChargeUnanswered:
        return;
    }
  }

  void AddEnd(const TaleFacts& facts) {
    if (facts.tale == Tale::kPaid || facts.tale == Tale::kCheckout || facts.tale == Tale::kCancel) {
      AddPlace("orchestrator", facts.tale, facts.end, "orchestrator.before_answer@completed");
    }
    if (facts.tale == Tale::kDeclined || facts.tale == Tale::kCheckoutExpired || facts.tale == Tale::kCancelDeclined) {
      AddPlace("orchestrator", facts.tale, facts.end, "orchestrator.before_answer@aborted");
    }
  }

  void AddOrchestrator(const TaleFacts& facts, const StepCall& call) {
    if (call.step < 0) return;
    const std::string phase = PhaseOf(call.name);
    const auto add = [&](const std::string& point, const std::string& of) {
      Add("orchestrator", facts.tale, facts.end, {{absl::StrCat("orchestrator.", point, "@", of)}},
          absl::StrCat("orchestrator.", point, " of ", phase));
    };
    for (const char* const point : {"before_send", "after_send", "before_commit"}) add(point, call.name);
    add("in_commit", absl::StrCat(facts.definition, "/", call.step, "/", phase));
    add("after_commit", call.name);
  }

  void AddParticipant(const TaleFacts& facts, const StepCall& call) {
    for (const bool is_continued : {false, true}) {
      if (is_continued && !call.asks_gateway) continue;
      const std::string name = absl::StrCat(call.name, is_continued ? "/continued" : "");
      for (const char* const point : {"before_begin", "after_change", "after_row", "after_commit"}) {
        const bool is_stored = is_continued || absl::string_view(point) == "after_commit";
        // What the gateway has answered is under its key what it was.
        const bool may_go_back =
            (call.risk == Risk::kUndo && !is_continued) || (call.risk == Risk::kUndoOnce && !is_stored);
        Add("participant", facts.tale, may_go_back && facts.end == End::kDone ? End::kEither : facts.end,
            {{absl::StrCat("participant.", point, "@", name)}},
            absl::StrCat("participant.", point, " of ", call.program, " in ", PhaseOf(name)));
      }
    }
  }

  void AddGateway() {
    const auto add = [&](Tale tale, const char* verb, End before, End after) {
      AddPlace("gateway", tale, before, absl::StrCat("gateway.before_ledger@", verb));
      AddPlace("gateway", tale, after, absl::StrCat("gateway.after_ledger@", verb));
    };
    add(Tale::kPaid, "confirm", End::kUndone, End::kDone);
    add(Tale::kDeclined, "confirm", End::kUndone, End::kUndone);
    add(Tale::kUnanswered, "fence", End::kDone, End::kDone);
    add(Tale::kCancel, "cancel", End::kUndone, End::kDone);
    add(Tale::kCancelDeclined, "cancel", End::kUndone, End::kUndone);
    add(Tale::kCancelUnanswered, "fence", End::kDone, End::kDone);
    add(Tale::kCheckout, "confirm", End::kDone, End::kDone);
    add(Tale::kCheckout, "finish", End::kDone, End::kDone);
    add(Tale::kCheckoutLate, "fence", End::kEither, End::kEither);
    add(Tale::kCheckoutLate, "cancel", End::kEither, End::kEither);
    add(Tale::kCheckoutCancelled, "fence", End::kUndone, End::kUndone);
  }

  void AddSettler() {
    const auto add = [&](Tale tale, const char* word, std::vector<const char*> points) {
      for (const char* const point : points) {
        AddPlace("", tale, FactsOf(tale).end, absl::StrCat("settler.", point, "@", word));
      }
    };
    add(Tale::kCheckout, "webhook", {"in_commit", "after_commit"});
    add(Tale::kCheckout, "repeat", {"in_commit", "after_commit"});
    add(Tale::kCheckoutUnheard, "inquiry", {"after_sweep", "in_commit", "after_commit"});
    add(Tale::kCheckoutLate, "webhook", {"in_commit", "after_commit"});
    add(Tale::kCheckoutLate, "return", {"after_sweep", "in_commit", "after_commit"});
  }

  // What moves a saga that waits, besides answers.
  void AddWaits() {
    const auto add = [&](Tale tale, std::vector<const char*> places) {
      for (const char* const place : places) {
        AddPlace("", tale, FactsOf(tale).end, absl::StrCat("orchestrator.", place));
      }
    };
    add(Tale::kCheckout, {"in_commit@checkout/nudged", "after_commit@nudged"});
    add(Tale::kCheckoutRecalled, {"in_commit@checkout/cancel_requested", "after_commit@cancel_requested"});
    add(Tale::kCheckoutCancelled, {"in_commit@checkout/nudged", "after_commit@nudged"});
  }

  void AddActs(Tale tale, End end, Acts acts) {
    std::string own = absl::StrCat("case ", cases_.size());
    Add("several", tale, end, std::move(acts), std::move(own));
  }

  // The same place three times in a row.
  void AddThrice(Tale tale, const std::string& place) { AddActs(tale, FactsOf(tale).end, {{place}, {place}, {place}}); }

  void AddSeveral() {
    // Two at once: what the one would have told the other is lost on both sides.
    AddActs(Tale::kPaid, End::kEither,
            {{"orchestrator.before_commit@create_order/action", "participant.after_commit@reserve_stock/action"}});
    AddActs(Tale::kPaid, End::kEither,
            {{"orchestrator.after_send@reserve_stock/action", "participant.after_commit@reserve_stock/action"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"orchestrator.after_send@charge/action", "participant.after_commit@charge/action/continued"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"orchestrator.in_commit@place-order/4/action", "participant.before_begin@confirm_stock/action"}});
    AddActs(Tale::kPaid, End::kDone, {{"gateway.after_ledger@confirm", "participant.before_begin@charge/resolve"}});
    AddActs(Tale::kPaid, End::kUndone,
            {{"gateway.before_ledger@confirm", "orchestrator.before_commit@charge/resolve"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"participant.after_commit@confirm_stock/action", "participant.after_commit@confirm_order/action"}});
    AddActs(Tale::kDeclined, End::kUndone,
            {{"orchestrator.after_send@reserve_stock/compensation",
              "participant.after_commit@reserve_stock/compensation"}});
    AddActs(Tale::kUnanswered, End::kDone,
            {{"orchestrator.after_send@charge/resolve", "participant.after_row@charge/resolve/continued"}});
    // Dead again while it recovers.
    AddActs(Tale::kPaid, End::kDone,
            {{"orchestrator.after_send@charge/action"}, {"orchestrator.in_commit@place-order/taken_over"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"orchestrator.after_commit@create_order/action"}, {"orchestrator.before_send@reserve_stock/action"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"orchestrator.before_commit@charge/action"}, {"orchestrator.before_commit@charge/action"}});
    AddActs(Tale::kDeclined, End::kUndone,
            {{"orchestrator.in_commit@place-order/1/compensation"}, {"orchestrator.after_commit@taken_over"}});
    AddActs(Tale::kUnanswered, End::kDone,
            {{"orchestrator.after_send@charge/resolve"}, {"orchestrator.after_commit@taken_over"}});
    AddActs(Tale::kPaid, End::kDone,
            {{"participant.after_commit@confirm_stock/action"}, {"participant.before_begin@confirm_stock/action"}});
    AddActs(
        Tale::kDeclined, End::kUndone,
        {{"participant.after_commit@create_order/compensation"}, {"participant.after_row@create_order/compensation"}});
    AddActs(Tale::kUnanswered, End::kDone,
            {{"participant.after_row@charge/resolve"}, {"participant.after_commit@charge/resolve"}});
    AddThrice(Tale::kPaid, "orchestrator.after_accept@place-order");
    AddThrice(Tale::kPaid, "orchestrator.after_send@charge/action");
    AddThrice(Tale::kPaid, "orchestrator.in_commit@place-order/4/action");
    AddThrice(Tale::kPaid, "orchestrator.before_commit@confirm_order/action");
    AddThrice(Tale::kDeclined, "orchestrator.before_send@reserve_stock/compensation");
    AddThrice(Tale::kUnanswered, "orchestrator.before_commit@charge/resolve");
    AddThrice(Tale::kPaid, "participant.before_begin@confirm_order/action");
    AddThrice(Tale::kPaid, "participant.after_row@confirm_stock/action");
    AddThrice(Tale::kDeclined, "participant.after_change@reserve_stock/compensation");
    AddThrice(Tale::kUnanswered, "participant.before_begin@charge/resolve");
    AddThrice(Tale::kUnanswered, "gateway.before_ledger@fence");
  }

  // And of what follows orders.
  void AddSeveralOfTenders() {
    AddActs(Tale::kSplit, End::kEither,
            {{"orchestrator.after_send@hold_wallet/action", "participant.after_commit@hold_wallet/action"}});
    AddActs(Tale::kSplit, End::kDone,
            {{"participant.after_commit@use_coupon/action", "participant.after_commit@settle_wallet/action"}});
    AddActs(
        Tale::kSplitDeclined, End::kUndone,
        {{"orchestrator.before_commit@hold_wallet/compensation", "participant.after_commit@hold_coupon/compensation"}});
    AddActs(Tale::kSplitDeclined, End::kUndone,
            {{"orchestrator.after_send@hold_coupon/compensation"}, {"orchestrator.after_commit@taken_over"}});
    AddThrice(Tale::kSplit, "participant.before_begin@settle_wallet/action");
    AddThrice(Tale::kSplitDeclined, "participant.after_row@hold_wallet/compensation");
    AddActs(Tale::kFollowed, End::kDone,
            {{"orchestrator.before_commit@earn/action", "participant.after_commit@clear_cart/action"}});
    AddActs(Tale::kFollowed, End::kDone,
            {{"orchestrator.after_send@earn/action"}, {"orchestrator.after_commit@taken_over"}});
    AddThrice(Tale::kFollowed, "participant.after_row@earn/action");
    AddThrice(Tale::kSoldOut, "participant.before_begin@apologize/action");
  }

  void AddSeveralOfCheckouts() {
    AddActs(Tale::kCheckout, End::kDone,
            {{"orchestrator.before_commit@collect/action"}, {"settler.in_commit@webhook"}});
    AddActs(Tale::kCheckout, End::kDone, {{"gateway.after_ledger@finish", "settler.after_sweep@inquiry"}});
    // Nobody nudges: the saga rests until it is due.
    AddActs(Tale::kCheckout, End::kDone, {{"settler.after_commit@webhook"}, {"orchestrator.after_due@checkout"}});
    AddThrice(Tale::kCheckout, "settler.in_commit@webhook");
    AddActs(Tale::kCheckoutExpired, End::kUndone,
            {{"orchestrator.after_send@collect/resolve", "participant.after_commit@collect/resolve"}});
    AddActs(Tale::kCheckoutExpired, End::kUndone,
            {{"orchestrator.after_send@collect/resolve"}, {"orchestrator.after_commit@taken_over"}});
    AddThrice(Tale::kCheckoutLate, "settler.in_commit@return");
    // Between the wish to end it and the gateway's fence, and between the fence and who waits for it.
    AddActs(Tale::kCheckoutCancelled, End::kUndone,
            {{"participant.after_commit@/action"}, {"gateway.before_ledger@fence"}});
    AddActs(Tale::kCheckoutCancelled, End::kUndone,
            {{"gateway.after_ledger@fence"}, {"participant.after_commit@/action/continued"}});
  }

  // And of charges of wallets.
  void AddSeveralOfCancels() {
    AddActs(Tale::kCancel, End::kDone,
            {{"orchestrator.after_send@refund/action", "participant.after_commit@refund/action/continued"}});
    AddActs(Tale::kCancel, End::kDone,
            {{"participant.after_commit@return_coupon/action", "participant.after_commit@return_wallet/action"}});
    AddActs(Tale::kCancel, End::kDone, {{"gateway.after_ledger@cancel", "participant.before_begin@refund/resolve"}});
    AddActs(Tale::kCancel, End::kUndone,
            {{"gateway.before_ledger@cancel", "orchestrator.before_commit@take_back/compensation"}});
    AddThrice(Tale::kCancelDeclined, "participant.after_change@take_back/compensation");
    AddActs(Tale::kCharge, End::kDone,
            {{"orchestrator.after_send@credit/action", "participant.after_commit@credit/action"}});
    AddThrice(Tale::kCharge, "participant.before_begin@credit/action");
  }

  std::vector<CrashCase> cases_;
};

}  // namespace

std::vector<CrashCase> AllCases() { return CaseList().Make(); }

std::vector<CrashCase> BriefCases() {
  // Where wait_crash_test has processes die.
  std::set<std::string> seen = {"settler.in_commit@webhook", "settler.after_commit@webhook",
                                "settler.after_sweep@return", "settler.in_commit@return",
                                "settler.after_commit@return"};
  std::vector<CrashCase> brief;
  for (CrashCase& which : AllCases()) {
    const bool is_new = seen.insert(which.stands_for).second;
    if (is_new || IsPlain(FactsOf(which.tale))) brief.push_back(std::move(which));
  }
  return brief;
}

std::string NameOf(const CrashCase& which) {
  std::vector<std::string> acts;
  for (const std::vector<std::string>& act : which.acts) acts.push_back(absl::StrJoin(act, " and "));
  return absl::StrCat(FactsOf(which.tale).name, ": ", absl::StrJoin(acts, ", then "));
}

}  // namespace unwind
