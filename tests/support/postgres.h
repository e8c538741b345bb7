// A throw-away PostgreSQL cluster of this machine's own programs: made in a folder in /tmp, reachable over a Unix
// socket and a free port of the loopback, gone at the end. Run by root it runs as the user postgres, which never may be
// root.
#ifndef UNWIND_TESTS_SUPPORT_POSTGRES_H_
#define UNWIND_TESTS_SUPPORT_POSTGRES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"

namespace unwind {

struct PostgresOptions {
  bool fsync = false;                 // true: as durable as the disk allows
  std::string folder_root = "/tmp";   // the folder is made in here
  std::vector<std::string> settings;  // more "name=value" of postgresql.conf
  // Over TCP: TLS alone, with a certificate by this one for localhost, and only for who shows one of its certificates
  // whose common name is the role. Null: passwords.
  const TestAuthority* authority = nullptr;
};

class PostgresServer {
 public:
  // Call from a thread that outlives it (see Process::Start).
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Start(PostgresOptions options = {});
  // Stops it and removes all.
  ~PostgresServer();

  // Makes database `name` and the role of the same name that owns it; gives what --db takes.
  absl::StatusOr<std::string> CreateDatabase(const std::string& name);
  // What --db takes, over the socket and over TCP with the role's password in a file. `address`, host:port: another
  // than the server's own, such as a link's.
  std::string Database(const std::string& name) const;
  std::string DatabaseOverTcp(const std::string& name, const std::string& address = "") const;

  // With an authority: what --db takes of who has these files; it checks the server by sslmode=verify-full.
  std::string DatabaseOverTls(const std::string& name, const std::string& ca, const std::string& cert,
                              const std::string& key) const;

  // Runs one statement as the superuser in `database`; the rows' columns as text.
  absl::StatusOr<std::vector<std::vector<std::string>>> Execute(const std::string& database, const std::string& sql);

  // As `pg_ctl stop -m immediate`, kill -9 of the server's own process, and a start after either.
  absl::Status StopNow();
  absl::Status Kill();
  absl::Status StartAgain();

  // CPU seconds of all its processes.
  double CpuSeconds() const;

  const std::string& folder() const { return folder_; }
  int port() const { return port_; }

 private:
  PostgresServer(PostgresOptions options, std::string folder, std::string bin, bool as_postgres);
  absl::Status MakeCluster();
  absl::Status WriteCertificates() const;
  std::vector<std::string> AsItsUser(std::vector<std::string> command) const;
  std::string LogPath() const;

  const PostgresOptions options_;
  const std::string folder_;
  const std::string bin_;
  const bool as_postgres_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

// The one of this test binary, started by the first test that asks.
PostgresServer& TestPostgres();

// What --db takes: a new database of TestPostgres, or, much cheaper, a new schema of one that all tests share.
std::string NewTestDatabase();
std::string NewTestSchema();

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_POSTGRES_H_
