#include "common/rpc/server.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
#include "common/base/clock.h"
#include "common/base/host_port.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/stop_signals.h"
#include "common/rpc/credentials.h"
#include "common/rpc/limits.h"
#include "google/protobuf/stubs/logging.h"

CHECKED_FLAG(std::string, listen, "127.0.0.1:0", unwind::CheckListenAddress,
             "Address to serve gRPC on, host:port; port 0: any free one.");
CHECKED_FLAG(std::string, health_listen, "", unwind::CheckListenAddressOrNone,
             "Address to serve health on, host:port, in plaintext and nothing else: for probes that have no "
             "certificate. Empty: --listen alone has it.");
ABSL_FLAG(std::string, policy, "",
          "File that says which certificate's name may call which method (docs/SECURITY.md); all else is refused. "
          "Empty: everybody who reaches a port may call all of its methods.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the ports to, once they are served, a line each: that of --listen, then \"admin PORT\", "
          "\"health PORT\" and \"metrics PORT\" if there are such.");
RANGED_FLAG(absl::Duration, drain, absl::Seconds(10), absl::ZeroDuration(), absl::Hours(1),
            "How long calls under way may go on once the process stops.");
RANGED_FLAG(absl::Duration, lame_duck, absl::Seconds(5), absl::ZeroDuration(), absl::Minutes(10),
            "How long calls are still taken after SIGTERM, while health says NOT_SERVING, so that callers are sent "
            "elsewhere before they are turned away. A second signal ends it.");

ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(bool, insecure);

namespace unwind {
namespace {

constexpr absl::Duration kStopPoll = absl::Milliseconds(200);
constexpr absl::Duration kLastWords = absl::Milliseconds(500);  // before the end of the drain
constexpr absl::Duration kOnce = absl::Hours(24);               // far beyond it

// Protobuf complains of a peer's bytes, which are answered as they should be; it would do so on stderr, in plain text.
void LogForProtobuf(google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
  const Severity severity = level == google::protobuf::LOGLEVEL_FATAL ? Severity::kError : Severity::kDebug;
  Log(severity, "protobuf complains", {{"text", message}, {"source", absl::StrCat(file, ":", line)}});
}

void SetUpLibraries() {
  google::protobuf::SetLogHandler(LogForProtobuf);
  // Debian builds Abseil with its search for deadlocks on, which gRPC's every lock then pays for, under one global
  // lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

// Nothing is lost: what was not stored was not acted on, and the next owner goes on from the rows.
[[noreturn]] absl::Duration LeaveUnfinished() {
  Log(Severity::kWarning, "something, most likely the store, does not answer: the process ends without it", {});
  std::_Exit(0);
}

absl::StatusOr<std::unique_ptr<Gate>> ReadGate(ServedNames served) {
  const std::string file = absl::GetFlag(FLAGS_policy);
  if (absl::GetFlag(FLAGS_tls_cert).empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("--policy=", file,
                     ": names callers by their certificates, and in plaintext nobody shows one: give --tls_cert, "
                     "--tls_key and --tls_ca too, or leave it out"));
  }
  const std::vector<std::string> library = Port::LibraryServices();
  served.services.insert(served.services.end(), library.begin(), library.end());
  ASSIGN_OR_RETURN(Policy policy, ReadPolicyFile(file, served));
  return std::make_unique<Gate>(std::move(policy));
}

// Whether everybody with a certificate may call everything through what these flags say.
absl::Status CheckOpen(const std::vector<std::string>& reachable) {
  if (reachable.empty() || absl::GetFlag(FLAGS_insecure)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(reachable, " and "),
                   " would let other machines call everything, if they have any certificate of the CA: say who may "
                   "call what in a file and give it by --policy, or give an address of loopback"));
}

// Whether a stop signal came before `or_when` said true.
bool AwaitStop(const std::function<bool()>& or_when, absl::Time until) {
  while (SteadyNow() < until) {
    if (AwaitStopSignal(std::min(kStopPoll, until - SteadyNow()))) return true;
    if (or_when && or_when()) return false;
  }
  return false;
}

}  // namespace

ServedNames NamesOf(const ServerSetup& setup) {
  ServedNames served{.services = setup.generic_services, .pools = setup.pools};
  for (const NamedService& named : setup.services) served.services.push_back(named.name);
  for (const NamedService& named : setup.admin_services) served.services.push_back(named.name);
  return served;
}

