#include "tests/sim/simulation.h"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "coupon_svc/coupon_domain.h"
#include "coupon_svc/coupon_service.h"
#include "order_svc/order_domain.h"
#include "order_svc/order_service.h"
#include "payment_svc/payment_domain.h"
#include "payment_svc/payment_service.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "stock_svc/stock_domain.h"
#include "stock_svc/stock_service.h"
#include "tests/sim/books.h"
#include "tests/sim/customers.h"
#include "tests/sim/depot.h"
#include "tests/sim/gateway.h"
#include "tests/sim/invariants.h"
#include "tests/sim/load.h"
#include "tests/sim/network.h"
#include "tests/sim/nudges.h"
#include "tests/sim/orchestrator.h"
#include "tests/sim/sale_laws.h"
#include "tests/sim/service.h"
#include "tests/sim/store.h"
#include "wallet_svc/wallet_domain.h"
#include "wallet_svc/wallet_service.h"

namespace unwind::sim {
namespace {

constexpr int kEventsPerCheck = 1000;
constexpr absl::Duration kRestWithin = absl::Hours(6);  // after the last fault, of simulated time
constexpr absl::Duration kLook = absl::Seconds(1);      // how often it is asked whether all is at rest
constexpr absl::Duration kReplayWithin = absl::Seconds(20);
constexpr absl::Duration kReplayTurn = absl::Milliseconds(500);  // so that a transaction serves many
constexpr std::int64_t kEventsMax = 3'000'000;

class Simulation {
 public:
  Simulation(Shop& shop, const SimulationOptions& options)
      : shop_(shop),
        world_(options.seed, options.tells),
        faults_(world_),
        network_(world_, faults_),
        store_(world_, faults_, options.bug),
        gateway_(world_, faults_),
        order_(world_, faults_, options.bug, OrderSetup()),
        stock_(world_, faults_, options.bug, StockSetup()),
        payment_(world_, faults_, options.bug, PaymentSetup()),
        depot_(world_, faults_, options.bug, DepotSetup()),
        coupon_(world_, faults_, options.bug, CouponSetup()),
        wallet_(world_, faults_, options.bug, WalletSetup()),
        instances_(world_.dice().Between(1, 2)),
        nudges_(world_, faults_, network_, instances_),
        customers_(world_, faults_, network_, nudges_),
        invariants_(world_, faults_, store_, shop.catalog()),
        scarce_(world_.dice().Between(0, options.sagas)),
        span_(world_.dice().Spread(absl::Seconds(1), absl::Seconds(90))) {
    const auto accepted = [this](const std::string& definition, const std::string& key, const std::string& saga_id) {
      invariants_.Accepted(definition, key, saga_id);
      load_->Accepted(key, saga_id);
    };
    for (const auto& definition : shop.definitions()) {
      const Plan& plan = definition->plan();
      CHECK(store_.rows().PutDefinition({plan.name, plan.version, definition->hash(), "", ""}).ok());
    }
    PlanFollowers();
    for (int i = 0; i < instances_; ++i) {
      const Node node = i == 0 ? Node::kOrchestratorA : Node::kOrchestratorB;
      const Edition edition = i > 0 && world_.dice().Chance(0.5) ? Edition::kOlder : Edition::kNewer;
      if (edition == Edition::kOlder) store_.NoteUnaware(NameOf(node));
      orchestrators_.push_back(std::make_unique<Orchestrator>(world_, faults_, network_, store_, shop, edition,
                                                              options.bug, node, accepted));
      network_.Connect(node, *orchestrators_.back());
    }
    network_.Connect(Node::kOrder, order_);
    network_.Connect(Node::kStock, stock_);
    network_.Connect(Node::kPayment, payment_);
    network_.Connect(Node::kDepot, depot_);
    network_.Connect(Node::kCoupon, coupon_);
    network_.Connect(Node::kWallet, wallet_);
    network_.Connect(Node::kGateway, gateway_);
    network_.Watch(invariants_);
    shop.Stock(scarce_);
    load_ = std::make_unique<Load>(world_, faults_, network_, customers_, options.sagas, span_, instances_);
  }

