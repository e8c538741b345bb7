// Whose an --instance name is: what is written beside a lease, so that a second process under its name can tell.
#ifndef UNWIND_ORCHESTRATOR_HOST_INSTANCE_NAME_H_
#define UNWIND_ORCHESTRATOR_HOST_INSTANCE_NAME_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "orchestrator/store/instance_rows.h"

namespace unwind {

std::string HostName();

// "pid=PID start=TICKS pid_namespace=NAME boot=UUID" of a process that runs; empty: there is none.
std::string IdentityOf(pid_t pid);

// Where other instances reach this one: `advertised`, or if that is empty the host of `listen` (HOST:PORT), or this
// host's name where that stands for every address; and `port`.
std::string CallAddress(const std::string& advertised, absl::string_view listen, int port);

// "HOST:PORT IDENTITY" of this process, which is called at `call_address`. And the first part of it.
std::string AddressOfThisProcess(const std::string& call_address);
std::string CallAddressIn(absl::string_view address);

// Whether this process may acquire the lease of `instance`, which `holder` acquired last. FAILED_PRECONDITION: a
// process that runs on this machine holds it. Of a process on another machine nothing can be known: a warning says that
// it is fenced, as it must be if it has been replaced.
absl::Status CheckHolder(const std::optional<LeaseHolder>& holder, absl::string_view instance);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_INSTANCE_NAME_H_
