// A column of many rows as one parameter: the text of a PostgreSQL array.
#ifndef UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_
#define UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace unwind {

class PgArray {
 public:
  void Add(long long number) { absl::StrAppend(&text_, text_.size() > 1 ? "," : "", number); }

  void Add(absl::string_view text) {
    text_.append(text_.size() > 1 ? ",\"" : "\"");
    for (const char c : text) {
      if (c == '"' || c == '\\') text_.push_back('\\');
      text_.push_back(c);
    }
    text_.push_back('"');
  }

  // After the last Add.
  void Close() { text_.push_back('}'); }

  const std::string& text() const { return text_; }

 private:
  std::string text_ = "{";
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_
