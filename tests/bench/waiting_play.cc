#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "saga/participant/v1/nudge_service.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"
#include "tests/support/cpu.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

constexpr char kOrders[] = "orchestrator/sagas/place_order.yaml";
constexpr int kFirst = 1000;  // what every orchestrator needs anyway
constexpr absl::Duration kSettle = absl::Seconds(2);
constexpr absl::Duration kWatched = absl::Seconds(30);
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr absl::Duration kLookEvery = absl::Milliseconds(250);
constexpr int kCallers = 128;          // that pay
constexpr int kOriginals = 100;        // of copies
constexpr std::int64_t kRounds = 200;  // of all originals in one transaction
constexpr int kCapSeconds = 300;       // the default `cap` of polls
constexpr double kOfCap = 0.75;        // a pause, on average
constexpr int kShortSeconds = 60;      // the pause before the first poll here: nobody waits for minutes

// The shop's orders, whose customers pay themselves, and have a day.
absl::StatusOr<std::string> WriteCollectedOrders(const TempDir& folder) {
  const std::string original = ContentsOf(kOrders);
  if (original.empty()) return absl::NotFoundError(absl::StrCat("cannot read ", kOrders));
  std::string path = folder.File("place_order.yaml");
  std::ofstream collected(path);
  for (const absl::string_view line : absl::StrSplit(original, '\n')) {
    if (absl::StrContains(line, "method: input.payment_method")) {
      collected << "      wait_until: saga.charge.wait_until\n";
    } else if (absl::StrContains(line, "PaymentService/ResolveCharge")) {
      collected << "    resolve: shop.payment.v1.PaymentService/ResolveCollect\n"
                << "    pending: { poll: " << kShortSeconds << "s, cap: " << kShortSeconds << "s, for: 24h }\n";
    } else if (absl::StartsWith(line, "response:")) {
      collected << "answer: { after: charge, response: { order_id: saga.id, state: \"PENDING\", total: "
                   "reserve_stock.total } }\n"
                << line << "\n";
    } else {
      collected << absl::StrReplaceAll(line, {{"PaymentService/Charge", "PaymentService/Collect"}}) << "\n";
    }
  }
  return path;
}

// Calls that are all made at once, or so many at a time.
class Burst {
 public:
  using Done = std::function<void(grpc::Status)>;

  // Calls `call(i, done)` for each i below `calls`, at most `at_once` of them under way. How many failed.
  int Run(std::size_t calls, std::size_t at_once, const std::function<void(std::size_t i, Done done)>& call) {
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < calls; ++i) {
      changed_.wait(lock, [&] { return under_way_ < at_once; });
      ++under_way_;
      lock.unlock();
      call(i, [this](const grpc::Status& status) { Ended(status); });
      lock.lock();
    }
    changed_.wait(lock, [&] { return under_way_ == 0; });
    return failed_;
  }
  const std::string& error() const { return error_; }  // of one that failed

 private:
  void Ended(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    --under_way_;
    if (!status.ok()) {
      ++failed_;
      error_ = status.error_message();
    }
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t under_way_ = 0;
  int failed_ = 0;
  std::string error_;
};

template <class Request, class Response>
struct OneCall {
  grpc::ClientContext context;
  Request request;
  Response response;
};

absl::StatusOr<std::int64_t> AtRest(Rig& rig) {
  return rig.Number(Node::kOrchestrator, "SELECT COUNT(*) FROM saga WHERE due_at IS NOT NULL");
}

absl::Status AwaitAtRest(Rig& rig, std::int64_t count) {
  const absl::Time until = absl::Now() + kPatience;
  for (;;) {
    ASSIGN_OR_RETURN(const std::int64_t resting, AtRest(rig));
    if (resting >= count) return absl::OkStatus();
    if (absl::Now() > until) return absl::DeadlineExceededError(absl::StrCat("only ", resting, " sagas rest"));
    absl::SleepFor(kLookEvery);
  }
}

