#include "orchestrator/host/memory_of.h"

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "gtest/gtest.h"

ABSL_DECLARE_FLAG(int, connections_max);
ABSL_DECLARE_FLAG(int, streams_max);
ABSL_DECLARE_FLAG(int, grpc_memory_max_mib);
ABSL_DECLARE_FLAG(int, stuck_max);
ABSL_DECLARE_FLAG(int, saga_memory_max_mib);
ABSL_DECLARE_FLAG(int, queue_memory_max_mib);
ABSL_DECLARE_FLAG(std::string, admin_listen);

namespace unwind {
namespace {

constexpr std::size_t kParticipants = 3;

double Mib() { return static_cast<double>(MemoryOf(*OptionsFromFlags(), kParticipants)) / (1 << 20); }

// The README rounds each row.
TEST(MemoryOf, IsTheSumOfTheReadme) { EXPECT_NEAR(Mib(), 3329, 2); }

TEST(MemoryOf, FollowsTheFlagsAsTheReadmeSays) {
  const absl::FlagSaver saved;
  absl::SetFlag(&FLAGS_connections_max, 32);
  absl::SetFlag(&FLAGS_streams_max, 128);
  absl::SetFlag(&FLAGS_grpc_memory_max_mib, 64);
  absl::SetFlag(&FLAGS_stuck_max, 20000);
  absl::SetFlag(&FLAGS_saga_memory_max_mib, 64);
  absl::SetFlag(&FLAGS_queue_memory_max_mib, 16);
  EXPECT_NEAR(Mib(), 833, 2);
}

TEST(MemoryOf, WithoutAnAdminPortHasOnePortLess) {
  const absl::FlagSaver saved;
  const double before = Mib();
  absl::SetFlag(&FLAGS_admin_listen, "");
  EXPECT_NEAR(before - Mib(), 640 * 1.25, 1);
}

}  // namespace
}  // namespace unwind
