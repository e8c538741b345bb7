#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "shop/payment/v1/payment_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"
#include "tests/support/checkouts.h"
#include "tests/support/cpu.h"
#include "tests/support/short_waits.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using shop::checkout::v1::CheckoutRequest;
using shop::checkout::v1::CheckoutResponse;
using shop::checkout::v1::CheckoutService;
using shop::payment::v1::PaymentService;
using shop::payment::v1::PayRequest;
using shop::payment::v1::PayResponse;

constexpr char kDefinitions[] = "orchestrator/sagas";
constexpr int kFirst = 1000;  // what every orchestrator needs anyway
constexpr absl::Duration kSettle = absl::Seconds(2);
constexpr absl::Duration kWatched = absl::Seconds(30);
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr absl::Duration kCallPatience = absl::Minutes(1);
constexpr absl::Duration kRepeatPause = absl::Milliseconds(200);  // before a call that says nothing is made again
constexpr absl::Duration kLookEvery = absl::Milliseconds(250);
constexpr int kCallers = 128;
constexpr int kConnections = 4;
constexpr int kProducts = 100;
constexpr int kOriginals = 100;        // of copies
constexpr std::int64_t kRounds = 200;  // of all originals in one transaction
constexpr int kCapSeconds = 300;       // the default `cap` of polls
constexpr double kOfCap = 0.875;       // a pause, on average
// Nobody waits for minutes: the pause before the first poll is that before each, and their rate does the rest.
constexpr Waits kWaits = {.poll = absl::Minutes(1), .cap = absl::Minutes(1), .patience = absl::Hours(24)};

// A rig of the shop's definitions, whose checkouts wait as kWaits says.
absl::StatusOr<std::unique_ptr<Rig>> StartRig(const BenchOptions& bench, const TempDir& folder, RigOptions options) {
  options.definitions = folder.File("sagas");
  RETURN_IF_ERROR(WriteWithWaits(kDefinitions, options.definitions, kWaits));
  return Rig::Start(bench, std::move(options));
}

// Calls of many, who insist on an answer.
class Burst {
 public:
  using Done = std::function<void(grpc::Status)>;

  // Calls `call(i, done)` for each i below `calls`, at most kCallers of them under way, and again, after a pause, where
  // the answer says nothing.
  absl::Status Run(std::size_t calls, const std::function<void(std::size_t i, Done done)>& call) {
    std::unique_lock lock(mutex_);
    for (std::size_t i = 0; i < calls; ++i) to_make_.push_back({i, absl::InfinitePast()});
    for (;;) {
      changed_.wait(lock, [this] { return to_make_.empty() ? under_way_ == 0 : under_way_ < kCallers; });
      if (to_make_.empty()) break;
      const ToMake next = to_make_.front();
      to_make_.pop_front();
      ++under_way_;
      lock.unlock();
      if (const absl::Time now = absl::Now(); now < next.not_before) absl::SleepFor(next.not_before - now);
      call(next.i, [this, i = next.i](const grpc::Status& status) { Ended(i, status); });
      lock.lock();
    }
    if (failed_ == 0) return absl::OkStatus();
    return absl::InternalError(absl::StrCat(failed_, " of ", calls, " calls failed, such as: ", error_));
  }

  // Of a burst that has run.
  int repeats() const { return repeats_; }

 private:
  struct ToMake {
    std::size_t i = 0;
    absl::Time not_before;
  };

  void Ended(std::size_t i, const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    --under_way_;
    if (AskAgain(status) && absl::Now() < until_) {
      ++repeats_;
      to_make_.push_back({i, absl::Now() + kRepeatPause});
    } else if (!status.ok()) {
      ++failed_;
      error_ = status.error_message();
    }
    changed_.notify_one();
  }

  const absl::Time until_ = absl::Now() + kPatience;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ToMake> to_make_;  // in the order of their times; guarded by mutex_, as all below
  int under_way_ = 0;
  int repeats_ = 0;
  int failed_ = 0;
  std::string error_;
};