// Takes so many more orders, whose callers are told where to pay.
absl::Status Order(Rig& rig, int count) {
  ASSIGN_OR_RETURN(const std::int64_t before, AtRest(rig));
  LoadOptions orders = rig.Orders();
  orders.calls = static_cast<std::uint64_t>(count);
  const LoadResult result = RunLoad(orders);
  const auto told = result.answers.find("OK");
  if (told == result.answers.end() || told->second != count) return absl::InternalError("not all orders were taken");
  return AwaitAtRest(rig, (before + count) * 9 / 10);  // some are asked about at any moment
}

// KiB of each of `count` sagas that rest, beyond the first.
absl::StatusOr<double> Fill(Rig& rig, int count) {
  RETURN_IF_ERROR(Order(rig, kFirst));
  absl::SleepFor(kSettle);
  const double before = rig.ResidentMib(Node::kOrchestrator);
  RETURN_IF_ERROR(Order(rig, count - kFirst));
  absl::SleepFor(kSettle);
  return (rig.ResidentMib(Node::kOrchestrator) - before) * 1024 / (count - kFirst);
}

struct Polling {
  double per_second = 0, cores = 0;
};

// What the orchestrator takes while it asks.
absl::StatusOr<Polling> WatchPolls(Rig& rig) {
  const auto polls = [&rig] {
    return rig.Number(Node::kOrchestrator, "SELECT COUNT(*) FROM saga_event WHERE what = 'ticked'");
  };
  const absl::Time until = absl::Now() + kPatience;
  for (std::int64_t n = 0; n < kFirst;) {
    if (absl::Now() > until) return absl::DeadlineExceededError("nothing is polled");
    absl::SleepFor(kLookEvery);
    ASSIGN_OR_RETURN(n, polls());
  }
  ASSIGN_OR_RETURN(const std::int64_t before, polls());
  const double cpu = CpuSeconds(rig.cluster().Pid(Node::kOrchestrator));
  const absl::Time start = absl::Now();
  absl::SleepFor(kWatched);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  const double used = CpuSeconds(rig.cluster().Pid(Node::kOrchestrator)) - cpu;
  ASSIGN_OR_RETURN(const std::int64_t after, polls());
  return Polling{.per_second = static_cast<double>(after - before) / seconds, .cores = used / seconds};
}

// Each customer pays; the orchestrator is told nothing.
absl::Status PayAll(Rig& rig) {
  ASSIGN_OR_RETURN(const std::vector<std::string> open,
                   rig.Texts(Node::kPayment, "SELECT payment_id || ' ' || member_id FROM payments WHERE state <> 3"));
  const auto stub = shop::payment::v1::PaymentService::NewStub(rig.cluster().Channel(Node::kPayment));
  using Call = OneCall<shop::payment::v1::PayRequest, shop::payment::v1::PayResponse>;
  Burst burst;
  const int failed = burst.Run(open.size(), kCallers, [&](std::size_t i, const Burst::Done& done) {
    const std::pair<std::string, std::string> ids = absl::StrSplit(open[i], ' ');
    auto call = std::make_shared<Call>();
    call->request.set_payment_id(ids.first);
    call->request.set_member_id(ids.second);
    call->request.set_method(Shop::Order(ids.second, "").payment_method());
    call->context.AddMetadata("idempotency-key", absl::StrCat("pay-", ids.first));
    stub->async()->Pay(&call->context, &call->request, &call->response,
                       [call, done](const grpc::Status& status) { done(status); });
  });
  if (failed == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(failed, " customers could not pay, such as: ", burst.error()));
}

struct Finish {
  std::size_t nudged = 0;
  int lost = 0;              // nudges that were answered with an error
  double asked_seconds = 0;  // until the last next call was committed
  double ended_seconds = 0;  // until the last saga has ended
};

