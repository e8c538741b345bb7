#include "common/base/findings.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/utf8.h"

namespace unwind {
namespace {

constexpr std::size_t kFindingsMax = 100;  // of each kind
constexpr std::size_t kTextBytesMax = 600;
constexpr std::size_t kWordBytesMax = 64;  // a longer word is no slip of a finger, and the distance is quadratic

// C0, DEL, and C1, which terminals obey as well.
bool IsControl(absl::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

// Valid UTF-8 on one line.
std::string Printable(absl::string_view text) {
  std::string printable;
  while (!text.empty()) {
    const std::size_t size = Utf8CharacterBytes(text);
    const absl::string_view character = text.substr(0, std::max<std::size_t>(size, 1));
    if (size != 0 && !IsControl(character)) {
      absl::StrAppend(&printable, character);
    } else {
      for (const char byte : character) {
        absl::StrAppend(&printable, "\\x", absl::Hex(static_cast<unsigned char>(byte), absl::kZeroPad2));
      }
    }
    text.remove_prefix(character.size());
  }
  return printable;
}

// Long words stand in the middle of a sentence, so what is cut is its middle.
std::string Cut(absl::string_view text) {
  if (text.size() <= kTextBytesMax) return Printable(text);
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  std::size_t head = kTextBytesMax / 2;
  std::size_t tail = text.size() - kTextBytesMax / 2;
  for (int i = 0; i < 3 && continues(head); ++i) --head;
  for (int i = 0; i < 3 && continues(tail); ++i) ++tail;
  return absl::StrCat(Printable(text.substr(0, head)), " (", tail - head, " bytes) ", Printable(text.substr(tail)));
}

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

Findings::Findings(const std::string& file, Origin origin) : file_(Printable(file)), origin_(origin) {}

std::string Findings::Place(int line) const { return absl::StrCat(file_, ":", line); }

void Findings::Keep(List& list, int line, absl::string_view severity, absl::string_view what,
                    absl::string_view todo) const {
  if (list.kept.size() == kFindingsMax) {
    ++list.left_out;
    return;
  }
  list.kept.push_back({line, absl::StrCat(Place(line), ": ", severity, Cut(what), "; ", Cut(todo))});
}

void Findings::Add(int line, absl::string_view what, absl::string_view todo) { Keep(errors_, line, "", what, todo); }

void Findings::Refuse(int line, absl::string_view what, absl::string_view todo) {
  origin_ == Origin::kFile ? Add(line, what, todo) : Warn(line, what, todo);
}

void Findings::Warn(int line, absl::string_view what, absl::string_view todo) {
  Keep(warnings_, line, "warning: ", what, todo);
}

std::vector<std::string> Findings::Sorted(std::vector<Finding> findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  std::vector<std::string> texts;
  texts.reserve(findings.size());
  for (Finding& finding : findings) texts.push_back(std::move(finding.text));
  return texts;
}

absl::Status Findings::ToStatus() const {
  if (!has_errors()) return absl::OkStatus();
  std::vector<Finding> all = errors_.kept;
  all.insert(all.end(), warnings_.kept.begin(), warnings_.kept.end());
  std::vector<std::string> lines = Sorted(std::move(all));
  const int left_out = errors_.left_out + warnings_.left_out;
  if (left_out > 0) lines.push_back(absl::StrCat(file_, ": and ", left_out, " more; correct these first"));
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

std::vector<std::string> Findings::warnings() const {
  std::vector<std::string> lines = Sorted(warnings_.kept);
  if (warnings_.left_out > 0) lines.push_back(absl::StrCat(file_, ": and ", warnings_.left_out, " more warnings"));
  return lines;
}

std::string Findings::Suggest(absl::string_view word, const std::vector<std::string>& candidates,
                              absl::string_view otherwise) const {
  std::size_t nearest = (word.size() + 2) / 3 + 1;  // one slip in three letters
  const std::string* best = nullptr;
  const bool is_read = errors_.kept.size() < kFindingsMax;  // past that nobody reads it, and it is dear
  if (is_read && word.size() <= kWordBytesMax) {
    for (const std::string& candidate : candidates) {
      if (candidate.size() > kWordBytesMax) continue;
      const std::size_t distance = Distance(word, candidate);
      if (distance >= nearest) continue;
      nearest = distance;
      best = &candidate;
    }
  }
  return best == nullptr ? std::string(otherwise) : absl::StrCat("did you mean '", *best, "'?");
}

}  // namespace unwind
