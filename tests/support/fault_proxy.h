// A TCP link that can be made bad: everything between two processes goes through it, and a test delays it, stalls it or
// cuts it. All links are served by one thread.
#ifndef UNWIND_TESTS_SUPPORT_FAULT_PROXY_H_
#define UNWIND_TESTS_SUPPORT_FAULT_PROXY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/file_descriptor.h"

namespace unwind {

// Thread-safe.
class FaultProxy {
 public:
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Start();
  // Closes every connection.
  ~FaultProxy();

  // A new link to `target`, host:port with an address of numbers, which need not listen yet. Returns where the link
  // listens, likewise.
  absl::StatusOr<std::string> AddLink(const std::string& target);
  // The same at a socket that listens already and does not block, wherever that is.
  absl::StatusOr<std::string> AddLink(const std::string& target, FileDescriptor listener);

  // From now on, of the link that listens at `link`:
  // every byte arrives so much later than it was sent; zero: at once.
  void Delay(const std::string& link, absl::Duration delay);
  // No byte passes, in either direction, and nothing says so; then what was kept back goes on.
  void Stall(const std::string& link, bool stalled);
  // Every connection ends at once, with what was on its way, and new ones end at once too.
  void Cut(const std::string& link, bool is_cut);

  // Ends every fault of every link.
  void Heal();

 private:
  class Loop;

  explicit FaultProxy(std::unique_ptr<Loop> loop);

  const std::unique_ptr<Loop> loop_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_FAULT_PROXY_H_
