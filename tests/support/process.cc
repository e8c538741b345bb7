#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr int kExecFailed = 127;

// Between fork and exec of a process with threads: async-signal-safe calls only.
[[noreturn]] void BecomeChild(char* const* argv, char* const* environment, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExecFailed);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execve(argv[0], argv, environment);
  _exit(kExecFailed);
}

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  return pointers;
}

int64_t ReadPeakKib(pid_t pid) {
  for (absl::string_view line : absl::StrSplit(ContentsOf(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    int64_t kib = 0;
    if (!absl::ConsumePrefix(&line, "VmHWM:") || !absl::ConsumeSuffix(&line, "kB")) continue;
    return absl::SimpleAtoi(line, &kib) ? kib : 0;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& arguments,
                                                        const std::string& log_path,
                                                        const std::vector<std::string>& environment) {
  if (access(arguments[0].c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no program ", arguments[0], "; build it first"));
  }
  const int log = open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return absl::PermissionDeniedError(absl::StrCat("cannot write ", log_path, ": ", strerror(errno)));
  std::vector<std::string> copy = arguments, lines = environment;
  std::vector<char*> argv = PointersTo(copy), envp = PointersTo(lines);
  for (char** line = environ; *line != nullptr; ++line) envp.push_back(*line);
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeChild(argv.data(), envp.data(), log, parent);
  close(log);
  if (pid < 0) return absl::ResourceExhaustedError(absl::StrCat("fork: ", strerror(errno)));
  return std::unique_ptr<Process>(new Process(pid));
}

Process::~Process() { Kill(); }

bool Process::Running() {
  if (!reaped_ && waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return !reaped_;
}

void Process::Kill() {
  if (!Running()) return;
  PeakKib();
  kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
  reaped_ = true;
}

absl::StatusOr<int> Process::Terminate(absl::Duration patience) {
  if (Running()) {
    PeakKib();
    kill(pid_, SIGTERM);
  }
  return Wait(patience);
}

absl::StatusOr<int> Process::Wait(absl::Duration patience) {
  const bool ended = Eventually(patience, [this] {
    PeakKib();
    return !Running();
  });
  if (!ended) {
    Kill();
    return absl::DeadlineExceededError(absl::StrCat("did not end within ", absl::FormatDuration(patience)));
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

int64_t Process::PeakKib() {
  if (!reaped_) peak_kib_ = std::max(peak_kib_, ReadPeakKib(pid_));
  return peak_kib_;
}

absl::StatusOr<int> RunToEnd(const std::vector<std::string>& arguments, const std::string& log_path,
                             absl::Duration patience) {
  auto process = Process::Start(arguments, log_path);
  if (!process.ok()) return process.status();
  return (*process)->Wait(patience);
}

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace unwind
