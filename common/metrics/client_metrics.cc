#include "common/metrics/client_metrics.h"

#include <cstddef>

#include "absl/strings/match.h"

namespace unwind {
namespace {

const prometheus::Histogram::BucketBoundaries kSecondsBuckets = {.001, .0025, .005, .01, .025, .05,
                                                                 .1,   .25,   .5,   1,   2.5,  5};

}  // namespace

ClientMetrics::ClientMetrics(prometheus::Registry& registry)
    : started_(prometheus::BuildCounter()
                   .Name("grpc_client_started_total")
                   .Help("Calls that were sent.")
                   .Register(registry)),
      handled_(prometheus::BuildCounter()
                   .Name("grpc_client_handled_total")
                   .Help("Calls that ended, by code.")
                   .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("grpc_client_handling_seconds")
                   .Help("Time from sending a call to its end.")
                   .Register(registry)) {}

void ClientMetrics::Series::Finish(int code, absl::Duration elapsed) const {
  handled[CodeIndex(code)]->Increment();
  seconds->Observe(absl::ToDoubleSeconds(elapsed));
}

const ClientMetrics::Series& ClientMetrics::Of(const std::string& method) {
  std::lock_guard lock(mutex_);
  const auto it = series_.find(method);
  return it != series_.end() ? it->second : series_.emplace(method, Make(method)).first->second;
}

ClientMetrics::Series ClientMetrics::Make(const std::string& method) {
  const std::size_t slash = absl::StartsWith(method, "/") ? method.find('/', 1) : std::string::npos;
  const std::string service = slash == std::string::npos ? "" : method.substr(1, slash - 1);
  const std::string name = slash == std::string::npos ? method : method.substr(slash + 1);
  prometheus::Labels labels = {{"grpc_type", "unary"}, {"grpc_service", service}, {"grpc_method", name}};
  Series series = {&started_.Add(labels), &seconds_.Add(labels, kSecondsBuckets), {}};
  for (std::size_t code = 0; code < series.handled.size(); ++code) {
    labels["grpc_code"] = kCodeNames[code];
    series.handled[code] = &handled_.Add(labels);
  }
  return series;
}

}  // namespace unwind
