#include "tests/support/postgres.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "tests/support/cpu.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kUser[] = "postgres";
constexpr char kPassword[] = "a 'pass\\word";  // of every role: what a person may choose

// Where the server's own programs are: UNWIND_PG_BINDIR, or Debian's newest.
absl::StatusOr<std::string> FindPrograms() {
  if (const char* const folder = std::getenv("UNWIND_PG_BINDIR"); folder != nullptr) return folder;
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::string bin = (version.path() / "bin").string();
    if (fs::exists(bin + "/initdb", ignored)) found.push_back(bin);
  }
  if (found.empty()) {
    return absl::NotFoundError(
        "PostgreSQL's server is not installed: apt-get install postgresql-15, or set UNWIND_PG_BINDIR to the folder of "
        "initdb");
  }
  return *std::max_element(found.begin(), found.end());
}

int FreePort() {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  CHECK(listening >= 0 && ::bind(listening, any, size) == 0 && ::getsockname(listening, any, &size) == 0);
  ::close(listening);
  return ntohs(address.sin_port);
}

absl::StatusOr<std::string> MakeFolder(const std::string& root, bool for_postgres) {
  std::string path = absl::StrCat(root, "/unwind-pg-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return absl::PermissionDeniedError(absl::StrCat("cannot make ", path));
  if (!for_postgres) return path;
  const passwd* const user = getpwnam(kUser);
  if (user == nullptr || chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    return absl::FailedPreconditionError(
        "root may not run PostgreSQL, and there is no user postgres to run it as; run this as another user");
  }
  return path;
}

// A cluster never outlives the process that made it, even if that is killed.
constexpr char kDieWithParent[] = "--pdeathsig=QUIT";

}  // namespace

PostgresServer::PostgresServer(PostgresOptions options, std::string folder, std::string bin, bool as_postgres)
    : options_(std::move(options)), folder_(std::move(folder)), bin_(std::move(bin)), as_postgres_(as_postgres) {}

absl::StatusOr<std::unique_ptr<PostgresServer>> PostgresServer::Start(PostgresOptions options) {
  ASSIGN_OR_RETURN(std::string bin, FindPrograms());
  const bool as_postgres = geteuid() == 0;
  ASSIGN_OR_RETURN(std::string folder, MakeFolder(options.folder_root, as_postgres));
  std::unique_ptr<PostgresServer> server(
      new PostgresServer(std::move(options), std::move(folder), std::move(bin), as_postgres));
  RETURN_IF_ERROR(server->MakeCluster());
  RETURN_IF_ERROR(server->StartAgain());
  return server;
}

