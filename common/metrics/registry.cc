#include "common/metrics/registry.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/version.h"

namespace unwind {
namespace {

prometheus::MetricFamily Metric(std::string name, std::string help, prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  family.metric = {std::move(metric)};
  return family;
}

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

double Number(const std::vector<std::string>& fields, std::size_t i) {
  double number = 0;
  return i < fields.size() && absl::SimpleAtod(fields[i], &number) ? number : 0;
}

double BootTime() {
  const std::string stat = ReadFile("/proc/stat");
  for (absl::string_view line : absl::StrSplit(stat, "\n")) {
    double seconds = 0;
    if (absl::ConsumePrefix(&line, "btime ") && absl::SimpleAtod(line, &seconds)) return seconds;
  }
  return 0;
}

double OpenDescriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error)) {
    ++count;
  }
  return count;
}

double DescriptorsMax() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  return static_cast<double>(files.rlim_cur);
}

}  // namespace

const std::shared_ptr<prometheus::Registry>& ProcessRegistry() {
  static const auto* const registry =
      new std::shared_ptr<prometheus::Registry>(std::make_shared<prometheus::Registry>());
  return *registry;
}

std::vector<prometheus::MetricFamily> ProcessCollector::Collect() const {
  using prometheus::MetricType;
  // After the name in parentheses: state is field 0, utime 11, stime 12, starttime 19, vsize 20, rss 21 (proc(5)).
  const std::string stat = ReadFile("/proc/self/stat");
  const std::size_t name_end = stat.rfind(')');
  // Without a free descriptor nothing can be read, and nothing may be thrown.
  if (name_end == std::string::npos || name_end + 2 > stat.size()) return {};
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  prometheus::MetricFamily build = Metric("build_info", "Always 1.", MetricType::Gauge, 1);
  build.metric[0].label = {{"version", Version()}, {"revision", Revision()}};
  return {
      Metric("process_cpu_seconds_total", "Processor time, user and system.", MetricType::Counter,
             (Number(fields, 11) + Number(fields, 12)) / ticks),
      Metric("process_resident_memory_bytes", "Memory in use.", MetricType::Gauge,
             Number(fields, 21) * static_cast<double>(sysconf(_SC_PAGESIZE))),
      Metric("process_virtual_memory_bytes", "Address space in use.", MetricType::Gauge, Number(fields, 20)),
      Metric("process_open_fds", "Open file descriptors.", MetricType::Gauge, OpenDescriptors()),
      Metric("process_max_fds", "How many file descriptors may be open.", MetricType::Gauge, DescriptorsMax()),
      Metric("process_start_time_seconds", "Start of the process, Unix time.", MetricType::Gauge,
             BootTime() + Number(fields, 19) / ticks),
      std::move(build),
  };
}

}  // namespace unwind
