// Which build this is: what --version says, and the metric build_info.
#ifndef UNWIND_COMMON_BASE_VERSION_H_
#define UNWIND_COMMON_BASE_VERSION_H_

namespace unwind {

// Of the project, such as "0.2.0".
const char* Version();

// The commit that the program was built from; "unknown" without git, and in programs that are not shipped.
const char* Revision();

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_VERSION_H_
