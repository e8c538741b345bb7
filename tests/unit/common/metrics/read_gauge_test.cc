#include "common/metrics/read_gauge.h"

#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace unwind {
namespace {

TEST(ReadGauge, IsReadWhenItIsScraped) {
  double value = 3;
  const ReadGauge gauge("sheep", "In the pen.", [&value] { return value; });
  value = 5;
  EXPECT_EQ(prometheus::TextSerializer().Serialize(gauge.Collect()),
            "# HELP sheep In the pen.\n# TYPE sheep gauge\nsheep 5\n");
}

}  // namespace
}  // namespace unwind
