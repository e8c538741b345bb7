// Several databases as one, to be asked in SQLite's SQL: files are attached, what is in PostgreSQL is copied.
#ifndef UNWIND_TESTS_SUPPORT_BOOKS_H_
#define UNWIND_TESTS_SUPPORT_BOOKS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct sqlite3;

namespace unwind {

class Books {
 public:
  // `databases`: by the name under which SQL finds its tables, what --db takes. Nothing is written to them. `left_out`:
  // tables of PostgreSQL that are not asked for and would take long to copy.
  static absl::StatusOr<std::unique_ptr<Books>> Open(const std::map<std::string, std::string>& databases,
                                                     const std::set<std::string>& left_out = {});
  ~Books();
  Books(const Books&) = delete;
  Books& operator=(const Books&) = delete;

  // The first column of every row, as text.
  absl::StatusOr<std::vector<std::string>> Select(const std::string& sql);
  absl::StatusOr<std::int64_t> Number(const std::string& sql);

 private:
  Books() = default;
  absl::Status Attach(const std::string& name, const std::string& database);
  absl::Status Copy(const std::string& name, const std::string& database, const std::set<std::string>& left_out);

  sqlite3* db_ = nullptr;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_BOOKS_H_
