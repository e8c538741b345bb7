#include "orchestrator/definition/step_order.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace unwind {
namespace {

class OrderCheck {
 public:
  OrderCheck(const std::vector<StepText>& steps, const std::vector<StepKind>& kinds, Findings& findings)
      : steps_(steps), kinds_(kinds), findings_(findings) {}

  StepOrder Run() {
    for (std::size_t i = 0; i < steps_.size(); ++i) order_.after.push_back(DependenciesOf(i));
    marks_.assign(steps_.size(), Mark::kNew);
    order_.ancestor.assign(steps_.size(), std::vector<bool>(steps_.size(), false));
    for (std::size_t i = 0; i < steps_.size(); ++i) Visit(i);
    if (order_.sound) CheckKinds();
    return std::move(order_);
  }

 private:
  enum class Mark { kNew, kOpen, kDone };

  std::vector<int> DependenciesOf(std::size_t i) {
    const StepText& step = steps_[i];
    if (step.after_line == 0) return i == 0 ? std::vector<int>{} : std::vector<int>{static_cast<int>(i) - 1};
    std::set<int> indexes;
    for (const Text& name : step.after) {
      const int index = IndexOf(name);
      if (index >= 0) indexes.insert(index);
    }
    return {indexes.begin(), indexes.end()};
  }

  int IndexOf(const Text& name) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].name.value == name.value) return static_cast<int>(i);
      names.push_back(steps_[i].name.value);
    }
    order_.sound = false;
    findings_.Add(name.line, absl::StrCat("'after' names '", name.value, "', which is not a step"),
                  findings_.Suggest(name.value, names, absl::StrCat("the steps are ", absl::StrJoin(names, ", "))));
    return -1;
  }

  // Depth first: a step's ancestors are known once its dependencies' are.
  void Visit(std::size_t i) {
    if (marks_[i] == Mark::kDone) return;
    if (marks_[i] == Mark::kOpen) return ReportCycle(i);
    marks_[i] = Mark::kOpen;
    open_.push_back(i);
    for (const int dependency : order_.after[i]) {
      const auto j = static_cast<std::size_t>(dependency);
      Visit(j);
      order_.ancestor[i][j] = true;
      for (std::size_t k = 0; k < steps_.size(); ++k) {
        if (order_.ancestor[j][k]) order_.ancestor[i][k] = true;
      }
    }
    open_.pop_back();
    marks_[i] = Mark::kDone;
  }

  void ReportCycle(std::size_t i) {
    order_.sound = false;
    std::vector<std::string> names;
    for (auto it = std::find(open_.begin(), open_.end(), i); it != open_.end(); ++it) {
      names.push_back(steps_[*it].name.value);
    }
    names.push_back(steps_[i].name.value);
    const StepText& step = steps_[i];
    findings_.Add(step.after_line != 0 ? step.after_line : step.line,
                  absl::StrCat("the steps wait for each other: ", absl::StrJoin(names, " after ")),
                  "take one of them out of an 'after'");
  }

  void CheckKinds() {
    int pivot = -1;
    bool one_pivot = true;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (kinds_[i] != StepKind::kPivot) continue;
      if (pivot >= 0) {
        one_pivot = false;
        findings_.Add(steps_[i].line,
                      absl::StrCat(NameOf(i), " is a second pivot, after ", NameOf(static_cast<std::size_t>(pivot))),
                      "a saga has one point of no return: make one of them compensatable or retriable");
      } else {
        pivot = static_cast<int>(i);
      }
    }
    if (pivot < 0) return CheckOneKind();
    if (!one_pivot) return;
    for (std::size_t i = 0; i < steps_.size(); ++i) CheckSide(i, static_cast<std::size_t>(pivot));
  }

  void CheckOneKind() {
    const auto other = std::find_if(kinds_.begin(), kinds_.end(), [&](StepKind kind) { return kind != kinds_[0]; });
    if (other == kinds_.end()) return;
    findings_.Add(steps_[static_cast<std::size_t>(other - kinds_.begin())].line,
                  "the saga has compensatable and retriable steps, but no pivot between them",
                  "make the step of no return 'kind: pivot', or all steps of one kind");
  }

  void CheckSide(std::size_t i, std::size_t pivot) {
    const bool before = order_.ancestor[pivot][i];
    const bool past = order_.ancestor[i][pivot];
    if (kinds_[i] == StepKind::kCompensatable && past) {
      findings_.Add(steps_[i].line,
                    absl::StrCat(NameOf(i), " is compensatable, but comes after the pivot ", NameOf(pivot)),
                    "past the point of no return a step is 'kind: retriable'");
    } else if (kinds_[i] == StepKind::kCompensatable && !before) {
      findings_.Add(
          steps_[i].line,
          absl::StrCat(NameOf(i), " is compensatable, but the pivot ", NameOf(pivot), " does not wait for it"),
          absl::StrCat("add it to the 'after' of ", NameOf(pivot), ", or of a step before it"));
    } else if (kinds_[i] == StepKind::kRetriable && !past) {
      findings_.Add(steps_[i].line,
                    absl::StrCat(NameOf(i), " is retriable, but does not wait for the pivot ", NameOf(pivot)),
                    absl::StrCat("put it after ", NameOf(pivot), ", or make it compensatable"));
    }
  }

  std::string NameOf(std::size_t i) const { return absl::StrCat("'", steps_[i].name.value, "'"); }

  const std::vector<StepText>& steps_;
  const std::vector<StepKind>& kinds_;
  Findings& findings_;
  StepOrder order_;
  std::vector<Mark> marks_;
  std::vector<std::size_t> open_;  // the steps whose visit is not done, outermost first
};

}  // namespace

StepOrder CheckStepOrder(const std::vector<StepText>& steps, const std::vector<StepKind>& kinds, Findings& findings) {
  return OrderCheck(steps, kinds, findings).Run();
}

}  // namespace unwind
