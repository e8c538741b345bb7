// The crash matrix: at which place the processes die, in the middle of which order, and how that order may end.
#ifndef UNWIND_TESTS_CRASH_CASES_H_
#define UNWIND_TESTS_CRASH_CASES_H_

#include <string>
#include <vector>

namespace unwind {

// What happens to the order if nothing dies.
enum class Tale {
  kPaid,        // every step's action
  kDeclined,    // the gateway declines: the compensations
  kUnanswered,  // the gateway takes the money and never says so: the pivot's resolve
};

enum class End { kPaid, kUndone, kEither };

struct CrashCase {
  std::string part;  // orchestrator, participant, gateway, several: what runs as one test
  Tale tale = Tale::kPaid;
  // Places in the form of a plan (common/base/crash_point.h). The places of one act are armed at once; those of the
  // next, when all of this one were died at.
  std::vector<std::vector<std::string>> acts;
  End end = End::kEither;
};

std::vector<CrashCase> AllCases();

const char* NameOf(Tale tale);
const char* NameOf(End end);

// Such as "paid: orchestrator.after_send@charge/action, then orchestrator.before_send@charge/action".
std::string NameOf(const CrashCase& which);

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_CASES_H_
