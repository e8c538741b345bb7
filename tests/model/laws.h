// What Advance owes to every row that occurs, whatever happens to it next: rules of one decision, which need no world.
#ifndef UNWIND_TESTS_MODEL_LAWS_H_
#define UNWIND_TESTS_MODEL_LAWS_H_

#include <string>

#include "tests/model/model.h"
#include "tests/model/world.h"

namespace unwind::model {

// The rule that a decision on `row` breaks, with the event that shows it; empty: none. Tries every event, also those
// that no world of the search leads to, at three times: early, past the deadline, and past the participants' memory.
std::string BrokenLaw(const Model& model, const PackedSaga& row);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_LAWS_H_
