#include "tests/support/prometheus.h"

#include <fstream>
#include <mutex>
#include <regex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "httplib.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using nlohmann::json;

constexpr absl::Duration kStartPatience = absl::Seconds(60);

std::string Quoted(const std::vector<std::string>& texts) {
  return absl::StrCat(
      "[",
      absl::StrJoin(texts, ", ",
                    [](std::string* out, const std::string& text) { absl::StrAppend(out, "'", text, "'"); }),
      "]");
}

std::string Encoded(const std::string& text) { return httplib::detail::encode_query_param(text); }

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// Where the process listens, which it says in its log: both programs of Prometheus take port 0.
absl::StatusOr<std::string> AwaitAddress(Process& process, const std::string& log) {
  static const std::regex listening("msg=\"Listening on\" address=(127\\.0\\.0\\.1:[0-9]+)");
  std::string address;
  Eventually(kStartPatience, [&] {
    const std::string text = ContentsOf(log);
    std::smatch match;
    if (std::regex_search(text, match, listening)) address = match[1];
    return !address.empty() || !process.Running();
  });
  if (address.empty()) return absl::UnavailableError(absl::StrCat("it does not listen: ", ContentsOf(log)));
  return address;
}

absl::Status AwaitReady(const std::string& address) {
  absl::Status status;
  Eventually(kStartPatience, [&] { return (status = HttpGet(address, "/-/ready").status()).ok(); });
  return status;
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path) {
  httplib::Client client("http://" + address);
  client.set_read_timeout(20);
  const httplib::Result result = client.Get(path);
  if (!result) return absl::UnavailableError(absl::StrCat(address, path, ": ", httplib::to_string(result.error())));
  if (result->status == 200) return result->body;
  return absl::InternalError(absl::StrCat(address, path, " answers ", result->status, ": ", result->body));
}

std::string PrometheusConfig(const PrometheusOptions& options) {
  const std::string every = absl::StrCat(absl::ToInt64Milliseconds(options.every), "ms");
  std::string text = absl::StrCat("global:\n  scrape_interval: ", every, "\n  scrape_timeout: ", every,
                                  "\n  evaluation_interval: ", every, "\nscrape_configs:\n");
  for (const auto& [job, addresses] : options.jobs) {
    absl::StrAppend(&text, "  - job_name: ", job, "\n    static_configs:\n      - targets: ", Quoted(addresses), "\n");
  }
  if (!options.rule_files.empty()) absl::StrAppend(&text, "rule_files: ", Quoted(options.rule_files), "\n");
  if (!options.alertmanager.empty()) {
    absl::StrAppend(&text, "alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: ",
                    Quoted({options.alertmanager}), "\n");
  }
  return text;
}

absl::StatusOr<std::unique_ptr<Prometheus>> Prometheus::Start(const PrometheusOptions& options) {
  const std::string config = options.folder + "/prometheus.yml", log = options.folder + "/prometheus.log";
  WriteFile(config, PrometheusConfig(options));
  ASSIGN_OR_RETURN(std::unique_ptr<Process> process,
                   Process::Start({"/usr/bin/prometheus", absl::StrCat("--config.file=", config),
                                   absl::StrCat("--storage.tsdb.path=", options.folder, "/prometheus-data"),
                                   "--web.listen-address=127.0.0.1:0"},
                                  log));
  ASSIGN_OR_RETURN(const std::string address, AwaitAddress(*process, log));
  RETURN_IF_ERROR(AwaitReady(address));
  return std::unique_ptr<Prometheus>(new Prometheus(std::move(process), address));
}

absl::StatusOr<json> Prometheus::Get(const std::string& path) const {
  ASSIGN_OR_RETURN(const std::string body, HttpGet(address_, path));
  json answer = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || answer.value("status", "") != "success") {
    return absl::InternalError(absl::StrCat(path, ": ", body));
  }
  return answer["data"];
}

absl::StatusOr<json> Prometheus::Query(const std::string& promql) const {
  ASSIGN_OR_RETURN(const json data, Get(absl::StrCat("/api/v1/query?query=", Encoded(promql))));
  return data["result"];
}

absl::StatusOr<json> Prometheus::QueryRange(const std::string& promql, absl::Duration back) const {
  const absl::Time end = absl::Now();
  ASSIGN_OR_RETURN(const json data, Get(absl::StrCat("/api/v1/query_range?query=", Encoded(promql),
                                                     "&start=", absl::ToUnixSeconds(end - back),
                                                     "&end=", absl::ToUnixSeconds(end), "&step=1")));
  return data["result"];
}

absl::StatusOr<std::vector<std::string>> Prometheus::LabelValues(const std::string& label,
                                                                 const std::string& selector) const {
  ASSIGN_OR_RETURN(const json data, Get(absl::StrCat("/api/v1/label/", label, "/values?match[]=", Encoded(selector))));
  return data.get<std::vector<std::string>>();
}

absl::StatusOr<std::vector<std::string>> Prometheus::Firing() const {
  ASSIGN_OR_RETURN(const json data, Get("/api/v1/alerts"));
  std::vector<std::string> names;
  for (const json& alert : data["alerts"]) {
    if (alert["state"] == "firing") names.push_back(alert["labels"]["alertname"]);
  }
  return names;
}

absl::StatusOr<Alertmanager> Alertmanager::Start(const std::string& folder, const std::string& receiver) {
  const std::string config = folder + "/alertmanager.yml", log = folder + "/alertmanager.log";
  WriteFile(config, absl::StrCat("route: {receiver: test, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n"
                                 "receivers:\n  - name: test\n    webhook_configs: [{url: 'http://",
                                 receiver, "/'}]\n"));
  Alertmanager made;
  ASSIGN_OR_RETURN(made.process,
                   Process::Start({"/usr/bin/prometheus-alertmanager", absl::StrCat("--config.file=", config),
                                   absl::StrCat("--storage.path=", folder, "/alertmanager-data"),
                                   "--web.listen-address=127.0.0.1:0", "--cluster.listen-address="},
                                  log));
  ASSIGN_OR_RETURN(made.address, AwaitAddress(*made.process, log));
  RETURN_IF_ERROR(AwaitReady(made.address));
  return made;
}

struct WebhookReceiver::Server {
  httplib::Server http;
  int port = 0;
  std::mutex mutex;
  std::vector<json> bodies;
  std::thread thread;
};

WebhookReceiver::WebhookReceiver() : server_(new Server) {
  server_->http.Post(".*", [this](const httplib::Request& request, httplib::Response&) {
    std::lock_guard lock(server_->mutex);
    server_->bodies.push_back(json::parse(request.body, nullptr, /*allow_exceptions=*/false));
  });
  server_->port = server_->http.bind_to_any_port("127.0.0.1");
  server_->thread = std::thread([this] { server_->http.listen_after_bind(); });
}

WebhookReceiver::~WebhookReceiver() {
  Eventually(kStartPatience, [this] { return server_->http.is_running(); });  // else the stop would be forgotten
  server_->http.stop();
  server_->thread.join();
}

std::string WebhookReceiver::address() const { return absl::StrCat("127.0.0.1:", server_->port); }

std::vector<json> WebhookReceiver::bodies() {
  std::lock_guard lock(server_->mutex);
  return server_->bodies;
}

}  // namespace unwind
