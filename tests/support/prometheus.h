// A real Prometheus that scrapes a running cluster, a real Alertmanager, and who is told by it. For tests.
#ifndef UNWIND_TESTS_SUPPORT_PROMETHEUS_H_
#define UNWIND_TESTS_SUPPORT_PROMETHEUS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"

namespace unwind {

// The body of the answer to a GET of `path` at `address`, host:port. UNAVAILABLE without an answer; another status than
// 200: INTERNAL, with the body.
absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path);

// The addresses of each scrape job.
using ScrapeJobs = std::map<std::string, std::vector<std::string>>;

struct PrometheusOptions {
  std::string folder;  // of its configuration, its log and its data
  ScrapeJobs jobs;
  absl::Duration every = absl::Milliseconds(250);  // it scrapes and evaluates its rules
  std::vector<std::string> rule_files;
  std::string alertmanager;  // its address; empty: nobody is told of alerts
};

// A prometheus.yml.
std::string PrometheusConfig(const PrometheusOptions& options);

// Start it from a thread that outlives it (see Process::Start).
class Prometheus {
 public:
  // Returns once it answers.
  static absl::StatusOr<std::unique_ptr<Prometheus>> Start(const PrometheusOptions& options);

  // The series that `promql` gives now: an array of {"metric": LABELS, "value": [TIME, TEXT]}.
  absl::StatusOr<nlohmann::json> Query(const std::string& promql) const;
  // And over the last `back`, a value each second: {"metric": LABELS, "values": [[TIME, TEXT], ...]}.
  absl::StatusOr<nlohmann::json> QueryRange(const std::string& promql, absl::Duration back) const;
  // What `label` is in the series that `selector` gives.
  absl::StatusOr<std::vector<std::string>> LabelValues(const std::string& label, const std::string& selector) const;
  // The names of the alerts that fire.
  absl::StatusOr<std::vector<std::string>> Firing() const;

  const std::string& address() const { return address_; }

 private:
  Prometheus(std::unique_ptr<Process> process, std::string address)
      : process_(std::move(process)), address_(std::move(address)) {}
  // `data` of its HTTP API's answer to a GET of `path`.
  absl::StatusOr<nlohmann::json> Get(const std::string& path) const;

  const std::unique_ptr<Process> process_;
  const std::string address_;
};

// A real Alertmanager that tells `receiver`, host:port, of every alert at once.
struct Alertmanager {
  static absl::StatusOr<Alertmanager> Start(const std::string& folder, const std::string& receiver);

  std::unique_ptr<Process> process;
  std::string address;
};

// An HTTP server that takes whatever is posted to it. Thread-safe.
class WebhookReceiver {
 public:
  WebhookReceiver();
  ~WebhookReceiver();

  std::string address() const;           // 127.0.0.1:port
  std::vector<nlohmann::json> bodies();  // so far

 private:
  struct Server;
  const std::unique_ptr<Server> server_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_PROMETHEUS_H_
