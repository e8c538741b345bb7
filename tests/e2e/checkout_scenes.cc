#include "tests/e2e/checkout_scenes.h"

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/scene_checks.h"
#include "tests/support/checkouts.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using OrderProto = shop::order::v1::Order;
using Attempt = shop::payment::v1::PaymentAttempt;
using Payment = shop::payment::v1::Payment;
using pg::v1::Transaction;
using shop::checkout::v1::CheckoutRequest;
using shop::checkout::v1::CheckoutResponse;

constexpr char kChair[] = "chair";
constexpr int kChairs = 10;
constexpr std::int64_t kChairPrice = 120000;
constexpr absl::Duration kEndPatience = absl::Seconds(60);
constexpr int kFinishMs = 300;
constexpr int kNeverMs = 3'600'000;  // the demo does not take so long
constexpr int kLateMs = 1500;        // from the end of a wait to the money

// One checkout: what was asked, and what was told at first.
struct Begun {
  CheckoutRequest request;
  CheckoutResponse told;

  const std::string& order_id() const { return told.order_id(); }
};

class CheckoutScenes {
 public:
  CheckoutScenes(Stage& stage, Shop& shop) : stage_(stage), shop_(shop), checkouts_(shop.cluster()) {}

  void PlayAll();

 private:
  absl::Status TwoBegin();
  absl::Status AWebhookPays();
  absl::Status TheWebhookIsLost();
  absl::Status TheWebhookComesFirst();
  absl::Status AnotherCardPays();
  absl::Status TheGatewayIsAway();
  absl::Status TheirTimeIsUp();

  absl::StatusOr<Begun> Begin(const std::string& member);
  absl::Status Pay(const Begun& begun, const std::string& key, Attempt::State state);
  absl::Status ExpectPaid(const Begun& begun);
  absl::Status ExpectExpired(const Begun& begun);
  absl::Status ExpectMoney(const Begun& begun, int captures, int refunds);

  Stage& stage_;
  Shop& shop_;
  Checkouts checkouts_;
  Begun unpaid_, late_;  // which wait while the other scenes are played
};

pg::v1::Scenario FinishesAfter(int millis) {
  pg::v1::Scenario scenario;
  scenario.set_async_percent(100);
  scenario.set_async_delay_ms(millis);
  return scenario;
}

void CheckoutScenes::PlayAll() {
  const auto play = [this](absl::string_view title, absl::string_view story, absl::Status (CheckoutScenes::*scene)()) {
    stage_.Play(title, story, [this, scene] { return (this->*scene)(); });
  };
  play("Two checkouts that will not be paid in time",
       "Their buyers pay themselves. Each is told at once what is due, where to pay and until when, and its chair is "
       "held. "
       "One\nnever pays; the other pays, but the gateway takes its time. They wait while the next scenes are played.",
       &CheckoutScenes::TwoBegin);
  play("A checkout that a webhook pays",
       "The gateway accepts the card and finishes it later. Its webhook says so, and the order is confirmed.",
       &CheckoutScenes::AWebhookPays);
  play("A webhook that is lost", "Nobody says that the money was taken. The gateway is asked, and does.",
       &CheckoutScenes::TheWebhookIsLost);
  play("A webhook that comes before the answer",
       "The gateway tells that it has taken the money before it answers who asked it to, and tells it twice. One "
       "charge.",
       &CheckoutScenes::TheWebhookComesFirst);
  play("A declined card, and then another",
       "A declined card ends no checkout: the chair is held, and another card pays.", &CheckoutScenes::AnotherCardPays);
  play("The payment gateway is away",
       "It is killed with -9. The shop goes on taking orders, which wait for their payment; once it is back they are "
       "paid.",
       &CheckoutScenes::TheGatewayIsAway);
  play("The time of the first two is up",
       "Who has not paid gives the chair back. The gateway takes the other one's money after all, too late: it goes "
       "back, "
       "once.",
       &CheckoutScenes::TheirTimeIsUp);
}

