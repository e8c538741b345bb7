// The crash matrix. A case: the crash points at which processes die, the tale that is played meanwhile, and how its
// saga may end.
#ifndef UNWIND_TESTS_CRASH_CASES_H_
#define UNWIND_TESTS_CRASH_CASES_H_

#include <string>
#include <vector>

#include "tests/crash/tales.h"

namespace unwind {

struct CrashCase {
  std::string part;  // what runs as one test
  Tale tale = Tale::kPaid;
  // Places in the form of a plan (common/base/crash_point.h). The places of one act are armed at once; those of the
  // next, when all of this one were died at.
  std::vector<std::vector<std::string>> acts;
  End end = End::kEither;
  // Equal of cases that differ only in the step that they die in, such as the same place of one service in two of its
  // actions.
  std::string stands_for;
};

std::vector<CrashCase> AllCases();

// The places of plain orders, and of the other cases one of each kind.
std::vector<CrashCase> BriefCases();

// Such as "paid: orchestrator.after_send@charge/action, then orchestrator.before_send@charge/action".
std::string NameOf(const CrashCase& which);

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_CASES_H_
