// Pay with card A, whose outcome stays unknown; then with card B, or a cancel; then the decision. In every order of
// what the gateway does and says, of its webhooks and of the decision, each order against the real domain, store and
// settler: in the end at most one capture stands, and it is the one that the payment and its customer know of.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/rpc/error.h"
#include "gtest/gtest.h"
#include "payment_svc/collect_store.h"
#include "payment_svc/payment_store.h"
#include "tests/contract/payment_harness.h"
#include "tests/contract/scripted_gateway.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;

const Money& Amount() {
  static const auto* const amount = new Money{1000, "KRW"};
  return *amount;
}

constexpr int kWorkers = 64;                            // orders that are played at once, so that they share commits
constexpr absl::Duration kPatience = absl::Minutes(1);  // with a store that may be busy

enum class Event { kTakeA, kHookA, kPayB, kSeeB, kHookB, kCancel, kSeeCancel, kDecide, kSeeDecide, kUnheardA };

const char* NameOf(Event event) {
  switch (event) {
    case Event::kTakeA:
      return "the gateway takes A";
    case Event::kHookA:
      return "webhook of A";
    case Event::kPayB:
      return "pay with B";
    case Event::kSeeB:
      return "the gateway sees B's question";
    case Event::kHookB:
      return "webhook of B";
    case Event::kCancel:
      return "cancel";
    case Event::kSeeCancel:
      return "the gateway sees the cancel's question";
    case Event::kDecide:
      return "decide";
    case Event::kSeeDecide:
      return "the gateway sees the decision's question";
    case Event::kUnheardA:
      return "A hears nothing";
  }
  return "?";
}

using Events = std::vector<Event>;

// One order, and what is so in all of it.
struct Order {
  Events events;
  bool lies = false;      // the gateway takes what it has fenced
  bool is_heard = false;  // else B hears nothing of its Confirm either, nor the cancel of its Fence
};

std::string Show(const Order& order) {
  std::string text = absl::StrCat(order.lies ? "a lying gateway" : "an honest gateway",
                                  order.is_heard ? "" : ", B and the cancel unheard");
  for (const Event event : order.events) absl::StrAppend(&text, "; ", NameOf(event));
  return text;
}

// Every way in which `chains` can be one sequence.
void Interleave(std::vector<Events>& chains, Events& so_far, std::vector<Events>& all) {
  bool is_over = true;
  for (Events& chain : chains) {
    if (chain.empty()) continue;
    is_over = false;
    const Event next = chain.front();
    chain.erase(chain.begin());
    so_far.push_back(next);
    Interleave(chains, so_far, all);
    so_far.pop_back();
    chain.insert(chain.begin(), next);
  }
  if (is_over) all.push_back(so_far);
}

// Those of `chains`, each with A unheard first or last.
void AddOrders(std::vector<Events> chains, std::vector<Order>& orders) {
  std::vector<Events> all;
  Events so_far;
  Interleave(chains, so_far, all);
  for (const Events& events : all) {
    for (const bool is_last : {false, true}) {
      Events whole = events;
      whole.insert(is_last ? whole.end() : whole.begin(), Event::kUnheardA);
      for (const bool lies : {false, true}) {
        for (const bool is_heard : {false, true}) orders.push_back({whole, lies, is_heard});
      }
    }
  }
}

std::vector<Order> OrdersOfTwoCards() {
  const Events decide = {Event::kDecide, Event::kSeeDecide};
  std::vector<Order> orders;
  AddOrders({{Event::kTakeA, Event::kHookA}, {Event::kPayB, Event::kSeeB, Event::kSeeB, Event::kHookB}, decide},
            orders);
  AddOrders({{Event::kTakeA}, {Event::kPayB, Event::kSeeB, Event::kSeeB}, decide}, orders);
  return orders;
}

std::vector<Order> OrdersOfACancel() {
  const Events cancel = {Event::kCancel, Event::kSeeCancel}, decide = {Event::kDecide, Event::kSeeDecide};
  std::vector<Order> orders;
  AddOrders({{Event::kTakeA, Event::kHookA}, cancel, decide}, orders);
  AddOrders({{Event::kTakeA}, cancel, decide}, orders);
  return orders;
}

