// The orchestrator: what its parts are and how they are put together. The only file that names concrete types.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/clock.h"
#include "common/base/flags.h"
#include "common/base/log.h"
#include "common/base/repeat.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/db/open.h"
#include "common/metrics/read_gauge.h"
#include "common/metrics/registry.h"
#include "common/observe/tracer.h"
#include "common/rpc/credentials.h"
#include "common/rpc/memory_sum.h"
#include "common/rpc/server.h"
#include "orchestrator/api/nudge_service.h"
#include "orchestrator/api/saga_service.h"
#include "orchestrator/api/served_methods.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/host/check.h"
#include "orchestrator/host/definition_files.h"
#include "orchestrator/host/definition_learner.h"
#include "orchestrator/host/follower_table.h"
#include "orchestrator/host/instance_name.h"
#include "orchestrator/host/lease_renewal.h"
#include "orchestrator/host/maintenance.h"
#include "orchestrator/host/memory_of.h"
#include "orchestrator/host/nudge_forwarder.h"
#include "orchestrator/host/options.h"
#include "orchestrator/host/overdue_sagas.h"
#include "orchestrator/host/saga_census.h"
#include "orchestrator/host/saga_metrics.h"
#include "orchestrator/host/saga_spans.h"
#include "orchestrator/participants/grpc_participants.h"
#include "orchestrator/participants/participant_metrics.h"
#include "orchestrator/participants/routes.h"
#include "orchestrator/participants/traced_participants.h"
#include "orchestrator/store/soci_saga_store.h"

