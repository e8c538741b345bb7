// A service's database: SQLite in memory, which outlives the processes that write it and the seed that used it.
#ifndef UNWIND_TESTS_SIM_DATABASE_H_
#define UNWIND_TESTS_SIM_DATABASE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/db/connection.h"
#include "common/db/migrate.h"
#include "common/db/statement.h"
#include "soci/session.h"

namespace unwind::sim {

class Database {
 public:
  // With the barrier's tables and those of `component`.
  Database(const std::string& component, const Migrations& migrations);

  soci::session& session() { return session_; }

  // Forgets every row, as if it were new.
  void Clear();

  // Everything that is stored, as text.
  std::string Dump();

  void Execute(const char* sql);

 private:
  soci::session session_;
  StatementCache statements_;        // after its session
  std::vector<std::string> tables_;  // children before their parents
};

// What befalls one transaction.
enum class Fate { kCommitted, kBusy, kOutcomeUnknown, kCrashBefore, kCrashAfter };

// One process's connection. An SQL error passes through: in a simulation it is a bug, never the disk.
class DatabaseConnection final : public Connection {
 public:
  // `draw` is asked at each commit; `before_commit` may spoil the transaction, to see whether anybody notices.
  DatabaseConnection(Database& database, std::function<Fate()> draw, std::function<void(Database&)> before_commit)
      : database_(database), draw_(std::move(draw)), before_commit_(std::move(before_commit)) {}

  absl::Status Write(absl::FunctionRef<absl::Status(soci::session&)> body) override;
  absl::Status Read(absl::FunctionRef<absl::Status(soci::session&)> body) override { return body(database_.session()); }

 private:
  Database& database_;
  const std::function<Fate()> draw_;
  const std::function<void(Database&)> before_commit_;
};

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_DATABASE_H_
