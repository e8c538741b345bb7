#include "common/metrics/registry.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <string>

#include "absl/time/clock.h"
#include "common/base/version.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

std::map<std::string, prometheus::MetricFamily> Collect() {
  std::map<std::string, prometheus::MetricFamily> families;
  for (prometheus::MetricFamily& family : ProcessCollector().Collect()) families[family.name] = std::move(family);
  return families;
}

TEST(ProcessCollector, MeasuresThisProcess) {
  const auto families = Collect();
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  EXPECT_GT(families.at("process_resident_memory_bytes").metric.at(0).gauge.value, 1 << 20);
  EXPECT_LT(families.at("process_resident_memory_bytes").metric.at(0).gauge.value, 8.0 * (1 << 30));
  const double started = families.at("process_start_time_seconds").metric.at(0).gauge.value;
  EXPECT_GT(started, now - 3600);
  EXPECT_LE(started, now + 1);
  EXPECT_GE(families.at("process_virtual_memory_bytes").metric.at(0).gauge.value,
            families.at("process_resident_memory_bytes").metric.at(0).gauge.value);
}

TEST(ProcessCollector, SaysWhichBuildThisIs) {
  const prometheus::MetricFamily build = Collect().at("build_info");
  EXPECT_EQ(build.metric.at(0).gauge.value, 1);
  std::map<std::string, std::string> labels;
  for (const auto& label : build.metric.at(0).label) labels[label.name] = label.value;
  EXPECT_EQ(labels, (std::map<std::string, std::string>{{"version", Version()}, {"revision", Revision()}}));
}

TEST(ProcessCollector, CountsProcessorTimeAsItIsSpent) {
  const double before = Collect().at("process_cpu_seconds_total").metric.at(0).counter.value;
  EXPECT_EQ(Collect().at("process_cpu_seconds_total").type, prometheus::MetricType::Counter);
  const absl::Time end = absl::Now() + absl::Seconds(30);
  double after = before;
  while (after <= before && absl::Now() < end)
    after = Collect().at("process_cpu_seconds_total").metric.at(0).counter.value;
  EXPECT_GT(after, before);
}

TEST(ProcessCollector, CountsOpenFiles) {
  const double before = Collect().at("process_open_fds").metric.at(0).gauge.value;
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Collect().at("process_open_fds").metric.at(0).gauge.value, before + 1);
  close(fd);
  EXPECT_EQ(Collect().at("process_open_fds").metric.at(0).gauge.value, before);
}

TEST(ProcessCollector, SaysHowManyFilesMayBeOpen) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit fewer = {.rlim_cur = before.rlim_cur - 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &fewer), 0);
  EXPECT_EQ(Collect().at("process_max_fds").metric.at(0).gauge.value, static_cast<double>(fewer.rlim_cur));
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST(ProcessRegistry, IsOne) { EXPECT_EQ(ProcessRegistry().get(), ProcessRegistry().get()); }

}  // namespace
}  // namespace unwind