  SimulationResult Run() {
    PlanTrouble();
    const absl::Time heals = world_.now() + span_ + world_.dice().Between(absl::Seconds(1), absl::Seconds(60));
    RunUntil([&] { return world_.now() >= heals; });
    Heal();
    bool rests = RunToRest("the faults");
    if (rests && (world_.dice().Chance(0.5) || AnyWaitsForAnother()) && Mend()) {
      rests = RunToRest("the operator's requests");
    }
    if (rests) CheckEnd();
    SimulationResult result;
    result.violations = world_.violations();
    result.story = world_.story();
    result.tally = faults_.tally();
    result.tally.seeds = 1;
    result.tally.events = world_.events();
    result.tally.simulated_seconds = absl::ToDoubleSeconds(world_.now() - began_);
    for (const Saga& saga : store_.All()) world_.Mix(static_cast<std::int64_t>(saga.state));
    result.hash = world_.hash();
    return result;
  }

 private:
  // Every old message changes nothing; then everything must add up.
  void CheckEnd() {
    CheckBooks();
    const std::string before = Everything();
    ReplayAll();
    if (RunToRest("the replay") && Everything() != before) {
      world_.Violate("I8", absl::StrCat("old messages changed something:", Difference(before, Everything())));
    }
    invariants_.CheckEnd(ReadBooks(shop_, gateway_.entries()), Poisoned(), customers_);
  }

  // What parked steps and what made the store refuse rows is mended, and a person says so. False: nothing stood still.
  bool Mend() {
    for (Service* const service : Services()) service->Cure();
    bool any = false;
    for (const Saga& saga : store_.All()) {
      if (!IsTerminal(saga.state) && store_.IsRefused(saga.id)) {
        any = true;
        faults_.tally().Count(Outcome::kMended);
        AnyOrchestrator().Ask(saga.id, CancelRequested{"operator", "the store takes its row again"});
        continue;
      }
      for (std::size_t i = 0; i < saga.steps.size(); ++i) {
        if (!saga.steps[i].parked) continue;
        any = true;
        faults_.tally().Count(Outcome::kOperated);
        const Verb verb = IsUnbuilt(saga) ? Verb::kSkip : Verb::kRetry;
        AnyOrchestrator().Ask(saga.id,
                              Operated{verb, static_cast<int>(i), "", "operator", "what refused it is mended"});
      }
    }
    store_.MendRows();
    return any;
  }

  // Of the newer instances the first to start says who follows whom: at once, or while sagas run.
  void PlanFollowers() {
    const auto put = [this] { CHECK(store_.rows().PutFollowers(0, shop_.followers()).ok()); };
    if (world_.dice().Chance(0.7)) return put();
    world_.In(world_.dice().Between(absl::ZeroDuration(), span_), put);
  }

  ServiceSetup OrderSetup() {
    return {.node = Node::kOrder,
            .database = shop_.orders(),
            .table = order::OrderTable(),
            .crash = Fault::kOrderCrash,
            .new_domain = [](const Clock& clock, const std::function<bool()>&) { return order::NewOrderDomain(clock); },
            .on_pending = {}};
  }
  ServiceSetup StockSetup() {
    return {.node = Node::kStock,
            .database = shop_.stock(),
            .table = stock::StockTable(),
            .crash = Fault::kStockCrash,
            .new_domain = [](const Clock& clock, const std::function<bool()>&) { return stock::NewStockDomain(clock); },
            .on_pending = {}};
  }
  ServiceSetup PaymentSetup() {
    // The gateways of dead processes stay: an answer may still be under way to them.
    return {.node = Node::kPayment,
            .database = shop_.payments(),
            .table = payment::PaymentTable(),
            .crash = Fault::kPaymentCrash,
            .new_domain =
                [this](const Clock& clock, std::function<bool()> alive) {
                  ports_.push_back(std::make_unique<GatewayPort>(network_, std::move(alive)));
                  return payment::NewPaymentDomain(*ports_.back(), clock);
                },
            .on_pending = TellLater(Node::kPayment)};
  }
  ServiceSetup DepotSetup() {
    const std::uint64_t seed = world_.dice().Next();
    return {.node = Node::kDepot,
            .database = shop_.depot(),
            .table = DepotTable(),
            .crash = Fault::kDepotCrash,
            .new_domain = [this, seed](
                              const Clock& clock,
                              const std::function<bool()>&) { return NewDepotDomain(world_, faults_, seed, clock); },
            .on_pending = TellLater(Node::kDepot)};
  }
  std::function<void(const Request&)> TellLater(Node node) {
    return [this, node](const Request& call) {
      nudges_.Tell(node, std::string(call.Metadata("saga-id")), std::string(call.Metadata("saga-step")));
    };
  }

