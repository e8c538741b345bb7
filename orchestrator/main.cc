// The orchestrator: what its parts are and how they are put together. The only file that names concrete types.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/db/dsn.h"
#include "common/db/open.h"
#include "common/metrics/registry.h"
#include "common/rpc/server.h"
#include "orchestrator/api/driver_door.h"
#include "orchestrator/api/saga_service.h"
#include "orchestrator/api/served_methods.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/host/definition_files.h"
#include "orchestrator/host/repeat.h"
#include "orchestrator/host/saga_metrics.h"
#include "orchestrator/participants/client_metrics.h"
#include "orchestrator/participants/grpc_participants.h"
#include "orchestrator/participants/routes.h"
#include "orchestrator/store/soci_saga_store.h"

ABSL_FLAG(std::vector<std::string>, definitions, {}, "Definition files, or folders of *.yaml, separated by commas.");
ABSL_FLAG(std::vector<std::string>, descriptors, {},
          "Descriptor sets (protoc --include_imports --descriptor_set_out) of services that are not ours, separated by "
          "commas; unwind.protoset, beside the folder of this program, is always loaded.");
ABSL_FLAG(std::string, participants, "", "Where each service is: package.Service=HOST:PORT,...");
ABSL_FLAG(bool, enable_reset, false, "Serve reset.yaml too, which empties the shop. For tests only.");
ABSL_FLAG(std::string, store, "",
          "Where sagas are kept: sqlite or postgres; empty: what --db names. A --db of the other kind is refused.");
ABSL_FLAG(std::string, db, "orchestrator.db",
          "SQLite file of the sagas, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=sagas user=sagas password_file=PATH\".");
ABSL_FLAG(
    std::string, instance, "orchestrator",
    "This orchestrator's name, the same after every restart, on whatever host: under it it finds its sagas again. "
    "Several orchestrators on one database need names of their own.");
ABSL_FLAG(
    absl::Duration, lease, absl::Seconds(15),
    "How long the instance's lease lasts, 1s to 1h; a third of it passes between renewals. When it is over, others "
    "on the same database take the instance's sagas.");
ABSL_FLAG(absl::Duration, retention, absl::Hours(24 * 30), "How long finished sagas, their history and keys are kept.");
ABSL_FLAG(int, shards, 1, "Threads that decide and commit, 1 to 64.");
ABSL_FLAG(int, batch_max, 256, "Events that one turn decides and commits together, 1 to 10000.");
ABSL_FLAG(int, in_flight_max, 20000, "Accepted and unfinished sagas; more are refused with RESOURCE_EXHAUSTED.");
ABSL_FLAG(int, target_calls_max, 256, "Calls out to one participant at a time; more wait.");
ABSL_FLAG(int, target_connections, 1, "HTTP/2 connections to one participant, 1 to 16.");
ABSL_FLAG(absl::Duration, call_wait_max, absl::Seconds(30), "How long a call without a deadline waits for its saga.");

namespace unwind {
namespace {

constexpr char kUsage[] =
    "orchestrator: serves sagas from definition files.\n\n"
    "  orchestrator --definitions=sagas --participants=shop.stock.v1.StockService=127.0.0.1:7002,... "
    "--listen=127.0.0.1:7000\n"
    "  orchestrator check [--descriptors=SET,...] FILE...    only checks definition files\n"
    "  orchestrator migrate [--db=...]                       only brings the schema of the database up to date";
constexpr char kResetFile[] = "reset.yaml";
constexpr absl::Duration kFirstPurge = absl::Minutes(1);
constexpr absl::Duration kPurgePause = absl::Minutes(10);
constexpr absl::Duration kPurgeBatchPause = absl::Milliseconds(100);
constexpr int kPurgeBatch = 500;
// How long a lapsed instance's sagas may wait, on average, and how many one transaction takes.
constexpr absl::Duration kClaimPause = absl::Seconds(1);
constexpr absl::Duration kClaimBatchPause = absl::Milliseconds(50);
constexpr int kClaimBatch = 256;

using Definitions = std::vector<std::shared_ptr<const Definition>>;

absl::Status CheckRange(const char* flag, int value, int least, int most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " must be ", least, " to ", most, ", not ", value));
}

