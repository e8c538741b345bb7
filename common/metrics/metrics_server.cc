#include "common/metrics/metrics_server.h"

#include <exception>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/checked_flag.h"
#include "common/base/host_port.h"
#include "common/metrics/registry.h"

CHECKED_FLAG(std::string, metrics_listen, "", unwind::CheckListenAddressOrNone,
             "Address to serve Prometheus metrics on, host:port; empty: not at all.");

namespace unwind {
namespace {

// Of civetweb: one silent client holds one thread until the time is up.
constexpr char kThreads[] = "8";
constexpr char kRequestTimeoutMs[] = "2000";

}  // namespace

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer) : exposer_(std::move(exposer)) {
  exposer_->RegisterCollectable(ProcessRegistry());
  Add(std::make_shared<ProcessCollector>());
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start() {
  const std::string address = absl::GetFlag(FLAGS_metrics_listen);
  if (address.empty()) return std::unique_ptr<MetricsServer>();
  const std::vector<std::string> options = {"listening_ports",    address,           "num_threads",           kThreads,
                                            "request_timeout_ms", kRequestTimeoutMs, "keep_alive_timeout_ms", "0"};
  try {  // civetweb's wrapper throws
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::make_unique<prometheus::Exposer>(options)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", error.what(),
                                               "); give another address with --metrics_listen"));
  }
}

int MetricsServer::port() const { return exposer_->GetListeningPorts().front(); }

void MetricsServer::Add(const std::shared_ptr<prometheus::Collectable>& collectable) {
  collectables_.push_back(collectable);
  exposer_->RegisterCollectable(collectable);
}

}  // namespace unwind
