#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "sagactl/commands.h"
#include "sagactl/pages.h"

namespace unwind::sagactl {
namespace {

// What bash completes: a command, an option of it, a file or a state where an option takes one.
constexpr char kBash[] = R"(# bash completion of sagactl: source <(sagactl completion bash)
_sagactl() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="" each
  local states="@STATES@"
  COMPREPLY=()
  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ " @COMMANDS@ " == *" $each "* ]]; then command="$each"; break; fi
  done
  case "$before" in
    --state)
      [[ "$command" == *-all ]] && states="@UNFINISHED@"
      mapfile -t COMPREPLY < <(compgen -W "$states" -- "$word"); return ;;
    @FILES@) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
  esac
  case "$command" in
@CASES@  esac
}
complete -F _sagactl sagactl
)";

// Names of its options, "--json --help".
std::string OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(absl::StrCat("--", name));
  }
  return absl::StrJoin(names, " ");
}

std::string CaseOf(const std::string& command, const std::string& words) {
  return absl::StrCat("    ", command, ") mapfile -t COMPREPLY < <(compgen -W \"", words, "\" -- \"$word\") ;;\n");
}

std::string BashCompletion(const CLI::App& app) {
  std::vector<std::string> commands, files;
  std::string cases;
  const std::string common = OptionsOf(app);
  for (const CLI::App* const command : app.get_subcommands(nullptr)) {
    commands.push_back(command->get_name());
    const bool is_this = command->get_name() == "completion";
    cases += CaseOf(command->get_name(), absl::StrCat(OptionsOf(*command), " ", is_this ? "bash" : common));
  }
  cases += CaseOf("*", absl::StrCat(absl::StrJoin(commands, " "), " ", common));
  return absl::StrReplaceAll(kBash, {{"@COMMANDS@", absl::StrJoin(commands, " ")},
                                     {"@STATES@", absl::StrJoin(StateNames(), " ")},
                                     {"@UNFINISHED@", absl::StrJoin(UnfinishedStateNames(), " ")},
                                     {"@FILES@", "--reply_file|--tls_ca|--tls_cert|--tls_key"},
                                     {"@CASES@", cases}});
}

}  // namespace

void AddCompletion(CLI::App& app, Command& chosen) {
  CLI::App& completion =
      AddCommand(app, "completion", "Prints the completion for a shell.", "source <(sagactl completion bash)");
  completion.add_option("SHELL", "which; there is bash")->required()->check(CLI::IsMember({"bash"}));
  completion.callback([&app, &chosen] {
    chosen = [&app](Session& session) {
      session.out << BashCompletion(app);
      return absl::OkStatus();
    };
  });
}

}  // namespace unwind::sagactl