absl::StatusOr<Begun> CheckoutScenes::Begin(const std::string& member) {
  Begun begun{Checkouts::Of(member, kChair), {}};
  RETURN_IF_ERROR(Expect(checkouts_.Start(begun.request, &begun.told), grpc::StatusCode::OK, ""));
  if (begun.told.payment_state() != Payment::STATE_PENDING) return Not("the payment is not pending");
  const absl::Time until = absl::FromUnixSeconds(begun.told.pay_until().seconds());
  std::printf("  %s is told: %d won at %s, until %s.\n", member.c_str(),
              static_cast<int>(begun.told.due().minor_units()), begun.told.pay_path().c_str(),
              absl::FormatTime("%H:%M:%S", until, absl::UTCTimeZone()).c_str());
  return begun;
}

absl::Status CheckoutScenes::Pay(const Begun& begun, const std::string& key, Attempt::State state) {
  shop::payment::v1::PayResponse paid;
  const auto request = Checkouts::PaymentOf(begun.order_id(), begun.request.member_id());
  RETURN_IF_ERROR(Expect(checkouts_.Pay(request, key, &paid), grpc::StatusCode::OK, ""));
  if (paid.state() == state) return absl::OkStatus();
  return Not("the attempt is ", Attempt::State_Name(paid.state()), ", not ", Attempt::State_Name(state));
}

absl::Status CheckoutScenes::ExpectMoney(const Begun& begun, int captures, int refunds) {
  ASSIGN_OR_RETURN(const auto ledger, shop_.Ledger());
  int captured = 0, refunded = 0;
  for (const Transaction& entry : ledger) {
    if (!absl::StrContains(entry.idempotency_key(), begun.order_id())) continue;
    captured += entry.kind() == Transaction::KIND_CAPTURE ? 1 : 0;
    refunded += entry.kind() == Transaction::KIND_REFUND ? 1 : 0;
  }
  std::printf("  The gateway's ledger: %d charge(s) and %d refund(s) for it.\n", captured, refunded);
  if (captured == captures && refunded == refunds) return absl::OkStatus();
  return Not("there must be ", captures, " charge(s) and ", refunds, " refund(s)");
}