  ServiceSetup CouponSetup() {
    return {
        .node = Node::kCoupon,
        .database = shop_.coupons(),
        .table = coupon::CouponTable(),
        .crash = Fault::kCouponCrash,
        .new_domain = [](const Clock& clock, const std::function<bool()>&) { return coupon::NewCouponDomain(clock); },
        .on_pending = {}};
  }
  ServiceSetup WalletSetup() {
    return {
        .node = Node::kWallet,
        .database = shop_.wallets(),
        .table = wallet::WalletTable(),
        .crash = Fault::kWalletCrash,
        .new_domain = [](const Clock& clock, const std::function<bool()>&) { return wallet::NewWalletDomain(clock); },
        .on_pending = {}};
  }

  // What befalls whole processes and links: again and again, at a pace of its own.
  void PlanTrouble() {
    Repeat(Fault::kOrchestratorCrash, [this] { AnyOrchestrator().Crash(); });
    Repeat(Fault::kOrchestratorPause, [this] {
      AnyOrchestrator().Pause(world_.dice().Spread(absl::Milliseconds(100), absl::Seconds(20)), false);
    });
    Repeat(Fault::kZombie,
           [this] { AnyOrchestrator().Pause(world_.dice().Spread(absl::Milliseconds(300), absl::Seconds(20)), true); });
    for (Service* const service : Services()) {
      Repeat(service->crash_kind(), [service] { service->Crash(); });
    }
    Repeat(Fault::kGatewayCrash, [this] { gateway_.Crash(); });
    Repeat(Fault::kSlowService, [this] {
      Service* const service = Services()[static_cast<std::size_t>(world_.dice().Between(0, kServices - 1))];
      service->SlowDown(world_.now() + world_.dice().Spread(absl::Seconds(1), absl::Seconds(40)),
                        world_.dice().Spread(absl::Milliseconds(300), absl::Seconds(8)));
    });
    Repeat(Fault::kStoreAway, [this] {
      world_.Tell("store", "goes away");
      store_.GoAway(world_.now() + world_.dice().Spread(absl::Milliseconds(50), absl::Seconds(20)));
    });
    Repeat(Fault::kStoreRefuses, [this] {
      world_.Tell("store", "refuses every write");
      store_.RefuseWrites(world_.now() + world_.dice().Spread(absl::Milliseconds(50), absl::Seconds(20)));
    });
    Repeat(Fault::kPartition, [this] { Partition(); });
    Repeat(Fault::kClockForward, [this] { Jump(1); });
    Repeat(Fault::kClockBack, [this] { Jump(-1); });
    Repeat(Fault::kStepRetried, [this] { RetryAStep(); });
    Repeat(Fault::kDefinitionPaused, [this] {
      constexpr const char* kPaused[] = {"place-order", "sale", "after-sale"};
      AnyOrchestrator().PauseDefinition(kPaused[world_.dice().Between(0, 2)]);
      world_.In(world_.dice().Spread(absl::Seconds(1), absl::Seconds(20)), [this] { store_.EndPauses(); });
    });
    Repeat(Fault::kPolicySwitchedOn, [this] {  // at all at once, as docs/SECURITY.md asks for
      for (const auto& orchestrator : orchestrators_) orchestrator->SwitchPolicyOn();
    });
  }

  void Repeat(Fault fault, std::function<void()> strike) {
    if (!faults_.on(fault)) return;
    const absl::Duration pause = world_.dice().Spread(absl::Seconds(1), absl::Seconds(30)) / faults_.intensity(fault);
    world_.In(world_.dice().Between(absl::ZeroDuration(), std::min(pause, span_)),
              [this, fault, strike = std::move(strike)] {
                if (faults_.healed()) return;
                faults_.Count(fault);
                strike();
                Repeat(fault, strike);
              });
  }

  void Partition() {
    const Node from = static_cast<Node>(world_.dice().Between(0, kNodes - 1));
    const Node to = static_cast<Node>(world_.dice().Between(0, kNodes - 1));
    const bool both = world_.dice().Chance(0.5);
    world_.Tell("network", NameOf(from), " cannot reach ", NameOf(to), both ? ", nor the other way" : "");
    network_.Cut(from, to, true);
    if (both) network_.Cut(to, from, true);
    world_.In(world_.dice().Spread(absl::Milliseconds(100), absl::Seconds(45)), [this, from, to] {
      network_.Cut(from, to, false);
      network_.Cut(to, from, false);
    });
  }

  void Jump(int sign) {
    const absl::Duration by =
        sign * world_.dice().Spread(absl::Seconds(1), world_.dice().Chance(0.1) ? absl::Hours(1) : absl::Minutes(3));
    const int who = world_.dice().Between(0, kServices + 1);
    if (who > kServices) return gateway_.clock().set_error(by);
    if (who == 0) return AnyOrchestrator().Jump(by);
    Service* const service = Services()[static_cast<std::size_t>(who - 1)];
    world_.Tell(NameOf(service->node()), "'s clock jumps to ", absl::FormatDuration(by));
    service->clock().set_error(by);
  }

