#include "tests/support/cpu.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace unwind {
namespace {

struct Stat {
  pid_t parent = 0;
  double seconds = 0;  // its own and those of the children it has waited for
};

bool Read(pid_t pid, Stat& stat) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  if (!std::getline(file, line)) return false;
  std::istringstream rest(line.substr(line.rfind(')') + 2));  // the name may hold anything
  std::string skipped;
  long user = 0, system = 0, children_user = 0, children_system = 0;
  rest >> skipped >> stat.parent;
  for (int i = 0; i < 9; ++i) rest >> skipped;
  rest >> user >> system >> children_user >> children_system;
  stat.seconds =
      static_cast<double>(user + system + children_user + children_system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return true;
}

double UsedBy(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

double CpuSeconds(pid_t pid) {
  Stat own;
  if (!Read(pid, own)) return 0;
  double seconds = own.seconds;
  DIR* const all = opendir("/proc");
  while (const dirent* const entry = readdir(all)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
    Stat child;
    if (Read(std::atoi(entry->d_name), child) && child.parent == pid) seconds += child.seconds;
  }
  closedir(all);
  return seconds;
}

double OwnCpuSeconds() { return UsedBy(RUSAGE_SELF); }

double EndedChildrenCpuSeconds() { return UsedBy(RUSAGE_CHILDREN); }

std::int64_t ResidentKib(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/statm"));
  std::int64_t all = 0, resident = 0;  // pages
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

}  // namespace unwind