bool IsNotStored(const absl::Status& status) { return GetErrorInfo(status).reason == "STORE_UNAVAILABLE"; }

class PaymentOrdersTest : public testing::Test {
 protected:
  PaymentOrdersTest() {
    std::unique_ptr<Connection> connection = OpenTestDatabase(folder_.File("payment.db"));
    EXPECT_TRUE(Participant::Migrate(*connection).ok());
    EXPECT_TRUE(Migrate(*connection, "payment", kPaymentMigrations).ok());
    reader_ = OpenTestDatabase(folder_.File("payment.db"));
    settler_ = std::make_unique<Settler>(
        OpenTestDatabase(folder_.File("payment.db")), gateway_, gateway_, clock_, [](const std::string&) {},
        absl::Milliseconds(20));
    domain_ = NewPaymentDomain(gateway_, clock_, std::bind_front(&Settler::Hear, settler_.get()));
    ParticipantOptions options;
    options.domain = std::string(kErrorDomain);
    participant_ = std::make_unique<Participant>(std::move(connection), *domain_, clock_, options);
  }
  ~PaymentOrdersTest() override {
    participant_->Stop();
    settler_->Stop();
  }

  // The calls of one payment; one of them moves at a time.
  class World {
   public:
    World(PaymentOrdersTest& test, const Order& order, std::string id)
        : test_(test), order_(order), id_(std::move(id)) {}

    // Until everybody has the last word.
    void Play() {
      collect_->set_payment_id(id_);
      collect_->set_member_id("m1");
      collect_->mutable_amount()->set_minor_units(Amount().minor_units);
      collect_->mutable_amount()->set_currency_code(Amount().currency_code);
      collect_->mutable_wait_until()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 900);
      Begin(deciding_, "Collect", "collect", barrier::Phase::kAction, collect_);
      Pay(a_, "pay-a");
      for (const Event event : order_.events) Happen(event);
      for (Calling* const calling : {&a_, &b_, &cancelling_}) Finish(*calling, /*lies=*/false);
      Finish(deciding_, false);
      Decide();
      Finish(deciding_, false);
      EXPECT_FALSE(absl::IsUnavailable(deciding_.reply.status)) << Show(order_) << ": " << deciding_.reply.status;
    }

    // Once all is over: what a cancel was told first, if it was told anything, and what it is told then.
    void ExpectToldTheTruth(bool is_paid) {
      if (cancelling_.method == nullptr) return;
      const Participant::Reply first = cancelling_.reply;
      Cancel();
      EXPECT_EQ(cancelling_.question, 0u) << Show(order_) << ": it asks the gateway";
      for (const absl::Status& told : {first.status, cancelling_.reply.status}) {
        if (GetErrorInfo(told).reason == "GATEWAY_UNKNOWN" && told == first.status) continue;
        EXPECT_EQ(GetErrorInfo(told).reason, is_paid ? "PAYMENT_ALREADY_PAID" : "") << Show(order_) << ": " << told;
      }
    }

    // What the customer is told of each card, asked again.
    int CardsThatPaid() {
      int paid = 0;
      for (const auto& [calling, step] : {std::pair(&a_, "pay-a"), std::pair(&b_, "pay-b")}) {
        Pay(*calling, step);
        Finish(*calling, false);
        v1::PayResponse response;
        if (!calling->reply.status.ok() || !response.ParseFromString(calling->reply.response)) continue;
        if (response.state() == v1::PaymentAttempt::STATE_SUCCESS) ++paid;
      }
      return paid;
    }

    const Order& order() const { return order_; }
    const std::string& id() const { return id_; }

   private:
    // `question`: of the gateway's; 0: it waits for none.
    struct Calling {
      const char* method = nullptr;
      CallKey key;
      std::shared_ptr<const google::protobuf::Message> request;
      std::future<Participant::Reply> future;
      Participant::Reply reply;
      std::size_t question = 0;
    };