namespace unwind {
namespace {

constexpr char kUsage[] =
    "serves sagas from definition files.\n\n"
    "  orchestrator --definitions=sagas --participants=shop.stock.v1.StockService=127.0.0.1:7002,... "
    "--listen=127.0.0.1:7000\n"
    "  orchestrator check [--descriptors=SET,...] FILE...    only checks definition files\n"
    "  orchestrator migrate [--db=...]                       only brings the schema of the database up to date";

using Definitions = std::vector<std::shared_ptr<const Definition>>;

absl::Status CheckAllRoutes(const Definitions& definitions, const Routes& routes) {
  std::vector<std::string> errors;
  for (const auto& definition : definitions) {
    if (const absl::Status status = CheckRoutes(*definition, routes); !status.ok())
      errors.emplace_back(status.message());
  }
  return errors.empty() ? absl::OkStatus() : absl::NotFoundError(absl::StrJoin(errors, "\n"));
}

absl::StatusOr<std::unique_ptr<SociSagaStore>> OpenStore(const Options& options) {
  // One writer for each shard, one for claims and one for purges: no turn waits for either.
  const int writers = static_cast<int>(options.driver.shards) + 2;
  return SociSagaStore::Open(options.database, writers, options.lease);
}

// The services of the definitions.
ServedNames NamesOf(const Definitions& definitions, const DescriptorSets& descriptors) {
  std::set<std::string> services;
  for (const auto& definition : definitions) {
    if (definition->serves() != nullptr) services.insert(definition->serves()->service()->full_name());
  }
  ServedNames names;
  names.services.assign(services.begin(), services.end());
  // What is served comes first: another set may have other types of the same names.
  for (const auto& definition : definitions) {
    if (definition->serves() != nullptr) names.pools.push_back(definition->serves()->file()->pool());
  }
  for (const auto& set : descriptors.all()) names.pools.push_back(&set->pool());
  return names;
}

using Collectables = std::vector<std::shared_ptr<prometheus::Collectable>>;

Collectables Gauges(const Driver& driver, const LeaseRenewal& renewal, const Lease& lease, absl::Duration length) {
  return {std::make_shared<ReadGauge>(
              "saga_in_flight", "Sagas that count against --in_flight_max; saga_live counts all that have not ended.",
              [&driver] { return static_cast<double>(driver.in_flight()); }),
          std::make_shared<GaugeBySaga>(
              "saga_stuck",
              "Sagas with a step whose call has failed for long and is still repeated; parked ones are in saga_live.",
              [&driver] { return driver.stuck(); }),
          std::make_shared<GaugeBySaga>("saga_waiting",
                                        "Sagas with a step that was answered \"not finished\" and is asked again.",
                                        [&driver] { return driver.waiting(); }),
          std::make_shared<GaugeBySaga>(
              "saga_oldest_wait_seconds",
              "Time since the first call of the oldest wait that only its answer ends; 0: there is none.",
              [&driver] { return driver.oldest_wait_seconds(); }),
          std::make_shared<GaugeBySaga>("saga_quarantined",
                                        "Sagas that stand still because the store refuses what was decided for them.",
                                        [&driver] { return driver.quarantined(); }),
          std::make_shared<ReadGauge>("saga_unreadable", "Sagas whose rows this version cannot read and leaves alone.",
                                      [&driver] { return static_cast<double>(driver.unreadable()); }),
          std::make_shared<GaugeBySaga>("saga_definition_paused",
                                        "1: no saga of the definition is started here, as an operator wants it.",
                                        [&driver] { return driver.paused(); }),
          std::make_shared<ReadGauge>("saga_lease_age_seconds", "Time since this instance's lease was renewed last.",
                                      [&renewal] { return absl::ToDoubleSeconds(renewal.age()); }),
          std::make_shared<ReadGauge>("saga_lease_seconds", "How long the lease lasts after it was renewed.",
                                      [length] { return absl::ToDoubleSeconds(length); }),
          std::make_shared<ReadGauge>("saga_lease_epoch", "The lease's number, which each new lease makes higher.",
                                      [epoch = lease.epoch] { return static_cast<double>(epoch); })};
}

ServerSetup ServerFor(const ServedNames& names, SagaService& service, NudgeService& nudges, ServedMethods& methods,
                      Collectables metrics) {
  ServerSetup setup;
  setup.services = {{saga::participant::v1::NudgeService::service_full_name(), &nudges}};
  // For operators too, who may not reach the first port.
  setup.admin_services = {{saga::v1::SagaService::service_full_name(), &service}, setup.services.front()};
  setup.generic = &methods;
  setup.generic_services = names.services;
  setup.pools = names.pools;
  setup.metrics = std::move(metrics);
  return setup;
}

// How long a pause that another instance was told of may go unnoticed here.
constexpr absl::Duration kPausesPause = absl::Seconds(1);

absl::Duration ReadPausesAgain(Driver& driver) {
  if (const absl::Status read = driver.ReadPauses(); !read.ok()) {
    Log(Severity::kWarning, "paused definitions could not be read", {{"error", read.message()}});
  }
  return kPausesPause;
}

void CountResting(Driver& driver) {
  if (const absl::Status counted = driver.CountResting(); !counted.ok()) {
    Log(Severity::kWarning, "sagas at rest were not counted", {{"error", counted.message()}});
  }
}

// Fenced: no pending caller can be answered correctly, so exit without draining.
[[noreturn]] void LeaveAtOnce(const std::string& instance) {
  Log(Severity::kError,
      "the store takes no more writes of this instance: another process has taken its name; each needs a name of its "
      "own (--instance)",
      {{"instance", instance}});
  std::_Exit(1);
}

absl::Status Run(const Options& options) {
  ASSIGN_OR_RETURN(const DescriptorSets descriptors,
                   LoadDescriptors(options.descriptors, options.built_in_descriptors));
  ASSIGN_OR_RETURN(const std::vector<std::string> files, DefinitionFilesToServe(options));
  ASSIGN_OR_RETURN(const Definitions definitions, LoadDefinitionFiles(files, descriptors));
  for (const auto& definition : definitions) {
    for (const std::string& warning : definition->warnings()) {
      Log(Severity::kWarning, "a definition is likely not what was meant", {{"warning", warning}});
    }
  }
  DefinitionCatalog catalog;
  RETURN_IF_ERROR(ServeDefinitions(definitions, catalog));
  ASSIGN_OR_RETURN(const Routes routes, ParseRoutes(options.participants));
  RETURN_IF_ERROR(CheckAllRoutes(definitions, routes));
  ASSIGN_OR_RETURN(const std::unique_ptr<Transport> transport, Transport::Start());
  ASSIGN_OR_RETURN(const std::unique_ptr<TracingScope> tracing, TraceAsFlagsSay("orchestrator"));
  std::set<std::string> addresses;
  for (const auto& [service, address] : routes) {
    RETURN_IF_ERROR(Transport::CheckTargetOf("participants", address));
    addresses.insert(address);
  }
  ExportMemorySum(MemoryOf(options, addresses.size()));

  // Before the store is opened: with a port that is taken or a policy that is wrong nothing is stored, and the instance
  // that runs under this name goes on.
  const ServedNames names = NamesOf(definitions, descriptors);
  ServedNames with_own = names;
  with_own.services.emplace_back(saga::v1::SagaService::service_full_name());
  with_own.services.emplace_back(saga::participant::v1::NudgeService::service_full_name());
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Listen(with_own, options.admin_listen));

  ASSIGN_OR_RETURN(const std::unique_ptr<SociSagaStore> store, OpenStore(options));
  RETURN_IF_ERROR(CheckFollowers(*store, definitions));
  RETURN_IF_ERROR(StoreDefinitions(*store, definitions));
  RETURN_IF_ERROR(UpdateFollowers(*store, definitions));
  DefinitionLearner learner(*store, catalog, routes);
  learner.Learn();