absl::Status CheckoutScenes::ExpectPaid(const Begun& begun) {
  CheckoutResponse told;
  RETURN_IF_ERROR(Expect(checkouts_.AwaitLastWord(begun.request, &told), grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(stage_.Show(begun.order_id()));
  RETURN_IF_ERROR(stage_.ExpectOrder(begun.order_id(), OrderProto::STATE_PAID));
  return ExpectMoney(begun, 1, 0);
}

absl::Status CheckoutScenes::ExpectExpired(const Begun& begun) {
  CheckoutResponse told;
  RETURN_IF_ERROR(Expect(checkouts_.AwaitLastWord(begun.request, &told), grpc::StatusCode::ABORTED, "PAYMENT_EXPIRED"));
  RETURN_IF_ERROR(stage_.Show(begun.order_id()));
  return stage_.ExpectOrder(begun.order_id(), OrderProto::STATE_FAILED);
}

absl::Status CheckoutScenes::TwoBegin() {
  RETURN_IF_ERROR(shop_.Restock(kChair, kChairs, kChairPrice));
  ASSIGN_OR_RETURN(unpaid_, Begin("nari"));
  pg::v1::Scenario slow = FinishesAfter(kNeverMs);
  slow.set_after_fence_percent(100);
  slow.set_after_fence_ms(kLateMs);
  slow.set_webhook_twice_percent(100);
  const Fault fault(shop_, slow);
  RETURN_IF_ERROR(fault.status());
  ASSIGN_OR_RETURN(late_, Begin("seri"));
  return Pay(late_, NewKey(), Attempt::STATE_PENDING);
}

absl::Status CheckoutScenes::AWebhookPays() {
  const Fault later(shop_, FinishesAfter(kFinishMs));
  RETURN_IF_ERROR(later.status());
  ASSIGN_OR_RETURN(const Begun begun, Begin("mina"));
  RETURN_IF_ERROR(Pay(begun, NewKey(), Attempt::STATE_PENDING));
  return ExpectPaid(begun);
}

absl::Status CheckoutScenes::TheWebhookIsLost() {
  pg::v1::Scenario lost = FinishesAfter(kFinishMs);
  lost.set_webhook_lost_percent(100);
  const Fault fault(shop_, lost);
  RETURN_IF_ERROR(fault.status());
  ASSIGN_OR_RETURN(const Begun begun, Begin("jun"));
  RETURN_IF_ERROR(Pay(begun, NewKey(), Attempt::STATE_PENDING));
  return ExpectPaid(begun);
}

absl::Status CheckoutScenes::TheWebhookComesFirst() {
  pg::v1::Scenario early = FinishesAfter(0);
  early.set_webhook_early_percent(100);
  early.set_webhook_twice_percent(100);
  const Fault fault(shop_, early);
  RETURN_IF_ERROR(fault.status());
  ASSIGN_OR_RETURN(const Begun begun, Begin("sora"));
  shop::payment::v1::PayResponse paid;  // in either state: the webhook and the answer race
  const auto request = Checkouts::PaymentOf(begun.order_id(), begun.request.member_id());
  RETURN_IF_ERROR(Expect(checkouts_.Pay(request, NewKey(), &paid), grpc::StatusCode::OK, ""));
  return ExpectPaid(begun);
}

absl::Status CheckoutScenes::AnotherCardPays() {
  pg::v1::Scenario declines;
  declines.set_fail_first(1);
  const Fault fault(shop_, declines);
  RETURN_IF_ERROR(fault.status());
  ASSIGN_OR_RETURN(const Begun begun, Begin("hana"));
  shop::payment::v1::PayResponse paid;
  const auto request = Checkouts::PaymentOf(begun.order_id(), begun.request.member_id());
  const grpc::Status declined = checkouts_.Pay(request, NewKey(), &paid);
  RETURN_IF_ERROR(Expect(declined, grpc::StatusCode::ABORTED, "PAYMENT_DECLINED"));
  std::printf("  The first card: %s.\n", declined.error_message().c_str());
  RETURN_IF_ERROR(Pay(begun, NewKey(), Attempt::STATE_SUCCESS));
  return ExpectPaid(begun);
}

absl::Status CheckoutScenes::TheGatewayIsAway() {
  shop_.cluster().Kill(Node::kGateway);
  std::printf("  kill -9 mock_pg.\n");
  ASSIGN_OR_RETURN(const Begun begun, Begin("bora"));
  shop::payment::v1::PayResponse paid;
  const auto request = Checkouts::PaymentOf(begun.order_id(), begun.request.member_id());
  const std::string key = NewKey();
  const grpc::Status unknown = checkouts_.Pay(request, key, &paid);
  RETURN_IF_ERROR(Expect(unknown, grpc::StatusCode::UNAVAILABLE, "GATEWAY_UNKNOWN"));
  RETURN_IF_ERROR(stage_.ExpectOrder(begun.order_id(), OrderProto::STATE_PAYMENT_PENDING));
  std::printf("  bora's order waits; her payment: %s.\n", unknown.error_message().c_str());
  RETURN_IF_ERROR(shop_.cluster().Restart(Node::kGateway));
  std::printf("  mock_pg is started again; bora asks again with the same key.\n");
  grpc::Status status;
  Eventually(kEndPatience, [&] {
    status = checkouts_.Pay(request, key, &paid);
    return !AskAgain(status);
  });
  RETURN_IF_ERROR(Expect(status, grpc::StatusCode::OK, ""));
  return ExpectPaid(begun);
}

absl::Status CheckoutScenes::TheirTimeIsUp() {
  RETURN_IF_ERROR(ExpectExpired(unpaid_));
  RETURN_IF_ERROR(ExpectMoney(unpaid_, 0, 0));
  RETURN_IF_ERROR(ExpectExpired(late_));
  Eventually(kEndPatience, [&] {
    const auto ledger = shop_.Ledger();
    if (!ledger.ok()) return false;
    for (const Transaction& entry : *ledger) {
      const bool is_its = absl::StrContains(entry.idempotency_key(), late_.order_id());
      if (is_its && entry.kind() == Transaction::KIND_REFUND) return true;
    }
    return false;
  });
  RETURN_IF_ERROR(ExpectMoney(late_, 1, 1));
  ASSIGN_OR_RETURN(const shop::stock::v1::Product chair, shop_.Product(kChair));
  std::printf("  Chairs: %d on the shelf, %d reserved, %d sold.\n", static_cast<int>(chair.available()),
              static_cast<int>(chair.reserved()), static_cast<int>(chair.sold()));
  if (chair.reserved() == 0 && chair.available() + chair.sold() == kChairs) return absl::OkStatus();
  return Not("none may be reserved, and all ", kChairs, " must be there");
}

}  // namespace

void PlayCheckouts(Stage& stage, Shop& shop) { CheckoutScenes(stage, shop).PlayAll(); }

}  // namespace unwind
