// unwind_bench: order sagas through the real processes, under load, beside what the machine could do at best in the
// same run. Exit 0: everything was measured, and the books are in order. Whether a figure is good is for the reader.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/flags.h"
#include "common/base/status_macros.h"
#include "tests/bench/ceiling.h"
#include "tests/bench/scenarios.h"
#include "tests/support/cluster.h"

ABSL_FLAG(std::vector<std::string>, store, std::vector<std::string>({"sqlite", "postgres"}),
          "sqlite, postgres or both.");
ABSL_FLAG(bool, quick, false, "Only the headline: throughput against the limit, and latency at a low rate.");
ABSL_FLAG(bool, json, false, "Print everything once more as one JSON object, on the last line.");
ABSL_FLAG(std::string, only, "",
          "Only the scenarios whose name contains this, and the headline if they are compared with it.");
ABSL_FLAG(absl::Duration, length, absl::Seconds(10), "Of each load.");
ABSL_FLAG(std::int64_t, finished, 1000000,
          "Sagas that are stored beforehand, in the scenarios of those that are finished or at rest.");
ABSL_FLAG(std::vector<std::string>, in_flight, std::vector<std::string>({"10000", "100000"}),
          "Sagas in flight when the orchestrator is killed, of each recovery, up to 900000.");
ABSL_FLAG(int, waiting, 10000, "Sagas that wait for their customers, in the scenario of that name; 2000 to 900000.");
ABSL_FLAG(std::uint64_t, seed, 1, "Of the moments at which PostgreSQL is killed.");
ABSL_FLAG(std::string, bin_dir, "", "Folder of the five programs; empty: the folder of this one.");
ABSL_FLAG(std::string, echo, "", "Serve the raw echo, and write its port into this file. The bench starts itself so.");