absl::StatusOr<std::unique_ptr<Server>> Server::Listen(ServedNames served, const std::string& admin_listen) {
  SetUpLibraries();
  auto server = std::unique_ptr<Server>(new Server);
  if (!absl::GetFlag(FLAGS_policy).empty()) {
    ASSIGN_OR_RETURN(server->gate_, ReadGate(std::move(served)));
  }
  ASSIGN_OR_RETURN(server->main_, Port::Listen(absl::GetFlag(FLAGS_listen), "listen"));
  if (!admin_listen.empty()) {
    ASSIGN_OR_RETURN(server->admin_, Port::Listen(admin_listen, "admin_listen"));
  }
  if (const std::string health = absl::GetFlag(FLAGS_health_listen); !health.empty()) {
    ASSIGN_OR_RETURN(server->health_, Port::Listen(health, "health_listen"));
  }
  const std::vector<std::string> reachable = server->Reachable(admin_listen);
  RETURN_IF_ERROR(Transport::CheckReach(reachable));
  if (server->gate_ == nullptr) RETURN_IF_ERROR(CheckOpen(reachable));
  ASSIGN_OR_RETURN(server->metrics_, MetricsServer::Start());
  return server;
}

absl::Status Server::Serve(const ServerSetup& setup) {
  const std::size_t connections_max = ReserveFiles(Ports().size());
  RETURN_IF_ERROR(main_->Serve(setup, connections_max, gate_.get()));
  if (admin_ != nullptr) {
    PortServices admin;
    admin.services = setup.admin_services;
    admin.pools = setup.pools;
    RETURN_IF_ERROR(admin_->Serve(admin, connections_max, gate_.get()));
  }
  if (health_ != nullptr) RETURN_IF_ERROR(health_->ServeHealth(NamesOf(setup).services));
  if (metrics_ != nullptr) {
    for (const auto& collectable : setup.metrics) metrics_->Add(collectable);
  }
  RETURN_IF_ERROR(WritePortFile());
  std::vector<std::string> names = setup.generic_services;
  for (const NamedService& named : setup.services) names.push_back(named.name);
  Log(Severity::kInfo, "serving",
      {{"port", absl::StrCat(port())},
       {"admin_port", admin_ == nullptr ? "" : absl::StrCat(admin_port())},
       {"health_port", health_ == nullptr ? "" : absl::StrCat(health_->number())},
       {"services", absl::StrJoin(names, " ")}});
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerSetup& setup) {
  ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Listen(NamesOf(setup)));
  RETURN_IF_ERROR(server->Serve(setup));
  server->SetServing(true);
  return server;
}

Server::~Server() { Drain(); }

void Server::SetServing(bool serving) {
  for (Port* const port : Ports()) port->SetServing(serving);
}

void Server::WaitAndDrain(const std::function<bool()>& or_when, const std::function<void()>& before_drain,
                          const std::function<void()>& before_end) {
  if (AwaitStop(or_when, absl::InfiniteFuture())) {
    Log(Severity::kInfo, "stopping", {{"lame_duck", absl::FormatDuration(absl::GetFlag(FLAGS_lame_duck))}});
    for (Port* const port : Ports()) port->Announce();
    AwaitStop(or_when, SteadyNow() + absl::GetFlag(FLAGS_lame_duck));
  }
  Log(Severity::kInfo, "draining");
  if (before_drain) before_drain();
  const absl::Duration drain = absl::GetFlag(FLAGS_drain);
  stop_limit_.emplace(drain + kStopMax, LeaveUnfinished);
  {
    const Repeat last_words(drain - std::min(kLastWords, drain / 2), [&before_end] {
      if (before_end) before_end();
      return kOnce;
    });
    Drain();
  }
  stop_limit_.emplace(kStopMax, LeaveUnfinished);
}

void Server::Drain() {
  const absl::Time deadline = SteadyNow() + absl::GetFlag(FLAGS_drain);
  for (Port* const port : Ports()) port->Drain(deadline - SteadyNow());
  metrics_.reset();  // what is scraped may be gone soon
}

std::vector<Port*> Server::Ports() const {
  std::vector<Port*> ports;
  if (main_ != nullptr) ports.push_back(main_.get());
  if (admin_ != nullptr) ports.push_back(admin_.get());
  if (health_ != nullptr) ports.push_back(health_.get());
  return ports;
}

// The gRPC ports that are not on loopback, by their flags.
std::vector<std::string> Server::Reachable(const std::string& admin_listen) const {
  std::vector<std::string> flags;
  if (!main_->is_loopback()) flags.push_back(absl::StrCat("--listen=", absl::GetFlag(FLAGS_listen)));
  if (admin_ != nullptr && !admin_->is_loopback()) flags.push_back(absl::StrCat("--admin_listen=", admin_listen));
  return flags;
}

// Whole or not at all: a reader never sees half a number.
absl::Status Server::WritePortFile() const {
  const std::string path = absl::GetFlag(FLAGS_port_file);
  if (path.empty()) return absl::OkStatus();
  const std::string draft = absl::StrCat(path, ".new");
  {
    std::ofstream file(draft);
    file << port() << "\n";
    if (admin_ != nullptr) file << "admin " << admin_port() << "\n";
    if (health_ != nullptr) file << "health " << health_->number() << "\n";
    if (metrics_ != nullptr) file << "metrics " << metrics_->port() << "\n";
    if (!file.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", draft, "; see --port_file"));
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot write ", path, "; see --port_file"));
  }
  return absl::OkStatus();
}

}  // namespace unwind
