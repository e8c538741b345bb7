// Pay with card A, whose outcome stays unknown; then with card B; then the decision. In every order of what the gateway
// does and says, of its webhooks and of the decision, each order against the real domain, store and settler: in the end
// at most one capture stands, and it is the one that the payment and its customer know of.
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

constexpr int kWorkers = 64;  // orders that are played at once, so that they share commits

enum class Event { kTakeA, kHookA, kPayB, kSeeB, kHookB, kDecide, kSeeDecide, kUnheardA };

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
  bool lies = false;        // the gateway takes what it has fenced
  bool b_is_heard = false;  // else B hears nothing of its Confirm either
};

std::string Show(const Order& order) {
  std::string text =
      absl::StrCat(order.lies ? "a lying gateway" : "an honest gateway", order.b_is_heard ? "" : ", B unheard");
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

std::vector<Order> AllOrders() {
  std::vector<Order> orders;
  for (const bool has_webhooks : {true, false}) {
    std::vector<Events> chains = {
        {Event::kTakeA}, {Event::kPayB, Event::kSeeB, Event::kSeeB}, {Event::kDecide, Event::kSeeDecide}};
    if (has_webhooks) {
      chains[0].push_back(Event::kHookA);
      chains[1].push_back(Event::kHookB);
    }
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
  return orders;
}

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
      for (Calling* const calling : {&a_, &b_}) Finish(*calling, /*lies=*/false);
      Finish(deciding_, false);
      Decide();
      Finish(deciding_, false);
      EXPECT_FALSE(absl::IsUnavailable(deciding_.reply.status)) << Show(order_) << ": " << deciding_.reply.status;
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
          return See(b_, order_.lies, !order_.b_is_heard);
        case Event::kHookB:
          return Tell(AttemptKey(id_, 2));
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
      std::promise<absl::Status> told;
      test_.settler_->Receive({.event_id = "evt-" + key,
                               .key = key,
                               .word = {GatewayAnswer::Kind::kMoved, capture, Amount(), "", ""},
                               .body = "{}"},
                              [&told](absl::Status status) { told.set_value(std::move(status)); });
      EXPECT_EQ(told.get_future().get(), absl::OkStatus()) << Show(order_);
    }

    void Pay(Calling& calling, const char* step) {
      auto request = std::make_shared<v1::PayRequest>();
      request->set_payment_id(id_);
      request->set_member_id("m1");
      request->set_method(::shop::type::v1::PAYMENT_METHOD_CARD);
      Begin(calling, "Pay", step, barrier::Phase::kAction, std::move(request));
    }
    void Decide() { Begin(deciding_, "ResolveCollect", "collect", barrier::Phase::kResolve, collect_); }

    void Begin(Calling& calling, const char* method, const char* step, barrier::Phase phase,
               std::shared_ptr<const google::protobuf::Message> request) {
      CallKey key;
      key.saga_id = id_;
      key.step = step;
      key.phase = phase;
      key.accepts_pending = true;
      key.decides = phase == barrier::Phase::kResolve;
      std::promise<Participant::Reply> reply;
      calling.future = reply.get_future();
      calling.question = test_.gateway_.Asked(id_) + 1;  // if it asks
      Move(calling, [&] {
        test_.participant_->Submit(
            test_.domain_->NumberOf(method), key, std::move(request),
            [reply = std::move(reply)](Participant::Reply answer) mutable { reply.set_value(std::move(answer)); });
      });
    }

    // After `moved` the call is answered, or asks its next question.
    template <class Moved>
    void Move(Calling& calling, Moved moved) {
      if (calling.question == 0) return;
      const std::size_t asked = test_.gateway_.Asked(id_);
      moved();
      const auto is_answered = [&] {
        return calling.future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      };
      EXPECT_TRUE(Eventually([&] { return is_answered() || test_.gateway_.Asked(id_) > asked; })) << Show(order_);
      calling.question = is_answered() ? 0 : asked + 1;
      if (calling.question == 0) calling.reply = calling.future.get();
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
    Calling a_, b_, deciding_;
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

  ScratchFolder folder_;
  ShiftedClock clock_;
  ScriptedGateway gateway_{Amount()};
  std::unique_ptr<Connection> reader_;
  std::unique_ptr<Settler> settler_;
  std::unique_ptr<StepDomain> domain_;
  std::unique_ptr<Participant> participant_;
};

TEST_F(PaymentOrdersTest, InNoOrderDoTwoCapturesStand) {
  const std::vector<Order> orders = AllOrders();
  std::vector<std::unique_ptr<World>> worlds;
  for (const Order& order : orders) {
    worlds.push_back(std::make_unique<World>(*this, order, absl::StrCat("p", worlds.size())));
  }
  testing::internal::CaptureStderr();  // of each late capture there is a line
  const std::shared_ptr<void> captured(nullptr, [](void*) { testing::internal::GetCapturedStderr(); });
  EachAtOnce(worlds, [](World& world) { world.Play(); });
  gateway_.Rest();
  clock_.Advance(60);  // what webhooks did not say is asked for
  std::map<std::string, int> ends;
  for (const std::unique_ptr<World>& world : worlds) {
    EXPECT_TRUE(Eventually([&] { return Wrong(world->id()).empty(); }))
        << Show(world->order()) << ": " << Wrong(world->id());
    if (HasFailure()) return;
  }
  std::mutex mutex;
  EachAtOnce(worlds, [&](World& world) {
    const int paid = world.CardsThatPaid();
    const std::size_t standing = gateway_.Standing(world.id()).size();
    EXPECT_EQ(paid, static_cast<int>(standing)) << Show(world.order());
    std::lock_guard lock(mutex);
    ++ends[standing == 0                                                           ? "unpaid"
           : gateway_.Standing(world.id())[0] == "tx-" + AttemptKey(world.id(), 1) ? "A"
                                                                                   : "B"];
  });
  std::printf("%zu orders: %d paid with A, %d with B, %d unpaid\n", orders.size(), ends["A"], ends["B"],
              ends["unpaid"]);
  for (const char* const end : {"A", "B", "unpaid"}) EXPECT_GT(ends[end], 0) << "no order ends so";
}

}  // namespace
}  // namespace unwind::payment