template <class Request, class Response>
struct OneCall {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  Request request;
  Response response;
};

// Lets go of the channel before it says so: gRPC does not survive that its last holder is gRPC's own thread.
template <class Request, class Response>
std::function<void(grpc::Status)> Ends(std::shared_ptr<OneCall<Request, Response>> call, Burst::Done done) {
  call->context->set_deadline(absl::ToChronoTime(absl::Now() + kCallPatience));
  return [call = std::move(call), done = std::move(done)](const grpc::Status& status) {
    call->context.reset();
    done(status);
  };
}

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

// Takes so many more orders, whose callers are told where to pay. How many calls were repeated for that.
absl::StatusOr<int> Order(Rig& rig, int count) {
  ASSIGN_OR_RETURN(const std::int64_t before, AtRest(rig));
  std::vector<std::unique_ptr<CheckoutService::Stub>> stubs;
  for (int i = 0; i < kConnections; ++i) {
    stubs.push_back(CheckoutService::NewStub(rig.cluster().Channel(Node::kOrchestrator, 1 + i)));
  }
  const std::string keys = NewKey();
  Burst burst;
  RETURN_IF_ERROR(burst.Run(static_cast<std::size_t>(count), [&](std::size_t i, const Burst::Done& done) {
    auto call = std::make_shared<OneCall<CheckoutRequest, CheckoutResponse>>();
    call->request = Checkouts::Of(absl::StrCat("member-", i), absl::StrCat("product-", i % kProducts));
    call->request.set_request_id(absl::StrCat(keys, "-", i));
    auto ends = Ends(call, done);
    stubs[i % stubs.size()]->async()->Checkout(call->context.get(), &call->request, &call->response, std::move(ends));
  }));
  RETURN_IF_ERROR(AwaitAtRest(rig, (before + count) * 9 / 10));  // some are asked about at any moment
  return burst.repeats();
}

struct Filled {
  double kib = 0;   // of each of the sagas that rest, beyond the first
  int repeats = 0;  // of their calls
};