absl::Status CheckFlags() {
  RETURN_IF_ERROR(CheckRange("shards", absl::GetFlag(FLAGS_shards), 1, 64));
  RETURN_IF_ERROR(CheckRange("batch_max", absl::GetFlag(FLAGS_batch_max), 1, 10000));
  RETURN_IF_ERROR(CheckRange("in_flight_max", absl::GetFlag(FLAGS_in_flight_max), 1, 1000000));
  RETURN_IF_ERROR(CheckRange("target_calls_max", absl::GetFlag(FLAGS_target_calls_max), 1, 100000));
  RETURN_IF_ERROR(CheckRange("target_connections", absl::GetFlag(FLAGS_target_connections), 1, 16));
  if (absl::GetFlag(FLAGS_lease) < absl::Seconds(1) || absl::GetFlag(FLAGS_lease) > absl::Hours(1)) {
    return absl::InvalidArgumentError("--lease must be 1s to 1h");
  }
  if (absl::GetFlag(FLAGS_instance).empty()) return absl::InvalidArgumentError("--instance must not be empty");
  if (absl::GetFlag(FLAGS_retention) < absl::Hours(1))
    return absl::InvalidArgumentError("--retention must be at least 1h");
  if (absl::GetFlag(FLAGS_call_wait_max) <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--call_wait_max must be more than 0");
  }
  return absl::OkStatus();
}

std::vector<std::string> DescriptorSets() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::vector<std::string> sets = absl::GetFlag(FLAGS_descriptors);
  sets.insert(sets.begin(), (program.parent_path().parent_path() / "unwind.protoset").string());
  return sets;
}

// The files to serve. reset.yaml is served only with its flag, and with it also if nobody listed it.
absl::StatusOr<std::vector<std::string>> DefinitionFiles() {
  ASSIGN_OR_RETURN(std::vector<std::string> files, ListDefinitionFiles(absl::GetFlag(FLAGS_definitions)));
  if (files.empty())
    return absl::InvalidArgumentError("there is nothing to serve; give --definitions=FILE_OR_FOLDER,...");
  const std::string reset = (std::filesystem::path(files.front()).parent_path() / kResetFile).string();
  const auto is_reset = [](const std::string& file) { return std::filesystem::path(file).filename() == kResetFile; };
  if (!absl::GetFlag(FLAGS_enable_reset)) {
    std::erase_if(files, is_reset);
  } else if (std::none_of(files.begin(), files.end(), is_reset)) {
    files.push_back(reset);
  }
  return files;
}

absl::Status CheckAllRoutes(const Definitions& definitions, const Routes& routes) {
  std::vector<std::string> errors;
  for (const auto& definition : definitions) {
    if (const absl::Status status = CheckRoutes(*definition, routes); !status.ok())
      errors.emplace_back(status.message());
  }
  return errors.empty() ? absl::OkStatus() : absl::NotFoundError(absl::StrJoin(errors, "\n"));
}

absl::StatusOr<std::unique_ptr<SagaStore>> OpenStore() {
  const std::string kind = absl::GetFlag(FLAGS_store), database = absl::GetFlag(FLAGS_db);
  if (!kind.empty() && kind != "sqlite" && kind != "postgres") {
    return absl::InvalidArgumentError(absl::StrCat("--store must be sqlite or postgres, not \"", kind, "\""));
  }
  if (!kind.empty() && (kind == "postgres") != IsPostgres(database)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--store=", kind, ", but --db names another kind: postgres:KEY=VALUE ... is PostgreSQL, all else a file"));
  }
  // One for each shard, and one so that the lease's renewal waits for none of them.
  const int writers = absl::GetFlag(FLAGS_shards) + 1;
  ASSIGN_OR_RETURN(std::unique_ptr<SociSagaStore> store, SociSagaStore::Open(database, writers));
  return store;
}

ServerSetup ServerFor(const Definitions& definitions, const DescriptorSource& descriptors, SagaService& service,
                      ServedMethods& methods, const DriverDoor& door) {
  std::set<std::string> served;
  for (const auto& definition : definitions) served.insert(definition->serves().service()->full_name());
  ServerSetup setup;
  setup.services = {{saga::v1::SagaService::service_full_name(), &service}};
  setup.generic = &methods;
  setup.generic_services.assign(served.begin(), served.end());
  setup.pools = {&descriptors.pool()};
  setup.metrics = {std::make_shared<InFlightGauge>([&door] { return door.in_flight(); })};
  return setup;
}

