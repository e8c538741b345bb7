#include "common/participant/options.h"

#include <cstdint>
#include <string>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/time/time.h"
#include "common/base/checked_flag.h"
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

TEST(OptionsFromFlags, EachHasARange) {
  const absl::FlagSaver saver;
  EXPECT_THAT(FindBadFlags(), testing::IsEmpty());
  absl::SetFlag(&FLAGS_batch_max, 0u);
  absl::SetFlag(&FLAGS_queue_max, 1000001u);
  absl::SetFlag(&FLAGS_request_age_max, absl::ZeroDuration());
  absl::SetFlag(&FLAGS_row_age_max, -absl::Hours(1));
  EXPECT_THAT(FindBadFlags(), testing::UnorderedElementsAre("--batch_max=0: must be 1 to 10000",
                                                            "--queue_max=1000001: must be 1 to 1000000",
                                                            "--request_age_max=0: must be 1s to 8760h",
                                                            "--row_age_max=-1h: must be 2s to 876000h"));
  absl::SetFlag(&FLAGS_batch_max, 10000u);
  absl::SetFlag(&FLAGS_queue_max, 1u);
  absl::SetFlag(&FLAGS_request_age_max, absl::Seconds(1));
  absl::SetFlag(&FLAGS_row_age_max, absl::Seconds(2));
  EXPECT_THAT(FindBadFlags(), testing::IsEmpty());
  EXPECT_TRUE(OptionsFromFlags("x").ok());
}

TEST(OptionsFromFlags, RowsOutliveTheCallsThatMayComeLate) {
  const absl::FlagSaver saver;
  absl::SetFlag(&FLAGS_request_age_max, absl::Hours(1));
  absl::SetFlag(&FLAGS_row_age_max, absl::Hours(1));
  ExpectRefused("--row_age_max=1h: must be more than --request_age_max=1h");
  absl::SetFlag(&FLAGS_row_age_max, absl::Hours(2));
  EXPECT_EQ(OptionsFromFlags("x")->row_age_max, absl::Hours(2));
  absl::SetFlag(&FLAGS_request_age_max, absl::Hours(601));
  ExpectRefused("--row_age_max=2h: must be more than --request_age_max=601h");
}

}  // namespace
}  // namespace unwind
