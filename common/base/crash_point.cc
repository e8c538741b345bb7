#include "common/base/crash_point.h"

#ifdef UNWIND_CRASH_POINTS

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace unwind {
namespace {

// One line of the plan, and how often it was passed.
struct Order {
  std::string place;
  int left = 1;
};

Order ReadOrder(absl::string_view line) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('#', 1));
  Order order{.place = std::string(parts.first), .left = 1};
  if (!parts.second.empty() && !absl::SimpleAtoi(parts.second, &order.left)) order.left = 1;
  return order;
}

[[noreturn]] void Die(const std::string& place) {
  if (const char* const path = std::getenv("UNWIND_CRASH_LOG"); path != nullptr) {
    const std::string line = absl::StrCat(place, "\n");
    const int log = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0 || write(log, line.data(), line.size()) < 0) _exit(1);  // not kCrashExit: nothing is proved
  }
  _exit(kCrashExit);
}

class CrashPlan {
 public:
  explicit CrashPlan(const char* path) : path_(path == nullptr ? "" : path) {}

  bool IsThere() const { return !path_.empty(); }

  void Pass(absl::string_view name, absl::string_view detail) {
    const std::string place = absl::StrCat(name, "@", detail);
    const std::lock_guard lock(mutex_);
    Load();
    for (Order& order : orders_) {
      if ((order.place == place || order.place == name) && --order.left == 0) Die(place);
    }
  }

 private:
  // Only a plan that has changed is read as new: a count goes on until then.
  void Load() {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (text.str() == text_) return;
    text_ = text.str();
    orders_.clear();
    for (const absl::string_view line : absl::StrSplit(text_, '\n', absl::SkipWhitespace())) {
      orders_.push_back(ReadOrder(line));
    }
  }

  const std::string path_;
  std::mutex mutex_;
  std::string text_;
  std::vector<Order> orders_;
};

CrashPlan& Plan() {
  static CrashPlan* const plan = new CrashPlan(std::getenv("UNWIND_CRASH_PLAN"));
  return *plan;
}

}  // namespace

bool MayCrash() { return Plan().IsThere(); }

void PassCrashPoint(absl::string_view name, absl::string_view detail) { Plan().Pass(name, detail); }

}  // namespace unwind

#endif  // UNWIND_CRASH_POINTS
