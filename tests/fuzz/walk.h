// Runs a definition without anybody outside: the production rules over made-up answers, and the requests that the
// engine would send.
#ifndef UNWIND_TESTS_FUZZ_WALK_H_
#define UNWIND_TESTS_FUZZ_WALK_H_

#include <string>

#include "orchestrator/definition/definition.h"
#include "tests/fuzz/mutation.h"

namespace unwind {

// Plays one saga to its end: what its input and the answers say, and how each call ends, is drawn. What went wrong: a
// request, metadata or an answer that cannot be built or is no message of its method's type, or a saga that does not
// end. Empty: nothing.
std::string Walk(const Definition& definition, Draws& draws);

}  // namespace unwind

#endif  // UNWIND_TESTS_FUZZ_WALK_H_
