// Columns of many rows as parameters: the texts of PostgreSQL's arrays.
#ifndef UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_
#define UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_

#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace unwind {

// A value of type BYTEA, among texts.
struct PgBytes {
  const std::string& bytes;
};

// As PostgreSQL reads it.
inline std::string ToPgText(PgBytes value) { return absl::StrCat("\\x", absl::BytesToHexString(value.bytes)); }

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

  void Add(PgBytes value) { Add(absl::string_view(ToPgText(value))); }

  // After the last Add.
  void Close() { text_.push_back('}'); }

  const std::string& text() const { return text_; }

 private:
  std::string text_ = "{";
};

template <std::size_t kCount>
struct PgColumns {
  template <class... Values>
  void Add(const Values&... values) {
    static_assert(sizeof...(values) == kCount);
    std::size_t column = 0;
    (arrays[column++].Add(values), ...);
  }
  void Close() {
    for (PgArray& array : arrays) array.Close();
  }
  const std::string& operator[](std::size_t column) const { return arrays[column].text(); }

  std::array<PgArray, kCount> arrays;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_STORE_PG_ARRAY_H_