// Returns the pause until the next renewal; sets `lost` if another process took the instance's name.
absl::Duration Renew(SagaStore& store, const Lease& lease, std::atomic<bool>& lost) {
  const absl::Duration length = absl::GetFlag(FLAGS_lease);
  const absl::Status renewed = store.Renew(lease, length);
  if (absl::IsAborted(renewed)) lost = true;
  if (!renewed.ok()) Log(Severity::kWarning, "the lease was not renewed", {{"error", renewed.message()}});
  return renewed.ok() ? length / 3 : length / 15;
}

// The pause differs by chance, so that several instances do not ask at once.
absl::Duration ClaimLapsed(Driver& driver) {
  thread_local std::mt19937 random{std::random_device{}()};
  const absl::StatusOr<int> claimed = driver.Claim(kClaimBatch);
  if (!claimed.ok()) Log(Severity::kWarning, "no sagas could be claimed", {{"error", claimed.status().message()}});
  if (claimed.ok() && *claimed > 0) Log(Severity::kInfo, "took over sagas", {{"sagas", absl::StrCat(*claimed)}});
  if (claimed.ok() && *claimed == kClaimBatch) return kClaimBatchPause;
  return kClaimPause * std::uniform_real_distribution<double>(0.5, 1.5)(random);
}

absl::Duration Purge(SagaStore& store, const Lease& lease) {
  const absl::StatusOr<int> removed = store.Purge(lease, absl::Now() - absl::GetFlag(FLAGS_retention), kPurgeBatch);
  if (!removed.ok()) Log(Severity::kWarning, "old sagas were not purged", {{"error", removed.status().message()}});
  return removed.ok() && *removed == kPurgeBatch ? kPurgeBatchPause : kPurgePause;
}

// Nothing that waits here can be answered: another process drives these sagas, or nobody can on this database.
[[noreturn]] void LeaveAtOnce(const std::string& instance) {
  Log(Severity::kError,
      "the store takes no more writes of this instance: another process runs under its name, or the database is broken",
      {{"instance", instance}});
  std::_Exit(1);
}