namespace unwind {
namespace {

constexpr std::int64_t kFinishedMax = 10'000'000;
constexpr int kWaitingMin = 2000;
constexpr int kInFlightMax = 900'000;  // an orchestrator takes a million

// A fifth of the load's length for each setting of a sweep, but long enough to be told from noise.
absl::Duration SweepLength() { return std::max(absl::Seconds(1), absl::GetFlag(FLAGS_length) / 5); }

struct Ceiling {
  Raw call, row;
  double limit = 0;
};

absl::StatusOr<Ceiling> MeasureCeiling(const std::string& program, bool on_postgres) {
  std::string scratch = "/tmp/unwind-bench-XXXXXX";
  if (mkdtemp(scratch.data()) == nullptr) return absl::PermissionDeniedError("cannot make " + scratch);
  Ceiling ceiling;
  const auto measure = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(ceiling.call, MeasureRawCalls(program, scratch, SweepLength()));
    std::unique_ptr<PostgresServer> server;
    std::string database = scratch + "/raw.db";
    if (on_postgres) {
      ASSIGN_OR_RETURN(server, PostgresServer::Start({.fsync = true, .folder_root = "/tmp", .settings = {}}));
      ASSIGN_OR_RETURN(database, server->CreateDatabase("raw"));
    }
    // The server is a child of this process; so is nothing else now.
    ASSIGN_OR_RETURN(ceiling.row,
                     MeasureRawRows(
                         database, [&] { return server == nullptr ? 0.0 : server->CpuSeconds(); }, SweepLength()));
    return absl::OkStatus();
  };
  const absl::Status status = measure();
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  RETURN_IF_ERROR(status);
  ceiling.limit = Limit(ceiling.call, ceiling.row, static_cast<int>(std::thread::hardware_concurrency()));
  return ceiling;
}

void Print(const std::string& store, const Ceiling& ceiling) {
  std::printf("\n== %s: what %u cores could do ==\n", store.c_str(), std::thread::hardware_concurrency());
  std::printf("  a raw call  %7.2f us of CPU, %8.0f/s (%s)\n", ceiling.call.cpu_micros, ceiling.call.per_second,
              ceiling.call.setting.c_str());
  std::printf("  a raw row   %7.2f us of CPU, %8.0f/s (%s)\n", ceiling.row.cpu_micros, ceiling.row.per_second,
              ceiling.row.setting.c_str());
  std::printf("  an order saga is %d calls and %d rows: at most %.0f sagas/s\n", kNominalCalls, kNominalRows,
              ceiling.limit);
}

absl::StatusOr<BenchOptions> ReadOptions(const std::string& program) {
  BenchOptions options;
  const std::string here = program.substr(0, program.rfind('/'));
  options.bin_dir = absl::GetFlag(FLAGS_bin_dir).empty() ? here : absl::GetFlag(FLAGS_bin_dir);
  options.quick = absl::GetFlag(FLAGS_quick);
  options.only = absl::GetFlag(FLAGS_only);
  options.length = absl::GetFlag(FLAGS_length);
  options.finished = absl::GetFlag(FLAGS_finished);
  options.seed = absl::GetFlag(FLAGS_seed);
  if (options.length < absl::Seconds(1)) return absl::InvalidArgumentError("--length must be at least 1s");
  if (options.finished < 1 || options.finished > kFinishedMax) {
    return absl::InvalidArgumentError(absl::StrCat("--finished must be 1 to ", kFinishedMax));
  }
  options.waiting = absl::GetFlag(FLAGS_waiting);
  if (options.waiting < kWaitingMin || options.waiting > kInFlightMax) {
    return absl::InvalidArgumentError(absl::StrCat("--waiting must be ", kWaitingMin, " to ", kInFlightMax));
  }
  for (const std::string& text : absl::GetFlag(FLAGS_in_flight)) {
    int in_flight = 0;
    if (!absl::SimpleAtoi(text, &in_flight) || in_flight < 1 || in_flight > kInFlightMax) {
      return absl::InvalidArgumentError(absl::StrCat("--in_flight must be numbers of 1 to ", kInFlightMax));
    }
    options.in_flight.push_back(in_flight);
  }
  return options;
}

absl::Status Bench(const std::string& program, BenchOptions options, const std::string& store, nlohmann::json& json) {
  options.on_postgres = store == "postgres";
  ASSIGN_OR_RETURN(const Ceiling ceiling, MeasureCeiling(program, options.on_postgres));
  Print(store, ceiling);
  json = {{"limit", ceiling.limit},
          {"raw_call_cpu_micros", ceiling.call.cpu_micros},
          {"raw_calls_per_second", ceiling.call.per_second},
          {"raw_row_cpu_micros", ceiling.row.cpu_micros},
          {"raw_rows_per_second", ceiling.row.per_second}};
  options.limit = ceiling.limit;
  return RunScenarios(options, json);
}

int Main(const std::string& program) {
  if (const std::string port_file = absl::GetFlag(FLAGS_echo); !port_file.empty()) return ServeEcho(port_file);
  const absl::StatusOr<BenchOptions> options = ReadOptions(program);
  if (!options.ok()) {
    std::cerr << options.status().message() << "\n";
    return 1;
  }
  nlohmann::json json;
  bool ok = true;
  for (const std::string& store : absl::GetFlag(FLAGS_store)) {
    if (store != "sqlite" && store != "postgres") {
      std::cerr << "--store must be sqlite, postgres or both, not " << store << "\n";
      return 1;
    }
    const absl::Status status = Bench(program, *options, store, json[store]);
    if (!status.ok()) std::cerr << "FAILED  " << store << ": " << status.message() << "\n";
    ok = ok && status.ok();
  }
  json["cores"] = std::thread::hardware_concurrency();
  json["ok"] = ok;
  if (absl::GetFlag(FLAGS_json)) std::printf("%s\n", json.dump().c_str());
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace unwind

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  unwind::ParseFlagsOnly(argc, argv,
                         "Measures order sagas through the real processes, and what the machine could do at best.");
  return unwind::Main(argv[0]);
}
