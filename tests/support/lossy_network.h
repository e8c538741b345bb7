// A network of its own at the end of a virtual cable, on which every packet can be lost: then what is sent there is
// neither answered nor refused, new connections included. A network namespace of Linux: it has no name, and is gone
// with the last socket in it, also if the process that made it is killed.
#ifndef UNWIND_TESTS_SUPPORT_LOSSY_NETWORK_H_
#define UNWIND_TESTS_SUPPORT_LOSSY_NETWORK_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/file_descriptor.h"
#include "tests/support/temp_dir.h"

namespace unwind {

class LossyNetwork {
 public:
  // FAILED_PRECONDITION, with a sentence that says why, where it cannot be made: it takes root and the program `ip`.
  static absl::StatusOr<std::unique_ptr<LossyNetwork>> Make();
  ~LossyNetwork();

  // A socket that listens in it, at an address that this process and its children reach; it does not block.
  absl::StatusOr<FileDescriptor> Listen();

  // From now on every packet is lost, in both directions, or none is.
  absl::Status Lose(bool all);

 private:
  LossyNetwork() = default;

  // Runs `what` on a thread that is in it.
  absl::Status Inside(const std::function<absl::Status()>& what) const;
  absl::Status Run(const std::string& script) const;

  const TempDir folder_;  // for what the scripts print
  FileDescriptor space_;
  std::string outer_, inner_;  // the cable's ends
  std::string outer_ip_, inner_ip_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_LOSSY_NETWORK_H_
