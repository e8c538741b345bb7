#include "tests/bench/in_flight.h"

#include <fstream>
#include <future>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

constexpr char kOrders[] = "orchestrator/sagas/place_order.yaml";
constexpr char kHours[] = "2h";
constexpr int kRoom = 1000;  // in flight besides those that are wanted
constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

absl::StatusOr<std::string> WritePatientOrders(const TempDir& folder) {
  const std::string original = ContentsOf(kOrders);
  if (original.empty()) return absl::NotFoundError(absl::StrCat("cannot read ", kOrders));
  std::string path = folder.File("place_order.yaml");
  std::ofstream patient(path);
  for (const absl::string_view line : absl::StrSplit(original, '\n')) {
    if (absl::StartsWith(line, "deadline:")) {
      patient << "deadline: " << kHours << "\n";
    } else if (!absl::StartsWith(line, "    timeout:")) {
      patient << line << "\n";
    }
    if (absl::StartsWith(line, "    action:")) patient << "    timeout: " << kHours << "\n";
  }
  return path;
}

RigOptions RigFor(const std::string& definitions, int in_flight) {
  return {.flags = {{Node::kOrchestrator, {absl::StrCat("--in_flight_max=", in_flight + kRoom)}}},
          .definitions = definitions};
}

absl::Status StartAndLeave(Rig& rig, int count) {
  ASSIGN_OR_RETURN(const std::int64_t before, rig.Unfinished());
  LoadOptions orders = rig.Orders();
  orders.calls = static_cast<std::uint64_t>(count);
  orders.leave = true;
  std::future<LoadResult> started = StartLoad(std::move(orders));
  const absl::Status all_in =
      rig.AwaitUnfinished(kPatience + absl::Milliseconds(20) * count,
                          [&](std::int64_t unfinished) { return unfinished == before + count; });
  const LoadResult result = started.get();
  RETURN_IF_ERROR(all_in);
  const auto left = result.answers.find("LEFT");
  if (left != result.answers.end() && left->second == count) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("not all of ", count, " callers could leave while their sagas went on"));
}

}  // namespace unwind