absl::StatusOr<Filled> Fill(Rig& rig, int count) {
  ASSIGN_OR_RETURN(const int first, Order(rig, kFirst));
  absl::SleepFor(kSettle);
  const double before = rig.ResidentMib(Node::kOrchestrator);
  ASSIGN_OR_RETURN(const int repeats, Order(rig, count - kFirst));
  absl::SleepFor(kSettle);
  return Filled{.kib = (rig.ResidentMib(Node::kOrchestrator) - before) * 1024 / (count - kFirst),
                .repeats = first + repeats};
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

absl::Status Execute(Rig& rig, Node node, const std::string& sql) {
  if (PostgresServer* const server = rig.cluster().postgres(); server != nullptr) {
    return server->Execute(NodeName(node), sql).status();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Open(rig.cluster().Database(node)));
  return connection->Write([&](soci::session& session) {
    session << "PRAGMA cache_size = -524288";  // room for the indexes; KiB
    session << sql;
    return absl::OkStatus();
  });
}

// Each customer pays, and the gateway takes an hour over it. How many calls were repeated for that.
absl::StatusOr<int> PayAll(Rig& rig) {
  pg::v1::Scenario later;
  later.set_async_percent(100);
  later.set_async_delay_ms(static_cast<int>(absl::ToInt64Milliseconds(absl::Hours(1))));
  RETURN_IF_ERROR(rig.shop().SetScenario(later));
  ASSIGN_OR_RETURN(const std::vector<std::string> open,
                   rig.Texts(Node::kPayment, "SELECT payment_id || ' ' || member_id FROM payments"));
  const auto stub = PaymentService::NewStub(rig.cluster().Channel(Node::kPayment));
  Burst burst;
  RETURN_IF_ERROR(burst.Run(open.size(), [&](std::size_t i, const Burst::Done& done) {
    const std::pair<std::string, std::string> ids = absl::StrSplit(open[i], ' ');
    auto call = std::make_shared<OneCall<PayRequest, PayResponse>>();
    call->request = Checkouts::PaymentOf(ids.first, ids.second);
    call->context->AddMetadata("idempotency-key", absl::StrCat("pay-", ids.first));
    auto ends = Ends(call, done);
    stub->async()->Pay(call->context.get(), &call->request, &call->response, std::move(ends));
  }));
  return burst.repeats();
}

struct Finish {
  std::int64_t waited = 0;
  std::int64_t polled = 0;    // whose nudge was not heard
  double taken_seconds = 0;   // until the last webhook was stored
  double asked_seconds = 0;   // until the last next call was decided
  double ended_seconds = 0;   // until the last saga has ended
  nlohmann::json cpu_micros;  // of each
};

// The gateway is away until all of its captures are due, and back with a webhook of each.
absl::StatusOr<Finish> FinishAllAtOnce(Rig& rig) {
  RETURN_IF_ERROR(rig.cluster().Terminate(Node::kGateway).status());
  RETURN_IF_ERROR(Execute(rig, Node::kGateway, "UPDATE intents SET due_us = 0"));
  Finish finish;
  ASSIGN_OR_RETURN(finish.waited, rig.Unfinished());
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(rig.cluster().Restart(Node::kGateway));
  ASSIGN_OR_RETURN(const Snapshot before, rig.Look());
  RETURN_IF_ERROR(rig.AwaitRest(kPatience));
  ASSIGN_OR_RETURN(const Snapshot after, rig.Look());
  finish.cpu_micros = CpuMicrosPerSaga(before, after, finish.waited);
  const auto seconds = [&](Node node, const std::string& sql) -> absl::StatusOr<double> {
    ASSIGN_OR_RETURN(const std::int64_t at, rig.Number(node, sql));
    return static_cast<double>(at - absl::ToUnixNanos(start)) / 1e9;
  };
  ASSIGN_OR_RETURN(finish.taken_seconds,
                   seconds(Node::kPayment, "SELECT MAX(receive_time_us) * 1000 FROM webhook_events"));
  const std::string calls = " FROM saga JOIN saga_event ON saga_id = id WHERE definition = 'checkout' AND what ";
  ASSIGN_OR_RETURN(finish.asked_seconds,
                   seconds(Node::kOrchestrator, absl::StrCat("SELECT MAX(at)", calls, "IN ('nudged', 'ticked')")));
  ASSIGN_OR_RETURN(finish.ended_seconds,
                   seconds(Node::kOrchestrator, "SELECT MAX(update_time) FROM saga WHERE definition = 'checkout'"));
  ASSIGN_OR_RETURN(const std::int64_t nudged,
                   rig.Number(Node::kOrchestrator, absl::StrCat("SELECT COUNT(DISTINCT id)", calls, "= 'nudged'")));
  finish.polled = finish.waited - nudged;
  return finish;
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
    RETURN_IF_ERROR(
        Execute(rig, Node::kOrchestrator,
                absl::StrCat("INSERT INTO saga (id, key, due_at, ", rest, ") WITH RECURSIVE n (i) AS (SELECT ", first,
                             " UNION ALL SELECT i + 1 FROM n WHERE i < ", first + kRounds - 1, ") SELECT ", copy, ", ",
                             copied_key, ", due_at + 600000000000, ", rest,
                             " FROM saga CROSS JOIN n WHERE due_at IS NOT NULL AND substr(id, 25) NOT LIKE '0000%'")));
    Tell(absl::StrCat((first + kRounds - 1) * originals, " sagas rest"));
  }
  PostgresServer* const server = rig.cluster().postgres();
  return server == nullptr ? absl::OkStatus()
                           : server->Execute(NodeName(Node::kOrchestrator), "VACUUM ANALYZE").status();
}

struct NewOrders {
  double seconds = 0;
  nlohmann::json cpu_micros;  // of each
};

