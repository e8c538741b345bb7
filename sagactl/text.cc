#include "sagactl/text.h"

#include <wchar.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/utf8.h"

namespace unwind::sagactl {
namespace {

constexpr char kEllipsis[] = "\xe2\x80\xa6";
constexpr char kGap[] = "  ";

// The number of the well-formed character `text`.
wchar_t CodePoint(absl::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (text.size() == 1) return first;
  wchar_t code = first & (0x7f >> text.size());
  for (const char next : text.substr(1)) code = (code << 6) | (static_cast<unsigned char>(next) & 0x3f);
  return code;
}

std::size_t WidthOf(absl::string_view character) {
  const int columns = wcwidth(CodePoint(character));
  return columns < 0 ? 1 : static_cast<std::size_t>(columns);  // not known to this locale
}

absl::string_view NextOf(absl::string_view text) {
  return text.substr(0, std::max<std::size_t>(Utf8CharacterBytes(text), 1));
}

}  // namespace

std::string Escaped(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    const absl::string_view next = NextOf(text);
    if (bytes > 0 && IsPrintable(next)) {
      absl::StrAppend(&escaped, next);
    } else if (next == "\n") {
      escaped.append("\\n");
    } else {
      for (const char byte : next) absl::StrAppendFormat(&escaped, "\\x%02x", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(next.size());
  }
  return escaped;
}

std::size_t Width(absl::string_view text) {
  std::size_t columns = 0;
  for (absl::string_view next; !text.empty(); text.remove_prefix(next.size())) columns += WidthOf(next = NextOf(text));
  return columns;
}

std::string Cut(absl::string_view text, std::size_t columns) {
  if (Width(text) <= columns) return std::string(text);
  std::size_t used = 1, bytes = 0;  // the ellipsis
  while (used + WidthOf(NextOf(text.substr(bytes))) <= columns) {
    used += WidthOf(NextOf(text.substr(bytes)));
    bytes += NextOf(text.substr(bytes)).size();
  }
  return absl::StrCat(text.substr(0, bytes), kEllipsis);
}

void Table::Add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = Cut(Escaped(cell), kCellMax);
  rows_.push_back(std::move(row));
}

void Table::Print(std::ostream& out, std::size_t line_max) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - Width(row[i]), ' '), kGap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << (line_max == 0 ? line : Cut(line, line_max)) << "\n";
  }
}

}  // namespace unwind::sagactl