  // Whatever it is doing: a step that does not repeat is left alone. As SagaService does, for the version that was
  // read, which may have moved meanwhile.
  void RetryAStep() {
    std::vector<Saga> sagas = store_.All();
    if (world_.dice().Chance(0.9)) std::erase_if(sagas, [](const Saga& saga) { return IsTerminal(saga.state); });
    if (sagas.empty()) return;
    const Saga& saga = sagas[world_.dice().Next() % sagas.size()];
    const int step = world_.dice().Between(0, static_cast<int>(saga.steps.size()) - 1);
    world_.In(world_.dice().Spread(absl::Milliseconds(1), absl::Seconds(1)),
              [this, id = saga.id, step, seen = saga.version] {
                AnyOrchestrator().Ask(id, Operated{Verb::kRetry, step, "", "operator", "impatience"}, seen);
              });
  }

  Orchestrator& AnyOrchestrator() { return *orchestrators_[world_.dice().Next() % orchestrators_.size()]; }
  static constexpr int kServices = 6;
  std::array<Service*, kServices> Services() { return {&order_, &stock_, &payment_, &depot_, &coupon_, &wallet_}; }

  void Heal() {
    world_.Tell("world", "heals");
    well_since_ = world_.now();
    faults_.Heal();
    network_.MendAll();
    store_.GoAway(world_.now());
    store_.RefuseWrites(world_.now());
    store_.EndPauses();
    gateway_.Heal();
    gateway_.clock().set_error(absl::ZeroDuration());
    for (Service* const service : Services()) {
      service->clock().set_error(absl::ZeroDuration());
      service->SlowDown(world_.now(), absl::ZeroDuration());
    }
    for (const auto& orchestrator : orchestrators_) orchestrator->Heal();
  }

  // Half of the time so late that only a call's age, not its barrier row, is needed to keep it out.
  void ReplayAll() {
    world_.Tell("world", "delivers every old message once more");
    if (world_.dice().Chance(0.5)) {
      for (Service* const service : Services()) service->clock().set_error(absl::Minutes(20));
    }
    for (Service* const service : Services()) service->SlowDown(world_.now() + kReplayWithin, kReplayTurn);
    network_.ReplayAll(kReplayWithin, [this](const Request& request) {
      const bool is_customers = request.method == kPay || request.method == kCancelPayment;
      if (is_customers) return customers_.IsAnswered(std::string(request.Metadata("idempotency-key")));
      return invariants_.IsSettled(request);
    });
  }

  template <class Done>
  void RunUntil(Done done) {
    while (!done() && world_.violations().empty() && world_.events() < kEventsMax && world_.Step()) {
      if (world_.events() % kEventsPerCheck == 0) CheckBooks();
    }
  }

  void CheckBooks() { invariants_.CheckBooks(ReadBooks(shop_, gateway_.entries()), scarce_); }

  // For a whole second, so that what came last was read.
  bool RunToRest(const char* after) {
    const absl::Time last = world_.now() + kRestWithin;
    absl::Time look = world_.now() + kLook;
    bool rests = false, rested = false;
    RunUntil([&] {
      if (world_.now() < look) return false;
      look = world_.now() + kLook;
      CheckLateWaits();
      const bool before = std::exchange(rested, IsAtRest());
      rests = before && rested;
      return rests || world_.now() > last;
    });
    if (rests || !world_.violations().empty()) return rests;
    // A saga that waits for another repeats its call, and its buyer hers, until a person has mended that other.
    if (AnyWaitsForAnother() && AllSagasRest()) return true;
    world_.Violate("I7", absl::StrCat("no rest after ", after, WhatIsOpen()));
    return false;
  }

  // Of healed worlds.
  void CheckLateWaits() {
    const bool all_run = std::all_of(orchestrators_.begin(), orchestrators_.end(),
                                     [](const auto& orchestrator) { return orchestrator->runs(); });
    if (!all_run) well_since_ = world_.now();
    for (const Saga& saga : store_.All()) {
      if (IsTerminal(saga.state) || store_.IsRefused(saga.id)) continue;
      const auto definition = shop_.catalog().Find(saga.definition, saga.definition_version);
      unwind::sim::CheckLateWaits(world_, definition->plan(), saga, well_since_);
    }
  }

