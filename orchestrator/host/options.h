// The orchestrator's flags, checked and sorted by the part that they are for.
#ifndef UNWIND_ORCHESTRATOR_HOST_OPTIONS_H_
#define UNWIND_ORCHESTRATOR_HOST_OPTIONS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "orchestrator/api/served_methods.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/participants/grpc_participants.h"

namespace unwind {

struct Options {
  std::vector<std::string> descriptors;
  std::string built_in_descriptors;      // unwind.protoset
  std::vector<std::string> definitions;  // files and folders
  bool enable_reset = false;
  std::string participants;
  std::string database;
  std::string instance;
  std::string listen;
  std::string advertise;     // empty: not said
  std::string admin_listen;  // empty: no admin port
  std::size_t watchers_max = 0;
  DriverOptions driver;
  GrpcParticipantsOptions calls;
  ServedMethodsOptions served;
  double trace_ratio = 0.0;  // of 0 to 1
  absl::Duration lease;
  absl::Duration retention;
};

// After ParseFlags, which has checked each flag by itself. INVALID_ARGUMENT: flags that contradict each other.
absl::StatusOr<Options> OptionsFromFlags();

// The definition files to serve. reset.yaml is served only with --enable_reset, and with it also if nobody listed it.
absl::StatusOr<std::vector<std::string>> DefinitionFilesToServe(const Options& options);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_HOST_OPTIONS_H_
