// Text for people: tables, and data of others made harmless.
#ifndef UNWIND_SAGACTL_TEXT_H_
#define UNWIND_SAGACTL_TEXT_H_

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace unwind::sagactl {

// `text` with every control character, every one that turns a line around and every bad byte written as \n or \x1b.
std::string Escaped(absl::string_view text);

// Columns that `text` takes on a terminal. REQUIRES: it is Escaped.
std::size_t Width(absl::string_view text);

// At most `columns` of `text`, the last of them an ellipsis if it was cut.
std::string Cut(absl::string_view text, std::size_t columns);

// Rows under a heading, aligned. A cell is escaped and has kCellMax columns at most; so that no line wraps, each is cut
// at `line_max` (0: not).
class Table {
 public:
  static constexpr std::size_t kCellMax = 80;

  explicit Table(std::vector<std::string> heading) { Add(std::move(heading)); }

  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  void Print(std::ostream& out, std::size_t line_max) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_TEXT_H_