PostgresServer::~PostgresServer() {
  (void)StopNow();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

double PostgresServer::CpuSeconds() const { return unwind::CpuSeconds(process_->pid()); }

std::string PostgresServer::LogPath() const { return folder_ + "/server.log"; }

std::vector<std::string> PostgresServer::AsItsUser(std::vector<std::string> command) const {
  std::vector<std::string> whole = {"/usr/bin/setpriv", kDieWithParent};
  if (as_postgres_) {
    whole.insert(whole.end(), {absl::StrCat("--reuid=", kUser), absl::StrCat("--regid=", kUser), "--init-groups"});
  }
  whole.push_back("--");
  whole.insert(whole.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
  return whole;
}

absl::Status PostgresServer::MakeCluster() {
  const std::string data = folder_ + "/data";
  ASSIGN_OR_RETURN(const int made,
                   RunToEnd(AsItsUser({bin_ + "/initdb", "--pgdata=" + data, "--no-sync", "--auth=trust",
                                       "--encoding=UTF8", "--locale=C.UTF-8", absl::StrCat("--username=", kUser)}),
                            LogPath(), kPatience));
  if (made != 0) return absl::InternalError(absl::StrCat("initdb failed:\n", ContentsOf(LogPath())));
  // The socket's folder is its user's alone; over TCP a password is asked for.
  std::ofstream(data + "/pg_hba.conf") << "local all all trust\n"
                                       << (options_.authority == nullptr ? "host all all 127.0.0.1/32 scram-sha-256\n"
                                                                         : "hostssl all all 127.0.0.1/32 cert\n");
  std::ofstream(folder_ + "/password") << kPassword << "\n";
  std::ofstream settings(data + "/postgresql.conf", std::ios::app);
  settings << "listen_addresses = '127.0.0.1'\nunix_socket_directories = '" << folder_ << "'\n"
           << "fsync = " << (options_.fsync ? "on" : "off") << "\nshared_buffers = 128MB\nmax_wal_size = 2GB\n"
           << "max_connections = 60\nlogging_collector = off\n";
  for (const std::string& setting : options_.settings) settings << setting << "\n";
  if (options_.authority != nullptr) {
    RETURN_IF_ERROR(WriteCertificates());
    settings << "ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nssl_ca_file = 'ca.crt'\n";
  }
  return settings ? absl::OkStatus() : absl::InternalError(absl::StrCat("cannot write in ", data));
}

absl::Status PostgresServer::WriteCertificates() const {
  CertificateFor whom;
  whom.name = "postgres";
  whom.ips = {};
  const Certificate own = options_.authority->Issue(whom);
  const std::string data = folder_ + "/data/";
  WriteFile(data + "server.crt", own.chain);
  WriteSecret(data + "server.key", own.key);
  WriteFile(data + "ca.crt", options_.authority->pem());
  const passwd* const user = as_postgres_ ? getpwnam(kUser) : nullptr;
  if (user == nullptr || chown((data + "server.key").c_str(), user->pw_uid, user->pw_gid) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("cannot give ", data, "server.key to ", kUser));
}

absl::Status PostgresServer::StartAgain() {
  constexpr int kPortTriesMax = 5;
  for (int i = 0; i < kPortTriesMax; ++i) {
    const int port = port_ == 0 ? FreePort() : port_;
    ASSIGN_OR_RETURN(
        process_,
        Process::Start(AsItsUser({bin_ + "/postgres", "-D", folder_ + "/data", "-p", absl::StrCat(port)}), LogPath()));
    const std::string conninfo = absl::StrCat("host=", folder_, " port=", port);
    const bool ready =
        Eventually(kPatience, [&] { return PQping(conninfo.c_str()) == PQPING_OK || !process_->Running(); });
    if (ready && process_->Running()) {
      port_ = port;
      return absl::OkStatus();
    }
  }
  return absl::UnavailableError(absl::StrCat("PostgreSQL did not start:\n", ContentsOf(LogPath())));
}

absl::Status PostgresServer::StopNow() {
  if (process_ == nullptr || !process_->Running()) return absl::OkStatus();
  kill(process_->pid(), SIGQUIT);
  return process_->Wait(kPatience).status();
}

absl::Status PostgresServer::Kill() {
  process_->Kill();
  // Its children end by themselves when they notice; until then they hold the port and the memory.
  const std::string conninfo = absl::StrCat("host=", folder_, " port=", port_);
  if (Eventually(kPatience, [&] { return PQping(conninfo.c_str()) == PQPING_NO_RESPONSE; })) return absl::OkStatus();
  return absl::DeadlineExceededError("a killed PostgreSQL still answers");
}

std::string PostgresServer::Database(const std::string& name) const {
  return absl::StrCat("postgres:host=", folder_, " port=", port_, " dbname=", name, " user=", name);
}

std::string PostgresServer::DatabaseOverTcp(const std::string& name, const std::string& address) const {
  const std::string at = address.empty() ? absl::StrCat("127.0.0.1:", port_) : address;
  const std::size_t colon = at.rfind(':');
  return absl::StrCat("postgres:host=", at.substr(0, colon), " port=", at.substr(colon + 1), " dbname=", name,
                      " user=", name, " password_file=", folder_, "/password");
}

std::string PostgresServer::DatabaseOverTls(const std::string& name, const std::string& ca, const std::string& cert,
                                            const std::string& key) const {
  return absl::StrCat("postgres:host=localhost port=", port_, " dbname=", name, " user=", name,
                      " sslmode=verify-full sslrootcert=", ca, " sslcert=", cert, " sslkey=", key);
}

absl::StatusOr<std::string> PostgresServer::CreateDatabase(const std::string& name) {
  const std::string quoted = absl::StrReplaceAll(kPassword, {{"'", "''"}});
  RETURN_IF_ERROR(Execute("postgres", absl::StrCat("CREATE ROLE ", name, " LOGIN PASSWORD '", quoted, "'")).status());
  RETURN_IF_ERROR(Execute("postgres", absl::StrCat("CREATE DATABASE ", name, " OWNER ", name)).status());
  return Database(name);
}

absl::StatusOr<std::vector<std::vector<std::string>>> PostgresServer::Execute(const std::string& database,
                                                                              const std::string& sql) {
  const std::string conninfo =
      absl::StrCat("host=", folder_, " port=", port_, " dbname=", database, " user=", kUser, " connect_timeout=10");
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(conninfo.c_str()), PQfinish);
  const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection.get(), sql.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return absl::InternalError(absl::StrCat(PQerrorMessage(connection.get()), " in: ", sql));
  }
  std::vector<std::vector<std::string>> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      rows[row].emplace_back(PQgetvalue(result.get(), static_cast<int>(row), column));
    }
  }
  return rows;
}

PostgresServer& TestPostgres() {
  static const std::unique_ptr<PostgresServer> server = [] {
    auto started = PostgresServer::Start();
    if (!started.ok()) std::fprintf(stderr, "%s\n", std::string(started.status().message()).c_str());
    CHECK(started.ok());
    return *std::move(started);
  }();
  return *server;
}

std::string NewTestSchema() {
  static const std::string shared = NewTestDatabase();
  static std::atomic<int> count = 0;
  const std::string schema = absl::StrCat("schema_", ++count);
  const std::string name = shared.substr(shared.find("user=") + 5);
  const auto made = TestPostgres().Execute(name, absl::StrCat("CREATE SCHEMA ", schema, " AUTHORIZATION ", name));
  CHECK(made.ok());
  return absl::StrCat(shared, " options=-csearch_path=", schema);
}

std::string NewTestDatabase() {
  static std::atomic<int> count = 0;
  const auto database = TestPostgres().CreateDatabase(absl::StrCat("test_", ++count));
  if (!database.ok()) std::fprintf(stderr, "%s\n", std::string(database.status().message()).c_str());
  CHECK(database.ok());
  return *database;
}

}  // namespace unwind
