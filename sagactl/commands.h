// The commands. Each function adds one or several to `app`; the one that is called puts itself into `chosen`.
#ifndef UNWIND_SAGACTL_COMMANDS_H_
#define UNWIND_SAGACTL_COMMANDS_H_

#include <string>

#include "CLI/CLI.hpp"
#include "sagactl/session.h"

namespace unwind::sagactl {

void AddList(CLI::App& app, Command& chosen);
void AddShow(CLI::App& app, Command& chosen);         // get, find, history
void AddDefinitions(CLI::App& app, Command& chosen);  // definitions, stats
void AddVerbs(CLI::App& app, Command& chosen);        // cancel, retry, skip, resolve
void AddNudge(CLI::App& app, Command& chosen);
void AddPause(CLI::App& app, Command& chosen);  // pause, resume
void AddBulk(CLI::App& app, Command& chosen);   // retry-all, skip-all
void AddWatch(CLI::App& app, Command& chosen);
void AddToken(CLI::App& app, Command& chosen);
void AddCompletion(CLI::App& app, Command& chosen);

// Adds a command with a help of one sentence and an example.
CLI::App& AddCommand(CLI::App& app, const std::string& name, const std::string& help, const std::string& example);

// Of --actor.
inline constexpr char kActorHelp[] =
    "who decides; stays in the history, at most 64 bytes. Not given: with --tls_cert the name in it, else the system "
    "user";

// The user that runs this program, as the one who acts; its number if it has no name.
std::string SystemUser();

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_COMMANDS_H_