  bool IsAtRest() {
    if (!load_->done() || network_.under_way() > 0 || !gateway_.idle()) return false;
    for (Service* const service : Services()) {
      if (!service->idle()) return false;
    }
    for (const auto& orchestrator : orchestrators_) {
      if (!orchestrator->idle()) return false;
    }
    return AllSagasRest();
  }

  bool AllSagasRest() {
    const std::vector<Saga> sagas = store_.All();
    return std::all_of(sagas.begin(), sagas.end(), [this](const Saga& saga) { return IsAtRest(saga); });
  }

  // Over, or waiting for a person with nothing else to do, or for a saga that waits for one.
  bool IsAtRest(const Saga& saga) { return IsTerminal(saga.state) || StandsStill(saga) || WaitsForAnother(saga); }

  bool StandsStill(const Saga& saga) const {
    if (IsTerminal(saga.state)) return false;
    if (store_.IsRefused(saga.id)) return true;
    const Plan& plan = shop_.catalog().Find(saga.definition, saga.definition_version)->plan();
    return saga.state == SagaState::kParked && Outstanding(saga).empty() &&
           NextRunAt(plan, saga) == absl::InfiniteFuture();
  }

  // A cancellation whose order's own saga stands still: what it gives back is not sold yet.
  bool WaitsForAnother(const Saga& saga) {
    if (saga.definition != "cancel-order" || IsTerminal(saga.state)) return false;
    ::shop::checkout::v1::CancelOrderRequest request;
    request.ParseFromString(saga.input);
    const absl::StatusOr<Saga> order = store_.rows().Load(request.order_id());
    return order.ok() && StandsStill(*order);
  }

  bool AnyWaitsForAnother() {
    const std::vector<Saga> sagas = store_.All();
    return std::any_of(sagas.begin(), sagas.end(), [this](const Saga& saga) { return WaitsForAnother(saga); });
  }

  std::string WhatIsOpen() {
    std::string text;
    if (!load_->done()) absl::StrAppend(&text, "; callers still wait");
    if (network_.under_way() > 0) absl::StrAppend(&text, "; messages are under way");
    for (const Saga& saga : store_.All()) {
      if (!IsAtRest(saga)) absl::StrAppend(&text, "; saga ", saga.id, " is not over");
    }
    return text;
  }

  std::set<std::string> Poisoned() {
    std::set<std::string> all;
    for (Service* const service : Services()) all.insert(service->poisoned().begin(), service->poisoned().end());
    return all;
  }

  // Every row of every participant, and of the orchestrators.
  std::string Everything() {
    std::string text = absl::StrCat(shop_.orders().Dump(), shop_.stock().Dump(), shop_.payments().Dump(),
                                    shop_.depot().Dump(), shop_.coupons().Dump(), shop_.wallets().Dump());
    for (const pg::Entry& entry : gateway_.entries()) absl::StrAppend(&text, entry.idempotency_key, "\n");
    for (const Saga& saga : store_.All()) absl::StrAppend(&text, saga.id, " ", saga.version, "\n");
    return text;
  }

  // The first line that is not the same.
  static std::string Difference(const std::string& before, const std::string& after) {
    std::size_t i = 0;
    while (i < before.size() && i < after.size() && before[i] == after[i]) ++i;
    const std::size_t line = i == 0 ? 0 : after.rfind('\n', i - 1) + 1;
    return absl::StrCat(" was ", before.substr(line, before.find('\n', i) - line), ", is ",
                        after.substr(line, after.find('\n', i) - line));
  }

  Shop& shop_;
  World world_;
  const absl::Time began_ = world_.now();
  absl::Time well_since_ = absl::InfiniteFuture();
  Faults faults_;
  Network network_;
  Store store_;
  GatewayServer gateway_;
  std::vector<std::unique_ptr<GatewayPort>> ports_;
  Service order_;
  Service stock_;
  Service payment_;
  Service depot_;
  Service coupon_;
  Service wallet_;
  const int instances_;  // of the orchestrator
  Nudges nudges_;
  Customers customers_;
  Invariants invariants_;
  std::vector<std::unique_ptr<Orchestrator>> orchestrators_;
  const int scarce_;
  const absl::Duration span_;
  std::unique_ptr<Load> load_;
};

}  // namespace

SimulationResult Simulate(Shop& shop, const SimulationOptions& options) {
  const auto simulation = std::make_unique<Simulation>(shop, options);
  try {
    return simulation->Run();
  } catch (const std::exception& error) {  // SQL that a CHECK or a foreign key refuses
    SimulationResult result;
    result.violations = {absl::StrCat("I1: ", error.what())};
    return result;
  }
}

}  // namespace unwind::sim
