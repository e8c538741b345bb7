#include "orchestrator/host/instance_name.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/log.h"

namespace unwind {
namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A machine that is started again is another one, and so is another container: in it the same number is another
// process.
std::string Machine() {
  std::array<char, 64> name = {};
  const ssize_t size = readlink("/proc/self/ns/pid", name.data(), name.size());
  const std::string boot = Contents("/proc/sys/kernel/random/boot_id");
  return absl::StrCat("pid_namespace=", absl::string_view(name.data(), size < 0 ? 0 : static_cast<std::size_t>(size)),
                      " boot=", absl::StripAsciiWhitespace(boot));
}

// The pid that an address ends with the identity of; 0: it says none.
pid_t PidIn(absl::string_view address) {
  for (absl::string_view word : absl::StrSplit(address, ' ')) {
    pid_t pid = 0;
    if (absl::ConsumePrefix(&word, "pid=") && absl::SimpleAtoi(word, &pid)) return pid;
  }
  return 0;
}

}  // namespace

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string IdentityOf(pid_t pid) {
  // After the name in parentheses: state is field 0, starttime 19 (proc(5)).
  const std::string stat = Contents(absl::StrCat("/proc/", pid, "/stat"));
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > stat.size()) return "";
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return "";
  return absl::StrCat("pid=", pid, " start=", fields[19], " ", Machine());
}

std::string CallAddress(const std::string& advertised, absl::string_view listen, int port) {
  if (!advertised.empty()) return advertised;
  const absl::string_view host = listen.substr(0, listen.rfind(':'));
  const bool is_every_address = host == "0.0.0.0" || host == "[::]";
  return absl::StrCat(is_every_address ? HostName() : std::string(host), ":", port);
}

std::string AddressOfThisProcess(const std::string& call_address) {
  return absl::StrCat(call_address, " ", IdentityOf(getpid()));
}

std::string CallAddressIn(absl::string_view address) { return std::string(address.substr(0, address.find(' '))); }

absl::Status CheckHolder(const std::optional<LeaseHolder>& holder, absl::string_view instance) {
  if (!holder.has_value() || !holder->is_current) return absl::OkStatus();
  const absl::string_view address = holder->address;
  const pid_t pid = PidIn(address);
  const std::string identity = pid == 0 ? "" : IdentityOf(pid);
  if (!identity.empty() && absl::EndsWith(address, absl::StrCat(" ", identity))) {
    return absl::FailedPreconditionError(
        absl::StrCat("--instance=", instance, ": process ", pid,
                     " of this machine runs under this name on the same database; stop it, or give each a name of its "
                     "own with --instance"));
  }
  if (absl::EndsWith(address, absl::StrCat(" ", Machine()))) return absl::OkStatus();  // it has ended
  Log(Severity::kWarning,
      "the lease of this instance's name is not over: another process that runs under it, on another machine, ends now",
      {{"instance", instance}, {"address", address}});
  return absl::OkStatus();
}

}  // namespace unwind
