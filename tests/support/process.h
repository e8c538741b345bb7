// One child process: started with its output in a file, killed with the test that started it, its peak memory known.
#ifndef UNWIND_TESTS_SUPPORT_PROCESS_H_
#define UNWIND_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace unwind {

class Process {
 public:
  // Starts `arguments` (the first is the program) with stdout and stderr appended to `log_path`. The child is killed
  // when the calling thread ends, so start processes from a thread that lives as long as the test, such as main.
  // `environment`: lines NAME=value that it has before those of this process.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const std::vector<std::string>& arguments,
                                                        const std::string& log_path,
                                                        const std::vector<std::string>& environment = {});
  // Kills it, if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // False once it has ended; reaps it then.
  bool Running();

  // SIGKILL; returns when it is gone.
  void Kill();

  // SIGTERM; returns the exit status (128 + signal if a signal ended it), or DEADLINE_EXCEEDED with the process killed.
  absl::StatusOr<int> Terminate(absl::Duration patience);

  // Waits for it to end by itself; as Terminate.
  absl::StatusOr<int> Wait(absl::Duration patience);

  // Largest resident set so far, KiB (VmHWM of /proc); after the end, what was seen last: Kill and Terminate look
  // before they signal.
  int64_t PeakKib();

 private:
  explicit Process(pid_t pid) : pid_(pid) {}

  pid_t pid_;
  bool reaped_ = false;
  int status_ = 0;
  int64_t peak_kib_ = 0;
};

// Runs `arguments` to their end and returns the exit status; the output is in `log_path`.
absl::StatusOr<int> RunToEnd(const std::vector<std::string>& arguments, const std::string& log_path,
                             absl::Duration patience);

// The contents of a file; empty if there is none.
std::string ContentsOf(const std::string& path);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_PROCESS_H_
