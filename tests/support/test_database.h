// Which kind of database a contract suite runs on: ctest runs each suite once for every kind, which it names in the
// environment's UNWIND_TEST_STORE.
#ifndef UNWIND_TESTS_SUPPORT_TEST_DATABASE_H_
#define UNWIND_TESTS_SUPPORT_TEST_DATABASE_H_

#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "common/base/check.h"
#include "common/db/connection.h"
#include "tests/support/postgres.h"

namespace unwind {

inline bool TestsOnPostgres() {
  const char* const store = std::getenv("UNWIND_TEST_STORE");
  return store != nullptr && std::string(store) == "postgres";
}

// What --db takes: `path` itself, or on PostgreSQL a schema of its own, always the same one for the same path.
inline std::string TestDatabaseAt(const std::string& path) {
  if (!TestsOnPostgres()) return path;
  static std::mutex mutex;
  static std::map<std::string, std::string> databases;
  const std::lock_guard lock(mutex);
  std::string& database = databases[path];
  if (database.empty()) database = NewTestSchema();
  return database;
}

inline std::unique_ptr<Connection> OpenTestDatabase(const std::string& path) {
  auto connection = Connection::Open(TestDatabaseAt(path));
  if (!connection.ok()) std::fprintf(stderr, "%s\n", std::string(connection.status().message()).c_str());
  CHECK(connection.ok());
  return *std::move(connection);
}

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_TEST_DATABASE_H_
