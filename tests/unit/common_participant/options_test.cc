#include "common/participant/options.h"

#include <cstdint>
#include <string>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

ABSL_DECLARE_FLAG(std::uint32_t, batch_max);
ABSL_DECLARE_FLAG(std::uint32_t, queue_max);
ABSL_DECLARE_FLAG(absl::Duration, request_age_max);
ABSL_DECLARE_FLAG(absl::Duration, row_age_max);

namespace unwind {
namespace {

void ExpectRefused(const std::string& sentence) {
  const absl::StatusOr<ParticipantOptions> options = OptionsFromFlags("x");
  EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(options.status().message()), testing::StartsWith(sentence));
}

TEST(OptionsFromFlags, AreTheDefaultsOfTheParticipant) {
  const absl::StatusOr<ParticipantOptions> options = OptionsFromFlags("stock.shop.unwind");
  ASSERT_TRUE(options.ok()) << options.status();
  const ParticipantOptions defaults;
  EXPECT_EQ(options->domain, "stock.shop.unwind");
  EXPECT_EQ(options->batch_max, defaults.batch_max);
  EXPECT_EQ(options->queue_max, defaults.queue_max);
  EXPECT_EQ(options->request_age_max, defaults.request_age_max);
  EXPECT_EQ(options->row_age_max, defaults.row_age_max);
}

TEST(OptionsFromFlags, ABatchIsOneToTenThousand) {
  for (const std::uint32_t bad : {0u, 10001u}) {
    const absl::FlagSaver saver;
    absl::SetFlag(&FLAGS_batch_max, bad);
    ExpectRefused("--batch_max must be 1 to 10000");
  }
}

TEST(OptionsFromFlags, AQueueIsOneToAMillion) {
  for (const std::uint32_t bad : {0u, 1000001u}) {
    const absl::FlagSaver saver;
    absl::SetFlag(&FLAGS_queue_max, bad);
    ExpectRefused("--queue_max must be 1 to 1000000");
  }
}

TEST(OptionsFromFlags, RowsOutliveTheCallsThatMayComeLate) {
  const absl::FlagSaver saver;
  absl::SetFlag(&FLAGS_request_age_max, absl::ZeroDuration());
  ExpectRefused("--request_age_max must be above zero");
  absl::SetFlag(&FLAGS_request_age_max, absl::Hours(1));
  absl::SetFlag(&FLAGS_row_age_max, absl::Hours(1));
  ExpectRefused("--row_age_max must be more than --request_age_max");
  absl::SetFlag(&FLAGS_row_age_max, absl::Hours(2));
  EXPECT_EQ(OptionsFromFlags("x")->row_age_max, absl::Hours(2));
  absl::SetFlag(&FLAGS_request_age_max, absl::Hours(601));
  ExpectRefused("--row_age_max must be more than --request_age_max");
}

}  // namespace
}  // namespace unwind