// As many, whose payment does not wait.
absl::StatusOr<NewOrders> TakeNewOrders(const BenchOptions& bench, std::int64_t count) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench));
  LoadOptions orders = rig->Orders();
  RETURN_IF_ERROR(rig->WarmUp(orders));
  orders.calls = static_cast<std::uint64_t>(count);
  ASSIGN_OR_RETURN(const Snapshot before, rig->Look());
  const double seconds = RunLoad(orders).seconds;
  RETURN_IF_ERROR(rig->AwaitRest());
  ASSIGN_OR_RETURN(const Snapshot after, rig->Look());
  return NewOrders{seconds, CpuMicrosPerSaga(before, after, count)};
}

}  // namespace

Figures PlayWaiting(const BenchOptions& bench, const std::string& name) {
  const int count = bench.waiting;
  const TempDir folder;
  // As many polls as so many sagas make once their pauses have grown to the default cap.
  const int polls = std::max(1, static_cast<int>(count / (kOfCap * kCapSeconds)));
  RigOptions options{.flags = {{Node::kOrchestrator, {absl::StrCat("--poll_rate_max=", polls)}}}, .webhooks = true};
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, StartRig(bench, folder, std::move(options)));
  ASSIGN_OR_RETURN(const Filled filled, Fill(*rig, count));
  PrintLine(name,
            absl::StrFormat("%.2f KiB each of %d that wait, beyond the first %d", filled.kib, count - kFirst, kFirst));
  ASSIGN_OR_RETURN(const Polling polling, WatchPolls(*rig));
  PrintLine("", absl::StrFormat("%.0f polls a second, as a cap of %d s gives, take %.1f %% of a core",
                                polling.per_second, kCapSeconds, 100 * polling.cores));
  ASSIGN_OR_RETURN(const int repeated_payments, PayAll(*rig));
  PrintLine("", absl::StrFormat("%d calls of the checkouts were repeated, and %d of their payments", filled.repeats,
                                repeated_payments));
  ASSIGN_OR_RETURN(const Finish finish, FinishAllAtOnce(*rig));
  RETURN_IF_ERROR(rig->CheckBooks().status());
  PrintLine("", absl::StrFormat("%d webhooks at once (%d sagas heard of theirs by a poll): taken within %.1f s, asked "
                                "within %.1f s, ended within %.1f s",
                                finish.waited, finish.polled, finish.taken_seconds, finish.asked_seconds,
                                finish.ended_seconds));
  PrintParts(finish.cpu_micros);
  ASSIGN_OR_RETURN(const NewOrders fresh, TakeNewOrders(bench, finish.waited));
  const double ratio = Ratio(finish.ended_seconds, fresh.seconds);
  PrintLine("", absl::StrFormat("as many new orders %.1f s, ratio %.2f", fresh.seconds, ratio));
  PrintParts(fresh.cpu_micros);
  return nlohmann::json{{"scenario", name},
                        {"waiting", count},
                        {"kib_per_saga", filled.kib},
                        {"repeated_checkouts", filled.repeats},
                        {"repeated_payments", repeated_payments},
                        {"polls_per_second", polling.per_second},
                        {"cores", polling.cores},
                        {"webhooks", finish.waited},
                        {"polled", finish.polled},
                        {"taken_seconds", finish.taken_seconds},
                        {"asked_seconds", finish.asked_seconds},
                        {"ended_seconds", finish.ended_seconds},
                        {"new_orders_seconds", fresh.seconds},
                        {"ended_over_new_orders", ratio},
                        {"cpu_micros_per_saga", finish.cpu_micros},
                        {"new_orders_cpu_micros", fresh.cpu_micros}};
}

Figures PlayAtRest(const BenchOptions& bench, const std::string& name) {
  const TempDir folder;
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, StartRig(bench, folder, {}));
  RETURN_IF_ERROR(Order(*rig, kOriginals).status());
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
