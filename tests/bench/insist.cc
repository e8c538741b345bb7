#include "tests/bench/insist.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

absl::StatusOr<Answers> AskAgain(Rig& rig, const LoadResult& result) {
  LoadOptions again = rig.Orders();
  again.calls = result.untold.size();
  again.request = [&result](std::uint64_t n) { return result.untold[n].first; };
  const LoadResult told = RunLoad(again);
  if (told.untold.empty()) return told.answers;
  return absl::UnavailableError(
      absl::StrCat(told.untold.size(), " buyers never learn what became of their order: ", ToText(told.answers)));
}

}  // namespace

absl::StatusOr<Answers> Insist(Rig& rig, const LoadResult& result) {
  RETURN_IF_ERROR(rig.AwaitRest());
  Answers answers = result.answers;
  if (!result.untold.empty()) {
    ASSIGN_OR_RETURN(const Answers told, AskAgain(rig, result));
    for (const auto& [request, answer] : result.untold) --answers[answer];
    for (const auto& [answer, count] : told) answers[answer] += count;
    std::erase_if(answers, [](const auto& each) { return each.second == 0; });
    RETURN_IF_ERROR(rig.AwaitRest());
  }
  ASSIGN_OR_RETURN(const AuditReport books, rig.CheckBooks());
  if (answers["OK"] == books.orders_paid) return answers;
  return absl::DataLossError(
      absl::StrCat("buyers were told ", ToText(answers), ", but the books say that ", books.orders_paid, " paid"));
}

std::string ToText(const Answers& answers) { return absl::StrJoin(answers, ", ", absl::PairFormatter(" ")); }

}  // namespace unwind