    void Happen(Event event) {
      switch (event) {
        case Event::kTakeA:
          return test_.gateway_.TakeAt(AttemptKey(id_, 1), order_.lies);
        case Event::kHookA:
          return Tell(AttemptKey(id_, 1));
        case Event::kPayB:
          return Pay(b_, "pay-b");
        case Event::kSeeB:
          return See(b_, order_.lies, !order_.is_heard);
        case Event::kHookB:
          return Tell(AttemptKey(id_, 2));
        case Event::kCancel:
          return Cancel();
        case Event::kSeeCancel:
          return Move(cancelling_, [this] {
            test_.gateway_.See(id_, cancelling_.question, order_.lies, /*is_lost=*/!order_.is_heard);
          });
        case Event::kDecide:
          return Decide();
        case Event::kSeeDecide:
          return See(deciding_, order_.lies, false);
        case Event::kUnheardA:
          return Move(a_, [this] { test_.gateway_.Lose(id_, a_.question); });
      }
    }

    // A webhook, if there is something to tell.
    void Tell(const std::string& key) {
      const std::string capture = test_.gateway_.CaptureOf(key);
      if (capture.empty()) return;
      absl::Status status;
      EXPECT_TRUE(Eventually(kPatience, [&] {
        std::promise<absl::Status> told;
        test_.settler_->Receive({.event_id = "evt-" + key,
                                 .key = key,
                                 .word = {GatewayAnswer::Kind::kMoved, capture, Amount(), "", ""},
                                 .body = "{}"},
                                [&told](absl::Status end) { told.set_value(std::move(end)); });
        status = told.get_future().get();
        return !IsNotStored(status);
      })) << Show(order_);
      EXPECT_EQ(status, absl::OkStatus()) << Show(order_);
    }

    void Pay(Calling& calling, const char* step) {
      auto request = std::make_shared<v1::PayRequest>();
      request->set_payment_id(id_);
      request->set_member_id("m1");
      request->set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
      Begin(calling, "Pay", step, barrier::Phase::kAction, std::move(request));
    }
    void Cancel() {
      auto request = std::make_shared<v1::CancelPaymentRequest>();
      request->set_payment_id(id_);
      request->set_member_id("m1");
      Begin(cancelling_, "CancelPayment", "cancel", barrier::Phase::kAction, std::move(request));
    }
    void Decide() { Begin(deciding_, "ResolveCollect", "collect", barrier::Phase::kResolve, collect_); }

    void Begin(Calling& calling, const char* method, const char* step, barrier::Phase phase,
               std::shared_ptr<const google::protobuf::Message> request) {
      calling.method = method;
      calling.key = CallKey();
      calling.key.saga_id = id_;
      calling.key.step = step;
      calling.key.phase = phase;
      calling.key.accepts_pending = true;
      calling.key.decides = phase == barrier::Phase::kResolve;
      calling.request = std::move(request);
      calling.question = test_.gateway_.Asked(id_) + 1;  // if it asks
      Move(calling, [&] { Submit(calling); });
    }
    void Submit(Calling& calling) {
      std::promise<Participant::Reply> reply;
      calling.future = reply.get_future();
      test_.participant_->Submit(
          test_.domain_->NumberOf(calling.method), calling.key, calling.request,
          [reply = std::move(reply)](Participant::Reply answer) mutable { reply.set_value(std::move(answer)); });
    }

    // After `moved` the call is answered, or asks its next question. One that the store has not taken in its time,
    // which a busy machine does, is repeated, as its answer says.
    template <class Moved>
    void Move(Calling& calling, Moved moved) {
      if (calling.question == 0) return;
      std::size_t asked = test_.gateway_.Asked(id_);
      moved();
      EXPECT_TRUE(Eventually(kPatience, [&] {
        calling.question = asked + 1;
        if (calling.future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
          return test_.gateway_.Asked(id_) > asked;
        }
        calling.reply = calling.future.get();
        calling.question = 0;
        if (!IsNotStored(calling.reply.status)) return true;
        asked = test_.gateway_.Asked(id_);
        Submit(calling);
        return false;
      })) << Show(order_);
    }
    void See(Calling& calling, bool lies, bool loses_confirm) {
      Move(calling, [&] {
        const bool is_lost = loses_confirm && test_.gateway_.IsConfirm(id_, calling.question);
        test_.gateway_.See(id_, calling.question, lies, is_lost);
      });
    }
    void Finish(Calling& calling, bool lies) {
      while (calling.question != 0) See(calling, lies, false);
    }

