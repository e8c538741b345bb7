// Many rows as one parameter: the JSON of ROWS(:name) in statement.h.
#ifndef UNWIND_COMMON_DB_ROW_LIST_H_
#define UNWIND_COMMON_DB_ROW_LIST_H_

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "soci/session.h"

namespace unwind {

class RowList {
 public:
  // One row: texts, which are UTF-8, and whole numbers.
  template <class... Values>
  void Add(const Values&... values) {
    text_.append(count_++ == 0 ? "[[" : ",[");
    bool first = true;
    ((text_.append(first ? "" : ","), Append(values), first = false), ...);
    text_.push_back(']');
  }

  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  std::string json() const { return count_ == 0 ? "[]" : text_ + "]"; }

 private:
  void Append(long long number) { absl::StrAppend(&text_, number); }
  void Append(absl::string_view text) {
    text_.push_back('"');
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        text_.push_back('\\');
        text_.push_back(c);
      } else if (c == '\0') {
        text_.append("\\ufffd");  // no database keeps it
      } else if (static_cast<unsigned char>(c) < 0x20) {
        absl::StrAppendFormat(&text_, "\\u%04x", static_cast<unsigned char>(c));
      } else {
        text_.push_back(c);
      }
    }
    text_.push_back('"');
  }

  std::size_t count_ = 0;
  std::string text_;
};

// Rows of one text each.
template <class Texts>
std::string IdRows(const Texts& texts) {
  RowList rows;
  for (const std::string& text : texts) rows.Add(text);
  return rows.json();
}

// Executes `sql`, whose one parameter are the rows; nothing if there are none.
void PutRows(soci::session& session, absl::string_view sql, const RowList& rows);

// The same of an INSERT ... ON CONFLICT DO NOTHING RETURNING a number. False if another process was faster with one of
// the rows.
bool InsertRows(soci::session& session, absl::string_view sql, const RowList& rows);

}  // namespace unwind

#endif  // UNWIND_COMMON_DB_ROW_LIST_H_
