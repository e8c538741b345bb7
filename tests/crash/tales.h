// What is played while processes die: what a caller asks for, what becomes of it if nothing dies, and by which calls.
#ifndef UNWIND_TESTS_CRASH_TALES_H_
#define UNWIND_TESTS_CRASH_TALES_H_

#include <string>
#include <vector>

namespace unwind {

enum class Tale {
  kPaid,               // an order: every step's action
  kDeclined,           // the gateway declines: the compensations
  kUnanswered,         // the gateway takes the money and never says so: the pivot's resolve
  kSplit,              // an order that is paid by coupon, points, balance and card
  kSplitDeclined,      // the same, and the gateway declines
  kFollowed,           // a paid order, and what follows it
  kSoldOut,            // an order of what is sold out, and what follows it
  kCheckout,           // a buyer pays himself; the gateway finishes it later, and says so twice
  kCheckoutUnheard,    // the same, and the gateway's webhook is lost: it is asked
  kCheckoutExpired,    // he never pays, and the wait ends
  kCheckoutLate,       // he pays, an operator cancels, and the gateway takes the money though it was fenced then
  kCheckoutRecalled,   // the same, and the gateway had not taken it before it was fenced
  kCheckoutCancelled,  // he pays, and ends it himself before the gateway has taken the money
  kCancel,             // a paid order is cancelled, whose earned points are spent already
  kCancelDeclined,     // the same, and the gateway declines the refund
  kCancelUnanswered,   // the gateway pays back and never says so
  kCharge,             // a wallet is charged by card
  kChargeDeclined,     // the gateway declines
  kChargeUnanswered,   // the gateway takes the money and never says so
};

enum class End { kDone, kUndone, kEither };

// What the death of its participant can do to a call.
enum class Risk {
  kNone,      // it ends as its tale
  kUndo,      // it may be out of attempts, or fenced, before its participant is back: its saga goes back
  kUndoOnce,  // the same, until it has been stored once
};

// A call of a tale's saga, or a buyer's own.
struct StepCall {
  int step = 0;      // its number, which is what the store knows of it; -1: of no saga
  std::string name;  // as crash points have it, such as "charge/action"
  std::string program;
  Risk risk = Risk::kNone;
  bool asks_gateway = false;  // by two transactions, the second one after the gateway's answer
};

struct TaleFacts {
  Tale tale = Tale::kPaid;
  std::string name;
  std::string part;        // what runs as one test; empty: each part is who dies (IsPlain)
  std::string definition;  // whose steps the calls are
  End end = End::kEither;  // whatever happens to the orchestrator, or to the participant of a call without a risk
  std::vector<StepCall> calls;
};

const std::vector<TaleFacts>& AllTales();
const TaleFacts& FactsOf(Tale tale);

// Whether it is an order without coupon and wallet. These are played whole in every run.
bool IsPlain(const TaleFacts& facts);

const char* NameOf(End end);

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_TALES_H_
