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

// What a program does instead of serving, if its one argument is `name`.
struct Subcommand {
  std::string name;  // such as "migrate"
  std::string does;  // such as "brings the schema of its database up to date", for --help
};

// The same, for programs that serve, or do what one of `subcommands` says. Its name, or nothing.
std::string ParseFlagsOrSubcommand(int argc, char** argv, absl::string_view usage,
                                   const std::vector<Subcommand>& subcommands);

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_FLAGS_H_
