#include "common/participant/service_main.h"

#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/repeat.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/db/open.h"
#include "common/observe/tracer.h"
#include "common/participant/store_health.h"
#include "common/rpc/credentials.h"
#include "common/rpc/own_descriptors.h"

ABSL_FLAG(
    std::string, db, "",
    "SQLite file of the service, made if it is not there, by default NAME.db with the name of its schema, such as "
    "stock.db; or postgres: and KEY=VALUE pairs, such as "
    "\"postgres:host=db1 dbname=stock user=stock password_file=PATH\".");

namespace unwind {
namespace {

constexpr char kMigrate[] = "migrate";

std::string NameOfDb(const Program& program) {
  std::string database = absl::GetFlag(FLAGS_db);
  return database.empty() ? absl::StrCat(program.component, ".db") : database;
}

absl::StatusOr<std::unique_ptr<Connection>> OpenMigrated(const Program& program, const std::string& database) {
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenDatabase(database));
  RETURN_IF_ERROR(Migrate(*connection, program.component, program.migrations));
  if (program.has_barrier) RETURN_IF_ERROR(Participant::Migrate(*connection));
  return connection;
}

absl::StatusOr<Databases> Open(const Program& program) {
  const std::string database = NameOfDb(program);
  Databases databases;
  ASSIGN_OR_RETURN(databases.write, OpenMigrated(program, database));
  ASSIGN_OR_RETURN(databases.read, OpenDatabase(database));
  return databases;
}

absl::Status Run(const Program& program) {
  const SystemClock clock;
  ASSIGN_OR_RETURN(const std::unique_ptr<Transport> transport, Transport::Start());
  ASSIGN_OR_RETURN(const std::unique_ptr<TracingScope> tracing, TraceAsFlagsSay(program.name));
  ASSIGN_OR_RETURN(const std::unique_ptr<Serving> serving, program.start([&] { return Open(program); }, clock));
  ServerSetup setup;
  setup.services = serving->services();
  const std::unique_ptr<DescribedFiles> described = DescribedFiles::Read(OwnDescriptorSet());
  if (described != nullptr) setup.pools.push_back(&described->pool());
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(setup));
  Log(Severity::kInfo, "ready", {{"store", NameOfDatabase(NameOfDb(program))}});
  StoreHealth health(std::bind_front(&Serving::ProbeStore, serving.get()), SteadyNow,
                     std::bind_front(&Server::SetServing, server.get()));
  Repeat checking(StoreHealth::kPause, [&health] { return health.Check(); });
  server->WaitAndDrain(nullptr, [&serving] { serving->BeforeDrain(); });
  checking.Stop();
  serving->Stop();
  return absl::OkStatus();
}

// Main's exit code.
absl::StatusOr<int> RunSubcommand(const Program& program, const std::string& subcommand) {
  if (subcommand == kMigrate) {
    RETURN_IF_ERROR(OpenMigrated(program, NameOfDb(program)).status());
    return 0;
  }
  for (const Task& task : program.tasks) {
    if (subcommand != task.name) continue;
    const SystemClock clock;
    ASSIGN_OR_RETURN(const std::unique_ptr<Transport> transport, Transport::Start());
    return task.run([&] { return Open(program); }, clock);
  }
  RETURN_IF_ERROR(Run(program));
  return 0;
}

}  // namespace

int ServiceMain(int argc, char** argv, const Program& program) {
  HoldStopSignals();
  std::vector<Subcommand> subcommands = {{kMigrate, "brings the schema of its database up to date"}};
  for (const Task& task : program.tasks) subcommands.push_back({task.name, task.does});
  const std::string subcommand = ParseFlagsOrSubcommand(argc, argv, program.usage, subcommands);
  InitLog(program.name);
  const absl::StatusOr<int> code = RunSubcommand(program, subcommand);
  if (code.ok()) return *code;
  std::fprintf(stderr, "%s: %s\n", program.name, std::string(code.status().message()).c_str());
  return 1;
}

}  // namespace unwind
