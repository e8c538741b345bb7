#include "orchestrator/definition/findings.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace unwind {
namespace {

constexpr std::size_t kWordLengthMax =
    200;  // longer words are nobody's slip of a finger, and the distance is quadratic

// Insertions, deletions and replacements between the two (Levenshtein).
std::size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

void Findings::Add(int line, absl::string_view what, absl::string_view todo) {
  found_.emplace_back(line, absl::StrCat(file_, ":", line, ": ", what, "; ", todo));
}

absl::Status Findings::ToStatus() const {
  if (found_.empty()) return absl::OkStatus();
  auto sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return absl::InvalidArgumentError(
      absl::StrJoin(sorted, "\n", [](std::string* out, const auto& finding) { absl::StrAppend(out, finding.second); }));
}

std::string Suggest(absl::string_view word, const std::vector<std::string>& candidates, absl::string_view otherwise) {
  std::size_t nearest = (word.size() + 2) / 3 + 1;  // one slip in three letters
  const std::string* best = nullptr;
  if (word.size() <= kWordLengthMax) {
    for (const std::string& candidate : candidates) {
      if (candidate.size() > kWordLengthMax) continue;
      const std::size_t distance = Distance(word, candidate);
      if (distance >= nearest) continue;
      nearest = distance;
      best = &candidate;
    }
  }
  return best == nullptr ? std::string(otherwise) : absl::StrCat("did you mean '", *best, "'?");
}

}  // namespace unwind
