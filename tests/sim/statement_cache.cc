// Keeps SQLite's prepared statements. SOCI prepares each statement anew, which is most of the time of a batch of one
// call on a database in memory; so in the simulator's binaries these definitions take the place of SQLite's own, and a
// statement that is let go waits here for the next one of its text. What a statement does stays SQLite's.
#include <dlfcn.h>
#include <sqlite3.h>

#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using Statements = std::unordered_map<std::string, std::vector<sqlite3_stmt*>>;

std::unordered_map<sqlite3*, Statements>& Kept() {
  static auto* const kept = new std::unordered_map<sqlite3*, Statements>;
  return *kept;
}

template <class Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int sqlite3_prepare_v2(sqlite3* db, const char* sql, int bytes, sqlite3_stmt** statement, const char** tail) {
  static const auto prepare = Next<decltype(&sqlite3_prepare_v2)>("sqlite3_prepare_v2");
  const std::size_t length = bytes < 0 ? std::strlen(sql) : strnlen(sql, static_cast<std::size_t>(bytes));
  const auto db_kept = Kept().find(db);
  if (db_kept != Kept().end()) {
    const auto found = db_kept->second.find(std::string(sql, length));
    if (found != db_kept->second.end() && !found->second.empty()) {
      *statement = found->second.back();
      found->second.pop_back();
      if (tail != nullptr) *tail = sql + length;
      return SQLITE_OK;
    }
  }
  return prepare(db, sql, bytes, statement, tail);
}

int sqlite3_finalize(sqlite3_stmt* statement) {
  if (statement == nullptr) return SQLITE_OK;
  const int result = sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  Kept()[sqlite3_db_handle(statement)][sqlite3_sql(statement)].push_back(statement);
  return result;
}

int sqlite3_close(sqlite3* db) {
  static const auto finalize = Next<decltype(&sqlite3_finalize)>("sqlite3_finalize");
  static const auto close = Next<decltype(&sqlite3_close)>("sqlite3_close");
  if (const auto found = Kept().find(db); found != Kept().end()) {
    for (const auto& [sql, statements] : found->second) {
      for (sqlite3_stmt* const statement : statements) finalize(statement);
    }
    Kept().erase(found);
  }
  return close(db);
}

}  // extern "C"
