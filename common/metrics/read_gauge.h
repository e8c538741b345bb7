// Gauges that are read when they are scraped.
#ifndef UNWIND_COMMON_METRICS_READ_GAUGE_H_
#define UNWIND_COMMON_METRICS_READ_GAUGE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace unwind {

// One that has no labels.
class ReadGauge final : public prometheus::Collectable {
 public:
  // `read` is called by the thread that serves the scrape.
  ReadGauge(std::string name, std::string help, std::function<double()> read)
      : name_(std::move(name)), help_(std::move(help)), read_(std::move(read)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::ClientMetric metric;
    metric.gauge.value = read_();
    return {{.name = name_, .help = help_, .type = prometheus::MetricType::Gauge, .metric = {std::move(metric)}}};
  }

 private:
  const std::string name_;
  const std::string help_;
  const std::function<double()> read_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_METRICS_READ_GAUGE_H_