    PaymentOrdersTest& test_;
    const Order& order_;
    const std::string id_;
    const std::shared_ptr<v1::CollectRequest> collect_ = std::make_shared<v1::CollectRequest>();
    Calling a_, b_, cancelling_, deciding_;
  };

  // Why the books of `id` are not in order; empty: they are.
  std::string Wrong(const std::string& id) {
    std::optional<Payment> payment;
    EXPECT_TRUE(reader_
                    ->Read([&](soci::session& session) {
                      payment = LoadPayments(session, {id}, Purpose::kRead)[id];
                      return absl::OkStatus();
                    })
                    .ok());
    if (!payment) return "there is no payment";
    const std::vector<std::string> standing = gateway_.Standing(id);
    const bool is_paid = payment->state == State::kSuccess;
    if (!is_paid && payment->state != State::kFailed) return "it is not settled";
    const std::vector<std::string> known =
        is_paid ? std::vector{payment->pg_transaction_id} : std::vector<std::string>();
    if (standing == known) return "";
    return absl::StrCat("the payment knows of ", absl::StrJoin(known, ","), " and there stand ",
                        absl::StrJoin(standing, ","));
  }

  template <class Do>
  static void EachAtOnce(std::vector<std::unique_ptr<World>>& worlds, Do work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < kWorkers; ++i) {
      workers.emplace_back([&] {
        for (std::size_t n = next++; n < worlds.size(); n = next++) work(*worlds[n]);
      });
    }
    for (std::thread& worker : workers) worker.join();
  }

  // How many end unpaid, or paid with which card.
  std::map<std::string, int> Play(const std::vector<Order>& orders) {
    std::map<std::string, int> ends;
    std::vector<std::unique_ptr<World>> worlds;
    for (const Order& order : orders) {
      worlds.push_back(std::make_unique<World>(*this, order, absl::StrCat("p", worlds.size())));
    }
    testing::internal::CaptureStderr();  // of each late capture there is a line
    const std::shared_ptr<void> captured(nullptr, [](void*) { testing::internal::GetCapturedStderr(); });
    EachAtOnce(worlds, [](World& world) { world.Play(); });
    gateway_.Rest();
    clock_.Advance(60);  // what webhooks did not say is asked for
    for (const std::unique_ptr<World>& world : worlds) {
      EXPECT_TRUE(Eventually([&] { return Wrong(world->id()).empty(); }))
          << Show(world->order()) << ": " << Wrong(world->id());
      if (HasFailure()) return ends;
    }
    std::mutex mutex;
    EachAtOnce(worlds, [&](World& world) {
      const int paid = world.CardsThatPaid();
      const std::vector<std::string> standing = gateway_.Standing(world.id());
      EXPECT_EQ(paid, static_cast<int>(standing.size())) << Show(world.order());
      world.ExpectToldTheTruth(!standing.empty());
      std::lock_guard lock(mutex);
      ++ends[standing.empty() ? "unpaid" : standing[0] == "tx-" + AttemptKey(world.id(), 1) ? "A" : "B"];
    });
    std::printf("%zu orders: %d paid with A, %d with B, %d unpaid\n", orders.size(), ends["A"], ends["B"],
                ends["unpaid"]);
    return ends;
  }

  ScratchFolder folder_;
  ShiftedClock clock_;
  ScriptedGateway gateway_{Amount()};
  std::unique_ptr<Connection> reader_;
  std::unique_ptr<Settler> settler_;
  std::unique_ptr<StepDomain> domain_;
  std::unique_ptr<Participant> participant_;
};

TEST_F(PaymentOrdersTest, InNoOrderDoTwoCapturesStand) {
  std::map<std::string, int> ends = Play(OrdersOfTwoCards());
  for (const char* const end : {"A", "B", "unpaid"}) EXPECT_GT(ends[end], 0) << "no order ends so";
}

TEST_F(PaymentOrdersTest, InNoOrderIsACancelToldWhatIsNotSo) {
  std::map<std::string, int> ends = Play(OrdersOfACancel());
  for (const char* const end : {"A", "unpaid"}) EXPECT_GT(ends[end], 0) << "no order ends so";
}

}  // namespace
}  // namespace unwind::payment
