#include "orchestrator/host/options.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/host_port.h"
#include "common/base/status_macros.h"
#include "common/base/target.h"
#include "common/db/dsn.h"
#include "common/rpc/own_descriptors.h"
#include "orchestrator/host/definition_files.h"
#include "orchestrator/host/instance_name.h"

ABSL_DECLARE_FLAG(std::string, listen);

namespace {

constexpr std::size_t kInstanceBytesMax = 200;

absl::Status CheckInstance(const std::string& name) {
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
  if (name.size() <= kInstanceBytesMax && printable) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("must have at most ", kInstanceBytesMax, " characters, printable ASCII without spaces"));
}

absl::Status CheckStoreKind(const std::string& kind) {
  if (kind.empty() || kind == "sqlite" || kind == "postgres") return absl::OkStatus();
  return absl::InvalidArgumentError("must be sqlite or postgres");
}

}  // namespace

ABSL_FLAG(std::vector<std::string>, definitions, {}, "Definition files, or folders of *.yaml, separated by commas.");
ABSL_FLAG(std::vector<std::string>, descriptors, {},
          "Descriptor sets (protoc --include_imports --descriptor_set_out) of your services, separated by commas. Each "
          "definition is resolved in the set that holds what it calls; unwind.protoset, beside the folder of this "
          "program, has the demo's shop and is used only where none of yours does.");
CHECKED_FLAG(
    std::string, admin_listen, "127.0.0.1:0", unwind::CheckListenAddressOrNone,
    "Address to serve saga.v1.SagaService on, host:port; port 0: any free one; empty: not at all. Who reaches it "
    "may read, cancel and resolve every saga: keep it from those who reach --listen.");
ABSL_FLAG(std::string, participants, "", "Where each service is: package.Service=HOST:PORT,...");
ABSL_FLAG(bool, enable_reset, false, "Serve reset.yaml too, which empties the shop. For tests only.");
CHECKED_FLAG(std::string, store, "", CheckStoreKind,
             "Where sagas are kept: sqlite or postgres; empty: what --db names. A --db of the other kind is refused.");
ABSL_FLAG(std::string, db, "orchestrator.db",
          "SQLite file of the sagas, made if it is not there; or postgres: and KEY=VALUE pairs, such as "
          "\"postgres:host=db1 dbname=sagas user=sagas password_file=PATH\".");
CHECKED_FLAG(std::string, instance, "", CheckInstance,
             "This orchestrator's name, the same after every restart, on whatever host: under it it finds its sagas "
             "again; empty: "
             "the host's name. Each of several orchestrators on one database needs a name of its own.");
CHECKED_FLAG(
    std::string, advertise, "", unwind::CheckTargetOrNone,
    "Address at which the other instances on the database reach this one's --listen, host:port, to pass on what "
    "concerns its sagas; with TLS its certificate must be for that host. Empty: the host of --listen, or this "
    "host's name where that is every address.");
RANGED_FLAG(absl::Duration, lease, absl::Seconds(15), absl::Seconds(1), absl::Hours(1),
            "How long the instance's lease lasts; a third of it passes between renewals. When it is over, others on "
            "the same database take the instance's sagas.");
RANGED_FLAG(
    absl::Duration, retention, absl::Hours(24 * 30), absl::Hours(1), absl::Hours(24 * 365 * 100),
    "How long finished sagas, their history and keys are kept. A key that comes again later starts a new saga, so "
    "that less than the 30 days that the shop's CheckoutService promises breaks its promise.");
RANGED_FLAG(int, shards, 1, 1, 64, "Threads that decide and commit.");
RANGED_FLAG(int, batch_max, 256, 1, 10000, "Events that one turn decides and commits together.");
RANGED_FLAG(int, in_flight_max, 20000, 1, 1000000,
            "Accepted and unfinished sagas; more are refused with RESOURCE_EXHAUSTED.");
RANGED_FLAG(double, definition_share_max, 0.8, 0.01, 1.0,
            "How much of --in_flight_max the sagas of one definition may have, where several are served.");
RANGED_FLAG(int, stuck_max, 100000, 1, 10000000,
            "Sagas that are stuck and take no room of --in_flight_max; more count as in flight.");
RANGED_FLAG(int, saga_memory_max_mib, 256, 1, 1 << 20,
            "Memory of the requests and replies of sagas, in MiB. Beyond it a saga that waits is dropped from memory "
            "and loaded again when something happens to it.");
RANGED_FLAG(int, queue_memory_max_mib, 64, 1, 1 << 20,
            "Memory of the requests that wait for their turn, in MiB; as much of the replies that do, and as much of "
            "the calls that wait for a participant. Beyond it callers are refused with RESOURCE_EXHAUSTED, and replies "
            "and calls come again later.");
RANGED_FLAG(
    int, followers_max, 100, 1, 1000000,
    "Unfinished sagas of one definition that follows others (`follows`), as far as their turn has come; more wait "
    "for theirs. A parked or stuck one does not count.");
RANGED_FLAG(int, waiting_max, 1000000, 1, 100000000,
            "Sagas that wait for what a participant has not finished (`pending`); beyond it new ones that may come to "
            "wait are refused with RESOURCE_EXHAUSTED.");
