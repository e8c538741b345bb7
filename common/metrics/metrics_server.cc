#include "common/metrics/metrics_server.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/checked_flag.h"
#include "common/base/clock.h"
#include "common/base/host_port.h"
#include "common/metrics/registry.h"
#include "prometheus/text_serializer.h"

CHECKED_FLAG(std::string, metrics_listen, "", unwind::CheckListenAddressOrNone,
             "Address to serve Prometheus metrics on, host:port; port 0: any free one; empty: not at all.");

namespace unwind {
namespace {

// How long to wait for the sockets: until the first exchange must end.
int WaitMs(const std::vector<HttpExchange>& exchanges, absl::Time now) {
  if (exchanges.empty()) return -1;
  absl::Time first = absl::InfiniteFuture();
  for (const HttpExchange& each : exchanges) first = std::min(first, each.ends());
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(first - now, absl::ZeroDuration()))) + 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(absl::Duration exchange_max) {
  const std::string address = absl::GetFlag(FLAGS_metrics_listen);
  if (address.empty()) return std::unique_ptr<MetricsServer>();
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(address);
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", listener.status().message(),
                                               "); give another address with --metrics_listen"));
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(*std::move(listener), exchange_max));
}

MetricsServer::MetricsServer(std::unique_ptr<Listener> listener, absl::Duration exchange_max)
    : listener_(std::move(listener)),
      exchange_max_(exchange_max),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      collectables_{ProcessRegistry(), std::make_shared<ProcessCollector>()},
      thread_([this] { Run(); }) {
  listener_->Start(kConnectionsMax, kConnectionsMax, [this](int connection) {
    {
      std::lock_guard lock(mutex_);
      accepted_.emplace_back(connection);
    }
    Wake();
  });
}

MetricsServer::~MetricsServer() {
  listener_->Stop();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
}

void MetricsServer::Add(std::shared_ptr<prometheus::Collectable> collectable) {
  std::lock_guard lock(mutex_);
  collectables_.push_back(std::move(collectable));
}

void MetricsServer::Wake() const { eventfd_write(wake_.get(), 1); }

void MetricsServer::Run() {
  const std::function<std::string()> page = [this] { return Page(); };
  std::vector<HttpExchange> exchanges;
  while (TakeAccepted(exchanges)) {
    std::vector<pollfd> waits = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    for (const HttpExchange& each : exchanges) {
      waits.push_back({.fd = each.socket(), .events = each.events(), .revents = 0});
    }
    poll(waits.data(), waits.size(), WaitMs(exchanges, SteadyNow()));
    eventfd_t ignored = 0;
    if (waits.front().revents != 0) eventfd_read(wake_.get(), &ignored);
    const absl::Time now = SteadyNow();
    std::vector<HttpExchange> go_on;
    for (std::size_t i = 0; i < exchanges.size(); ++i) {
      const bool ready = waits[i + 1].revents != 0;
      if (exchanges[i].ends() > now && (!ready || exchanges[i].Advance(page))) go_on.push_back(std::move(exchanges[i]));
    }
    exchanges = std::move(go_on);
  }
}

// False: stop.
bool MetricsServer::TakeAccepted(std::vector<HttpExchange>& exchanges) {
  std::lock_guard lock(mutex_);
  for (FileDescriptor& connection : accepted_)
    exchanges.emplace_back(std::move(connection), SteadyNow() + exchange_max_);
  accepted_.clear();
  return !stopping_;
}

std::string MetricsServer::Page() const {
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables;
  {
    std::lock_guard lock(mutex_);
    collectables = collectables_;
  }
  std::vector<prometheus::MetricFamily> families;
  for (const auto& each : collectables) {
    std::vector<prometheus::MetricFamily> collected = each->Collect();
    families.insert(families.end(), std::make_move_iterator(collected.begin()),
                    std::make_move_iterator(collected.end()));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace unwind