// As if every webhook came at once.
absl::StatusOr<Finish> NudgeAll(Rig& rig) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   rig.Texts(Node::kOrchestrator, "SELECT id FROM saga WHERE state IN (1, 2, 5)"));
  std::vector<std::unique_ptr<saga::participant::v1::NudgeService::Stub>> stubs;
  for (const std::string& address : rig.Orders().addresses) {
    stubs.push_back(
        saga::participant::v1::NudgeService::NewStub(NewChannel(address, 2000 + static_cast<int>(stubs.size()))));
  }
  using Call = OneCall<saga::participant::v1::NudgeRequest, saga::participant::v1::NudgeResponse>;
  Finish finish{.nudged = ids.size()};
  const absl::Time start = absl::Now();
  Burst burst;
  finish.lost = burst.Run(ids.size(), ids.size(), [&](std::size_t i, const Burst::Done& done) {
    auto call = std::make_shared<Call>();
    call->request.set_saga_id(ids[i]);
    call->request.set_step("charge");
    stubs[i % stubs.size()]->async()->Nudge(&call->context, &call->request, &call->response,
                                            [call, done](const grpc::Status& status) { done(status); });
  });
  RETURN_IF_ERROR(rig.AwaitRest(kPatience));
  const auto seconds = [&](const std::string& sql) -> absl::StatusOr<double> {
    ASSIGN_OR_RETURN(const std::int64_t at, rig.Number(Node::kOrchestrator, sql));
    return static_cast<double>(at - absl::ToUnixNanos(start)) / 1e9;
  };
  ASSIGN_OR_RETURN(finish.asked_seconds, seconds("SELECT MAX(at) FROM saga_event WHERE what = 'nudged'"));
  ASSIGN_OR_RETURN(finish.ended_seconds, seconds("SELECT MAX(update_time) FROM saga"));
  return finish;
}

absl::Status Execute(Rig& rig, const std::string& sql) {
  if (PostgresServer* const server = rig.cluster().postgres(); server != nullptr) {
    return server->Execute(NodeName(Node::kOrchestrator), sql).status();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                   Connection::Open(rig.cluster().Database(Node::kOrchestrator)));
  return connection->Write([&](soci::session& session) {
    session << "PRAGMA cache_size = -524288";  // room for the indexes; KiB
    session << sql;
    return absl::OkStatus();
  });
}

// Adds `count` rows of sagas that rest, as those that are there do, and are due ten minutes later.
absl::Status CopyResting(Rig& rig, std::int64_t count) {
  ASSIGN_OR_RETURN(const std::int64_t originals, AtRest(rig));
  const std::string copy = "substr(id, 1, 24) || substr(CAST(1000000000000 + i AS TEXT), 2)";  // of a UUID, as is `key`
  const std::string copied_key = absl::StrReplaceAll(copy, {{"(id", "(key"}});
  const std::string rest =
      "definition, definition_version, key_scope, state, version, owner, next_run_at, create_time, update_time, "
      "accepted, progress, wait_ends_at";
  for (std::int64_t first = 1; (first - 1) * originals < count; first += kRounds) {
    RETURN_IF_ERROR(Execute(
        rig, absl::StrCat("INSERT INTO saga (id, key, due_at, ", rest, ") WITH RECURSIVE n (i) AS (SELECT ", first,
                          " UNION ALL SELECT i + 1 FROM n WHERE i < ", first + kRounds - 1, ") SELECT ", copy, ", ",
                          copied_key, ", due_at + 600000000000, ", rest,
                          " FROM saga CROSS JOIN n WHERE due_at IS NOT NULL AND substr(id, 25) NOT LIKE '0000%'")));
    Tell(absl::StrCat((first + kRounds - 1) * originals, " sagas rest"));
  }
  PostgresServer* const server = rig.cluster().postgres();
  return server == nullptr ? absl::OkStatus()
                           : server->Execute(NodeName(Node::kOrchestrator), "VACUUM ANALYZE").status();
}

// How long as many new orders take whose payment does not wait.
absl::StatusOr<double> SecondsOfNewOrders(const BenchOptions& bench, int count) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench));
  LoadOptions orders = rig->Orders();
  RETURN_IF_ERROR(rig->WarmUp(orders));
  orders.calls = static_cast<std::uint64_t>(count);
  return RunLoad(orders).seconds;
}

}  // namespace

