// A trace as a person reads it: who did what, and how things stand then.
#ifndef UNWIND_TESTS_MODEL_STORY_H_
#define UNWIND_TESTS_MODEL_STORY_H_

#include <string>

#include "tests/model/search.h"

namespace unwind::model {

// One move a line, then the rule that is broken.
std::string Story(const Model& model, const Found& found);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_STORY_H_
