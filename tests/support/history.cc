#include "tests/support/history.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "absl/strings/str_cat.h"

namespace unwind {
namespace {

constexpr char kNoStock[] = "STOCK_NOT_ENOUGH";

bool RefusedForStock(const Purchase& purchase) {
  return purchase.told == Told::kRefused && purchase.reason == kNoStock;
}

absl::Time HoldsUntil(const Purchase& purchase) {
  return purchase.told == Told::kRefused ? purchase.end : absl::InfiniteFuture();
}

std::string Show(const Purchase& purchase) {
  switch (purchase.told) {
    case Told::kPaid:
      return absl::StrCat("PAID, order ", purchase.order_id);
    case Told::kRefused:
      return purchase.reason;
    case Told::kNothing:
      return "nothing";
  }
  return "";
}

}  // namespace

std::vector<std::string> CheckRefusals(const std::vector<Purchase>& purchases, int pieces) {
  std::map<absl::Time, int> steps;  // what the bound grows or shrinks by
  for (const Purchase& purchase : purchases) {
    if (RefusedForStock(purchase)) continue;
    steps[purchase.start] += purchase.quantity;
    if (HoldsUntil(purchase) != absl::InfiniteFuture()) steps[HoldsUntil(purchase)] -= purchase.quantity;
  }
  std::vector<std::pair<absl::Time, int>> held;  // could be held from this instant on
  int bound = 0;
  for (const auto& [at, by] : steps) held.emplace_back(at, bound += by);

  std::vector<std::string> violations;
  for (const Purchase& refused : purchases) {
    if (!RefusedForStock(refused)) continue;
    auto at = std::upper_bound(held.begin(), held.end(), refused.start,
                               [](absl::Time time, const auto& step) { return time < step.first; });
    int most = at == held.begin() ? 0 : std::prev(at)->second;
    for (; at != held.end() && at->first <= refused.end; ++at) most = std::max(most, at->second);
    if (pieces - most < refused.quantity) continue;
    violations.push_back(absl::StrCat("request ", refused.request_id, " was refused for lack of stock, and at most ",
                                      most, " of ", pieces, " pieces can have been held during its call"));
  }
  return violations;
}

std::vector<std::string> CheckAnswersStand(const std::vector<Purchase>& purchases, const std::vector<Purchase>& again) {
  std::map<std::string, const Purchase*> first;
  for (const Purchase& purchase : purchases) first[purchase.request_id] = &purchase;
  std::vector<std::string> violations;
  for (const Purchase& later : again) {
    const auto before = first.find(later.request_id);
    if (before == first.end() || before->second->told == Told::kNothing) continue;
    if (Show(*before->second) == Show(later)) continue;
    violations.push_back(
        absl::StrCat("request ", later.request_id, " was told ", Show(*before->second), ", and later ", Show(later)));
  }
  return violations;
}

}  // namespace unwind