Figures PlayWaiting(const BenchOptions& bench, const std::string& name) {
  const int count = bench.waiting;
  const TempDir folder;
  ASSIGN_OR_RETURN(const std::string definition, WriteCollectedOrders(folder));
  // As many polls as so many sagas make once their pauses have grown to the default cap.
  const int polls = std::max(1, static_cast<int>(count / (kOfCap * kCapSeconds)));
  RigOptions options{.flags = {{Node::kOrchestrator, {absl::StrCat("--poll_rate_max=", polls)}}},
                     .definitions = definition};
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench, std::move(options)));
  ASSIGN_OR_RETURN(const double kib, Fill(*rig, count));
  PrintLine(name, absl::StrFormat("%.2f KiB each of %d that wait, beyond the first %d", kib, count - kFirst, kFirst));
  ASSIGN_OR_RETURN(const Polling polling, WatchPolls(*rig));
  PrintLine("", absl::StrFormat("%.0f polls a second, as a cap of %d s gives, take %.1f %% of a core",
                                polling.per_second, kCapSeconds, 100 * polling.cores));
  RETURN_IF_ERROR(PayAll(*rig));
  ASSIGN_OR_RETURN(const Finish finish, NudgeAll(*rig));
  RETURN_IF_ERROR(rig->CheckBooks().status());
  ASSIGN_OR_RETURN(const double new_orders, SecondsOfNewOrders(bench, static_cast<int>(finish.nudged)));
  PrintLine("", absl::StrFormat("%d nudged at once (%d answered with an error): asked within %.1f s, ended within "
                                "%.1f s; as many new orders %.1f s, ratio %.2f",
                                static_cast<int>(finish.nudged), finish.lost, finish.asked_seconds,
                                finish.ended_seconds, new_orders, Ratio(finish.ended_seconds, new_orders)));
  return nlohmann::json{{"scenario", name},
                        {"waiting", count},
                        {"kib_per_saga", kib},
                        {"polls_per_second", polling.per_second},
                        {"cores", polling.cores},
                        {"nudged", finish.nudged},
                        {"nudges_lost", finish.lost},
                        {"asked_seconds", finish.asked_seconds},
                        {"ended_seconds", finish.ended_seconds},
                        {"new_orders_seconds", new_orders},
                        {"ended_over_new_orders", Ratio(finish.ended_seconds, new_orders)}};
}

Figures PlayAtRest(const BenchOptions& bench, const std::string& name) {
  const TempDir folder;
  ASSIGN_OR_RETURN(const std::string definition, WriteCollectedOrders(folder));
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench, {.flags = {}, .definitions = definition}));
  RETURN_IF_ERROR(Order(*rig, kOriginals));
  ASSIGN_OR_RETURN(const Snapshot before, rig->Look());
  RETURN_IF_ERROR(rig->cluster().Terminate(Node::kOrchestrator).status());
  RETURN_IF_ERROR(CopyResting(*rig, bench.finished));
  ASSIGN_OR_RETURN(const Snapshot after, rig->Look());

  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(rig->cluster().Restart(Node::kOrchestrator));
  const auto placing = rig->shop().Begin(Shop::Order("member-new", "product-0"), absl::Minutes(1));
  if (placing->SagaId(absl::Minutes(1)).empty()) return absl::DeadlineExceededError("no order is taken");
  const double served = absl::ToDoubleSeconds(absl::Now() - start);
  absl::SleepFor(kSettle);
  const double cpu = CpuSeconds(rig->cluster().Pid(Node::kOrchestrator));
  absl::SleepFor(kWatched);
  const double cores = (CpuSeconds(rig->cluster().Pid(Node::kOrchestrator)) - cpu) / absl::ToDoubleSeconds(kWatched);
  const double mib = rig->ResidentMib(Node::kOrchestrator);
  const double stored = static_cast<double>(after.bytes - before.bytes) / static_cast<double>(bench.finished);
  PrintLine(name, absl::StrFormat("%.0f bytes stored each; a restart takes the next order after %.1f s; then %.0f MiB "
                                  "and %.1f %% of a core",
                                  stored, served, mib, 100 * cores));
  return nlohmann::json{{"scenario", name}, {"at_rest", bench.finished},      {"bytes_per_saga", stored},
                        {"mib", mib},       {"served_after_seconds", served}, {"cores", cores}};
}

}  // namespace unwind
