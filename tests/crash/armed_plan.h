// Where the processes of a test are to die: the plan that each of them reads (common/base/crash_point.h).
#ifndef UNWIND_TESTS_CRASH_ARMED_PLAN_H_
#define UNWIND_TESTS_CRASH_ARMED_PLAN_H_

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace unwind {

// Of the processes that are started with its environment.
class ArmedPlan {
 public:
  // Nobody dies yet. Its files are in `folder`, which outlives it.
  explicit ArmedPlan(const std::string& folder) : plan_path_(folder + "/plan"), log_path_(folder + "/deaths") {
    Arm("");
  }
  ArmedPlan(const ArmedPlan&) = delete;
  ArmedPlan& operator=(const ArmedPlan&) = delete;

  // From now on processes die at `places`, one a line, and nowhere else. In one go: none must ever read half a plan.
  void Arm(const std::string& places) {
    std::ofstream(plan_path_ + ".new") << places << "\n";
    std::filesystem::rename(plan_path_ + ".new", plan_path_);
  }

  // For ClusterOptions.
  std::vector<std::string> environment() const {
    return {"UNWIND_CRASH_PLAN=" + plan_path_, "UNWIND_CRASH_LOG=" + log_path_};
  }

  // Each line of it is a place at which one has died.
  const std::string& log_path() const { return log_path_; }

 private:
  const std::string plan_path_, log_path_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_CRASH_ARMED_PLAN_H_
