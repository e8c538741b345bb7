// How a call ended, as far as who asked can know it.
#ifndef UNWIND_SAGACTL_ENDING_H_
#define UNWIND_SAGACTL_ENDING_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace unwind::sagactl {

// kNotKnown: it may have been done, or may be yet. No answer came, or one without a reason; or the gateway on the way
// failed, or the store did not say.
enum class Ending { kDone, kRefused, kNotKnown };

Ending EndingOf(const absl::Status& status);

// "done", "refused", "not known".
const char* Word(Ending ending);

// What this program says by itself: it was called wrongly, and nothing was sent; not all was done that was asked for;
// it is not known whether something was done.
absl::Status CalledWrongly(absl::string_view what);
absl::Status NotAll(absl::string_view what);
absl::Status NotKnown(absl::string_view what);

bool IsCalledWrongly(const absl::Status& status);

// `status` is one of these.
bool IsOwn(const absl::Status& status);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_ENDING_H_