absl::Status Run() {
  RETURN_IF_ERROR(CheckFlags());
  ASSIGN_OR_RETURN(const std::shared_ptr<const DescriptorSource> descriptors, LoadDescriptors(DescriptorSets()));
  ASSIGN_OR_RETURN(const std::vector<std::string> files, DefinitionFiles());
  ASSIGN_OR_RETURN(const Definitions definitions, LoadDefinitionFiles(files, descriptors));
  DefinitionCatalog catalog;
  RETURN_IF_ERROR(ServeDefinitions(definitions, catalog));
  ASSIGN_OR_RETURN(const Routes routes, ParseRoutes(absl::GetFlag(FLAGS_participants)));
  RETURN_IF_ERROR(CheckAllRoutes(definitions, routes));

  ASSIGN_OR_RETURN(const std::unique_ptr<SagaStore> store, OpenStore());
  RETURN_IF_ERROR(StoreDefinitions(*store, definitions));
  ASSIGN_OR_RETURN(const Definitions earlier, LoadStoredDefinitions(*store, catalog));

  if (const absl::Status unrouted = CheckAllRoutes(earlier, routes); !unrouted.ok()) {
    Log(Severity::kWarning, "unfinished sagas of an earlier version will wait for a service without a route",
        {{"error", unrouted.message()}});
  }

  const SystemClock clock;
  std::vector<const Plan*> plans;
  for (const Definitions* each : {&definitions, &earlier}) {
    for (const auto& definition : *each) plans.push_back(&definition->plan());
  }
  SagaMetrics metrics(*ProcessRegistry(), plans);
  ClientMetrics client_metrics(*ProcessRegistry());
  GrpcParticipants participants(routes,
                                {.in_flight_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_target_calls_max)),
                                 .channels = absl::GetFlag(FLAGS_target_connections)},
                                client_metrics);

  DriverDoor door;
  ServedMethods methods(
      [&door](NewSaga saga, absl::Time answer_by, std::function<void(const std::string&)> accepted,
              std::function<void(Progress)> answered) {
        door.Accept(std::move(saga), answer_by, std::move(accepted), std::move(answered));
      },
      catalog, clock, {.wait_max = absl::GetFlag(FLAGS_call_wait_max)});
  SagaService service(
      *store,
      [&door](const std::string& saga_id, Event event, std::int64_t seen_version,
              std::function<void(Progress)> answered) {
        door.Ask(saga_id, std::move(event), seen_version, std::move(answered));
      },
      catalog, SagaServiceOptions());
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                   Server::Start(ServerFor(definitions, *descriptors, service, methods, door)));

  const std::string instance = absl::GetFlag(FLAGS_instance);
  ASSIGN_OR_RETURN(const Lease lease,
                   store->Acquire(instance, absl::StrCat(instance, ":", server->port()), absl::GetFlag(FLAGS_lease)));
  Driver driver(*store, participants, catalog, clock, metrics, lease,
                {.shards = static_cast<std::size_t>(absl::GetFlag(FLAGS_shards)),
                 .batch_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_batch_max)),
                 .in_flight_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_in_flight_max))});
  RETURN_IF_ERROR(driver.Start());
  door.Open(driver);
  Log(Severity::kInfo, "ready",
      {{"instance", instance},
       {"store", NameOfDatabase(absl::GetFlag(FLAGS_db))},
       {"definitions", absl::StrCat(plans.size())}});

  std::atomic<bool> lost = false;
  Repeat renewing(absl::GetFlag(FLAGS_lease) / 3, [&] { return Renew(*store, lease, lost); });
  Repeat claiming(kClaimPause, [&] { return ClaimLapsed(driver); });
  Repeat purging(kFirstPurge, [&] { return Purge(*store, lease); });
  const auto is_lost = [&] { return lost || driver.lease_lost(); };
  server->WaitAndDrain(is_lost, [&] {
    if (is_lost()) LeaveAtOnce(instance);
  });
  purging.Stop();
  claiming.Stop();
  renewing.Stop();
  driver.Stop();
  participants.Stop();
  // Only now, when nothing is driven any more.
  if (const absl::Status released = store->Release(lease); !released.ok()) {
    Log(Severity::kWarning, "the lease runs on", {{"error", released.message()}});
  }
  return absl::OkStatus();
}

absl::Status Check(const std::vector<std::string>& paths) {
  ASSIGN_OR_RETURN(const std::vector<std::string> files, ListDefinitionFiles(paths));
  if (files.empty()) return absl::InvalidArgumentError("check: name the definition files to check");
  ASSIGN_OR_RETURN(const std::shared_ptr<const DescriptorSource> descriptors, LoadDescriptors(DescriptorSets()));
  std::vector<std::string> errors;
  DefinitionCatalog catalog;
  for (const std::string& file : files) {
    const absl::StatusOr<Definitions> loaded = LoadDefinitionFiles({file}, descriptors);
    const absl::Status status = loaded.ok() ? ServeDefinitions(*loaded, catalog) : loaded.status();
    if (!status.ok()) {
      // What is wrong within a file names it; what is wrong between files does not.
      errors.emplace_back(loaded.ok() ? absl::StrCat(file, ": ", status.message()) : std::string(status.message()));
      continue;
    }
    for (const auto& definition : *loaded) {
      const Plan& plan = definition->plan();
      std::printf("%s: ok, saga %s version %d, %zu steps\n", file.c_str(), plan.name.c_str(), plan.version,
                  plan.steps.size());
    }
  }
  return errors.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const std::vector<std::string> arguments = unwind::ParseFlags(argc, argv, unwind::kUsage);
  unwind::InitLog("orchestrator");
  absl::Status status;
  if (arguments.empty()) {
    status = unwind::Run();
  } else if (arguments.front() == "check") {
    status = unwind::Check({arguments.begin() + 1, arguments.end()});
  } else if (arguments.front() == "migrate" && arguments.size() == 1) {
    status = unwind::OpenStore().status();
  } else {
    status = absl::InvalidArgumentError(absl::StrCat("unknown command \"", arguments.front(), "\"; see --help"));
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