  const SystemClock clock;
  SagaSpans metrics(*ProcessRegistry(), clock, options.trace_ratio);
  for (const auto& definition : definitions) metrics.Declare(definition->plan());
  ParticipantMetrics participant_metrics(*ProcessRegistry());
  GrpcParticipants participants(routes, options.calls, participant_metrics);
  TracedParticipants traced(participants, options.trace_ratio);

  ASSIGN_OR_RETURN(const std::optional<LeaseHolder> holder, store->Holder(options.instance));
  RETURN_IF_ERROR(CheckHolder(holder, options.instance));
  const std::string address = CallAddress(options.advertise, options.listen, server->port());
  ASSIGN_OR_RETURN(const Lease lease, store->Acquire(options.instance, AddressOfThisProcess(address), options.lease));
  NudgeForwarder forwarder(options.instance, std::bind_front(&SociSagaStore::Holder, store.get()),
                           participant_metrics.calls());
  Driver driver(*store, traced, catalog, clock, metrics, lease, options.driver);
  LeaseRenewal renewal(*store, lease, options.lease, std::bind_front(&Driver::commits_fail, &driver),
                       std::bind_front(&Server::SetServing, server.get()));
  ServedMethods methods(std::bind_front(&Driver::Accept, &driver), catalog, clock, options.served);
  SagaServiceOptions service_options;
  service_options.watches.watchers_max = options.watchers_max;
  SagaService service(*store, std::bind_front(&Driver::Ask, &driver), std::bind_front(&Driver::HoldPauses, &driver),
                      catalog, clock, service_options);
  NudgeService nudges(std::bind_front(&Driver::Nudge, &driver), std::bind_front(&NudgeForwarder::Forward, &forwarder));
  const auto census = std::make_shared<SagaCensus>(clock, catalog);
  Collectables gauges = Gauges(driver, renewal, lease, options.lease);
  gauges.push_back(census);
  const auto overdue = std::make_shared<OverdueSagas>(clock, catalog);
  gauges.push_back(overdue);
  absl::Status status = driver.ReadPauses();
  driver.Start();
  const Repeat pausing(kPausesPause, [&driver] { return ReadPausesAgain(driver); });
  if (status.ok()) status = server->Serve(ServerFor(names, service, nudges, methods, std::move(gauges)));
  if (status.ok()) status = driver.Recover();
  if (status.ok()) {
    Log(Severity::kInfo, "ready",
        {{"instance", options.instance},
         {"store", NameOfDatabase(options.database)},
         {"definitions", absl::StrCat(catalog.Versions().size())}});
    renewal.Tell();
    Maintenance maintenance(*store, driver, learner, definitions, lease, options.retention);
    const Repeat counting(absl::ZeroDuration(), [&] {
      driver.LookAgain();
      CountResting(driver);
      return census->TakeAgain(*store, options.instance);
    });
    const Repeat looking(absl::ZeroDuration(), [&] { return overdue->LookAgain(*store, options.instance); });
    const auto is_lost = [&] { return renewal.lost() || driver.lease_lost(); };
    server->WaitAndDrain(
        is_lost,
        [&] {
          if (is_lost()) LeaveAtOnce(options.instance);
          service.EndWatches();
        },
        std::bind_front(&Driver::AnswerWaiting, &driver));
  }
  service.EndWatches();
  server->Drain();
  driver.Stop();
  forwarder.Stop();
  participants.Stop();
  renewal.Stop();
  // Only now, when nothing is driven any more.
  if (const absl::Status released = store->Release(lease); !released.ok()) {
    Log(Severity::kWarning, "the lease runs on", {{"error", released.message()}});
  }
  return status;
}

absl::Status Check(const Options& options, const std::vector<std::string>& paths) {
  ASSIGN_OR_RETURN(const DescriptorSets descriptors,
                   LoadDescriptors(options.descriptors, options.built_in_descriptors));
  return CheckDefinitions(paths, descriptors, std::cout);
}

absl::Status RunCommand(const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(const Options options, OptionsFromFlags());
  if (arguments.empty()) return Run(options);
  if (arguments.front() == "check") return Check(options, {arguments.begin() + 1, arguments.end()});
  if (arguments.front() == "migrate" && arguments.size() == 1) return OpenStore(options).status();
  return absl::InvalidArgumentError(absl::StrCat("unknown command \"", arguments.front(), "\"; see --help"));
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  unwind::HoldStopSignals();
  const std::vector<std::string> arguments = unwind::ParseFlags(argc, argv, unwind::kUsage);
  unwind::InitLog("orchestrator");
  const absl::Status status = unwind::RunCommand(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
