#include <future>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "tests/bench/figures.h"
#include "tests/bench/plays.h"
#include "tests/bench/rig.h"

namespace unwind {
namespace {

constexpr char kSoldOut[] = "sold-out";
constexpr double kRate = 50;        // a second, of each kind of order
constexpr int kSlowMillis = 500;    // a charge; else it takes about 5
static_assert(kSlowMillis < 1000);  // payment_svc asks the gateway no longer

// Orders of a product that is sold out go to order_svc and stock_svc, forward and back, and never to payment_svc.
struct Both {
  LoadResult sold_out, paid;
};

absl::StatusOr<Both> RunBoth(const BenchOptions& bench, Rig& rig, int gateway_millis) {
  pg::v1::Scenario gateway;
  gateway.set_delay_ms(gateway_millis);
  RETURN_IF_ERROR(rig.shop().SetScenario(gateway));
  LoadOptions sold_out = rig.OrdersOf(kSoldOut), paid = rig.Orders();
  for (LoadOptions* const load : {&sold_out, &paid}) {
    load->rate = kRate;
    load->length = bench.length;
  }
  std::future<LoadResult> other = StartLoad(std::move(paid));
  Both both;
  both.sold_out = RunLoad(sold_out);
  both.paid = other.get();
  RETURN_IF_ERROR(rig.AwaitRest());
  return both;
}

void Print(const std::string& name, const Both& both) {
  PrintLine(name, absl::StrFormat("never charged %.0f/s, p50 %.1f ms, p99 %.1f ms; charged %.0f/s, p50 %.1f ms",
                                  both.sold_out.per_second(), Quantile(both.sold_out.millis, 0.50),
                                  Quantile(both.sold_out.millis, 0.99), both.paid.per_second(),
                                  Quantile(both.paid.millis, 0.50)));
}

}  // namespace

Figures PlaySlowParticipant(const BenchOptions& bench, const std::string& name) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Rig> rig, Rig::Start(bench));
  RETURN_IF_ERROR(rig->SellOut(kSoldOut));
  RETURN_IF_ERROR(rig->WarmUp(rig->Orders()));
  ASSIGN_OR_RETURN(const Both fast, RunBoth(bench, *rig, 0));
  ASSIGN_OR_RETURN(const Both slow, RunBoth(bench, *rig, kSlowMillis));
  RETURN_IF_ERROR(rig->CheckBooks().status());
  Print("the gateway is fast", fast);
  Print(name, slow);
  const auto ratio = [&](double part) {
    return Ratio(Quantile(slow.sold_out.millis, part), Quantile(fast.sold_out.millis, part));
  };
  nlohmann::json row = Describe(bench, name, slow.sold_out);
  row["fast"] = Describe(bench, "the gateway is fast", fast.sold_out);
  row["charged"] = Describe(bench, "charged meanwhile", slow.paid);
  row["p50_over_fast"] = ratio(0.50);
  row["p99_over_fast"] = ratio(0.99);
  PrintLine("", absl::StrFormat("never charged, slow / fast: p50 %.2f, p99 %.2f", ratio(0.50), ratio(0.99)));
  return row;
}

}  // namespace unwind
