#include "common/base/version.h"

namespace unwind {

const char* Version() { return UNWIND_VERSION; }

// Weak: what is shipped links cmake/Revision.cmake's, so that a commit links five programs anew and not every test.
__attribute__((weak)) const char* Revision() { return "unknown"; }

}  // namespace unwind
