// absl flags, each also from the environment.
#ifndef UNWIND_COMMON_BASE_FLAGS_H_
#define UNWIND_COMMON_BASE_FLAGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace unwind {

// Parses the command line. A flag --foo_bar that is not on it is taken from the environment's UNWIND_FOO_BAR. `usage`
// is the first part of --help, after the program's name, which it must not repeat; the flags of every file of this
// project are listed after it, with no value of the environment. --version says the program, its version and revision.
// A flag that is unknown or has a bad value (also by common/base/checked_flag.h): one sentence on stderr and exit 1.
// Returns the arguments that are no flags, without the program's name. Call first in main.
std::vector<std::string> ParseFlags(int argc, char** argv, absl::string_view usage);

// The same, for programs that take no arguments: an argument is an error.
void ParseFlagsOnly(int argc, char** argv, absl::string_view usage);

// The same, for programs that serve, or only bring their database up to date if their argument is `migrate`: whether it
// is.
bool ParseFlagsOrMigrate(int argc, char** argv, absl::string_view usage);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_FLAGS_H_