RANGED_FLAG(int, poll_rate_max, 100, 1, 100000,
            "Sagas at rest that are asked about again in a second; more wait longer. Nudges and ends of waits are not "
            "held back.");
RANGED_FLAG(int, waiters_max, 20000, 1, 1000000,
            "Callers that wait for an answer; more are refused with RESOURCE_EXHAUSTED.");
RANGED_FLAG(int, watchers_max, 200, 0, 100000,
            "Streams of WatchSaga and WatchSagas; more are refused with RESOURCE_EXHAUSTED.");
RANGED_FLAG(int, target_calls_max, 256, 1, 100000, "Calls out to one participant at a time; more wait.");
RANGED_FLAG(int, target_connections, 1, 1, 16, "HTTP/2 connections to one participant.");
RANGED_FLAG(int, reply_max_bytes, 64 << 10, 1 << 10, 4 << 20,
            "A participant's reply; a larger one is no answer: the call is repeated, a pivot resolved.");
RANGED_FLAG(double, trace_ratio, 0.1, 0.0, 1.0,
            "With --otlp_endpoint: how much of the sagas is traced whose callers have no trace of their own; callers "
            "that have one decide by its sampled flag.");
RANGED_FLAG(absl::Duration, call_wait_max, absl::Seconds(30), absl::Milliseconds(1), absl::Minutes(10),
            "How long a call without a deadline waits for its saga.");

namespace unwind {
namespace {

constexpr char kResetFile[] = "reset.yaml";

absl::StatusOr<std::string> InstanceName() {
  const std::string given = absl::GetFlag(FLAGS_instance);
  const std::string name = given.empty() ? HostName() : given;
  const absl::Status status = name.empty() ? absl::NotFoundError("there is none") : CheckInstance(name);
  if (status.ok()) return name;
  return absl::InvalidArgumentError(
      absl::StrCat("this host's name cannot be the instance's (", status.message(), "); give one with --instance"));
}

absl::Status CheckStoreAndDatabase(const std::string& kind, const std::string& database) {
  if (kind.empty() || (kind == "postgres") == IsPostgres(database)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--store=", kind, ", but --db names another kind: postgres:KEY=VALUE ... is PostgreSQL, all else a file"));
}

}  // namespace

absl::StatusOr<Options> OptionsFromFlags() {
  RETURN_IF_ERROR(CheckStoreAndDatabase(absl::GetFlag(FLAGS_store), absl::GetFlag(FLAGS_db)));
  Options options;
  options.descriptors = absl::GetFlag(FLAGS_descriptors);
  options.built_in_descriptors = OwnDescriptorSet();
  options.definitions = absl::GetFlag(FLAGS_definitions);
  options.enable_reset = absl::GetFlag(FLAGS_enable_reset);
  options.participants = absl::GetFlag(FLAGS_participants);
  options.database = absl::GetFlag(FLAGS_db);
  ASSIGN_OR_RETURN(options.instance, InstanceName());
  options.listen = absl::GetFlag(FLAGS_listen);
  options.advertise = absl::GetFlag(FLAGS_advertise);
  options.admin_listen = absl::GetFlag(FLAGS_admin_listen);
  options.driver = {.shards = static_cast<std::size_t>(absl::GetFlag(FLAGS_shards)),
                    .batch_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_batch_max)),
                    .in_flight_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_in_flight_max)),
                    .definition_share_max = absl::GetFlag(FLAGS_definition_share_max),
                    .stuck_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_stuck_max)),
                    .followers_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_followers_max)),
                    .waiting_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_waiting_max)),
                    .poll_rate_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_poll_rate_max)),
                    .waiters_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_waiters_max)),
                    .saga_memory_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_saga_memory_max_mib)) << 20,
                    .queue_memory_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_queue_memory_max_mib)) << 20};
  options.calls = {.in_flight_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_target_calls_max)),
                   .channels = absl::GetFlag(FLAGS_target_connections),
                   .reply_bytes_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_reply_max_bytes)),
                   .queue_bytes_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_queue_memory_max_mib)) << 20};
  options.trace_ratio = absl::GetFlag(FLAGS_trace_ratio);
  options.watchers_max = static_cast<std::size_t>(absl::GetFlag(FLAGS_watchers_max));
  options.served = {.wait_max = absl::GetFlag(FLAGS_call_wait_max)};
  options.lease = absl::GetFlag(FLAGS_lease);
  options.retention = absl::GetFlag(FLAGS_retention);
  return options;
}

absl::StatusOr<std::vector<std::string>> DefinitionFilesToServe(const Options& options) {
  ASSIGN_OR_RETURN(std::vector<std::string> files, ListDefinitionFiles(options.definitions));
  if (files.empty())
    return absl::InvalidArgumentError(
        options.definitions.empty()
            ? "there is nothing to serve; give --definitions=FILE_OR_FOLDER,..."
            : "there is no *.yaml file in what --definitions names; put a definition file there");
  const std::string reset = (std::filesystem::path(files.front()).parent_path() / kResetFile).string();
  const auto is_reset = [](const std::string& file) { return std::filesystem::path(file).filename() == kResetFile; };
  if (!options.enable_reset) {
    std::erase_if(files, is_reset);
  } else if (std::none_of(files.begin(), files.end(), is_reset)) {
    files.push_back(reset);
  }
  return files;
}

}  // namespace unwind
