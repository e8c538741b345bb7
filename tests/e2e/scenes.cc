#include "tests/e2e/scenes.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/e2e/scene_checks.h"
#include "tests/support/poll.h"
#include "tests/support/timeline.h"

namespace unwind {
namespace {

using OrderProto = shop::order::v1::Order;
using SagaProto = saga::v1::Saga;

constexpr char kLamp[] = "lamp";
constexpr std::int64_t kLampPrice = 39000;
constexpr int kLamps = 20;
constexpr absl::Duration kEndPatience = absl::Seconds(60);
constexpr int kGatewayDelayMs = 500;  // long enough to kill a process in mid-saga, short of the timeout of a charge

pg::v1::Scenario Delay(int millis) {
  pg::v1::Scenario scenario;
  scenario.set_delay_ms(millis);
  return scenario;
}

double Millis(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

}  // namespace

void Stage::Play(absl::string_view title, absl::string_view story, Scene scene) {
  Play(title, story, [this, scene] { return (this->*scene)(); });
}

void Stage::Play(absl::string_view title, absl::string_view story, const std::function<absl::Status()>& scene) {
  std::printf("\n== %s ==\n%s\n", std::string(title).c_str(), std::string(story).c_str());
  json_.push_back({{"scene", std::string(title)}, {"sagas", nlohmann::json::array()}});
  const absl::Status status = scene();
  json_.back()["ok"] = status.ok();
  if (status.ok()) {
    std::printf("  As it must be.\n");
    return;
  }
  ok_ = false;
  json_.back()["error"] = std::string(status.message());
  std::printf("  NOT as it must be: %s\n", std::string(status.message()).c_str());
}

void Stage::PlayAll() {
  if (const absl::Status stocked = shop_.Restock(kLamp, kLamps, kLampPrice); !stocked.ok()) {
    std::printf("The shop could not be stocked: %s\n", std::string(stocked.message()).c_str());
    ok_ = false;
    return;
  }
  Play("An order that succeeds",
       "A member buys two lamps. The order is recorded, the stock reserved, the money taken; then both are confirmed.",
       &Stage::Succeeds);
  Play("An order that its buyer cancels",
       "It is paid, then cancelled: a second saga pays the money back and puts the lamps on the shelf again.",
       &Stage::IsCancelledByItsBuyer);
  Play("A declined card",
       "The gateway says no. What was done before is undone in reverse: the stock is released, the order rejected.",
       &Stage::CardIsDeclined);
  Play("A gateway that takes the money and never answers",
       "Nobody knows whether the money moved, so nobody guesses: `resolve` asks the gateway, which did take it. One "
       "charge.",
       &Stage::GatewayNeverAnswers);
  Play("stock_svc is killed with -9 in mid-saga",
       "It dies while the money is being taken. The step that needs it is tried until it is back.",
       &Stage::StockIsKilled);
  Play("The orchestrator is killed with -9 in mid-saga",
       "It dies while the money is being taken. Started again it finds the saga in its database and ends it; the "
       "buyer, who\n"
       "calls again with the same request_id, gets that saga's answer and no second order.",
       &Stage::OrchestratorIsKilled);
  FlashSale("");
  Play("The flash sale, with 30 % of payments failing",
       "1,000 members at once on 100 pieces; who fails comes back with a new request_id until everything is sold.",
       &Stage::SellsOutThoughPaymentsFail);
}

void Stage::FlashSale(const std::string& which) {
  Play(which.empty() ? "The flash sale" : absl::StrCat("The flash sale, ", which),
       "1,000 members at once on 100 pieces: exactly 100 pay, the others are told that nothing is left.",
       &Stage::SellsOut);
}

absl::Status Stage::Show(const std::string& saga_id) {
  ASSIGN_OR_RETURN(const SagaProto saga, shop_.AwaitEnd(saga_id, kEndPatience));
  ASSIGN_OR_RETURN(const auto history, shop_.History(saga_id));
  std::printf("%s", Timeline(saga, history).c_str());
  json_.back()["sagas"].push_back(TimelineJson(saga, history));
  return absl::OkStatus();
}

absl::Status Stage::ExpectOrder(const std::string& order_id, OrderProto::State state) {
  ASSIGN_OR_RETURN(const OrderProto order, shop_.GetOrder(order_id));
  if (order.state() == state) return absl::OkStatus();
  return Not("order ", order_id, " is ", OrderProto::State_Name(order.state()), ", not ",
             OrderProto::State_Name(state));
}

absl::Status Stage::ExpectStock(std::int64_t available, std::int64_t sold) {
  ASSIGN_OR_RETURN(const shop::stock::v1::Product lamp, shop_.Product(kLamp));
  std::printf("  Lamps: %d on the shelf, %d reserved, %d sold.\n", static_cast<int>(lamp.available()),
              static_cast<int>(lamp.reserved()), static_cast<int>(lamp.sold()));
  if (lamp.available() == available && lamp.reserved() == 0 && lamp.sold() == sold) return absl::OkStatus();
  return Not("there must be ", available, " on the shelf, none reserved and ", sold, " sold");
}

absl::Status Stage::ExpectMoney(const std::string& order_id, std::size_t captures, std::size_t refunds) {
  ASSIGN_OR_RETURN(const auto ledger, shop_.Ledger());
  std::string capture;
  std::size_t captured = 0;
  std::size_t refunded = 0;
  for (const pg::v1::Transaction& entry : ledger) {
    if (entry.kind() == pg::v1::Transaction::KIND_CAPTURE && absl::StrContains(entry.idempotency_key(), order_id)) {
      capture = entry.transaction_id();
      ++captured;
    }
    if (entry.kind() == pg::v1::Transaction::KIND_REFUND && entry.captured_transaction_id() == capture) ++refunded;
  }
  std::printf("  The gateway's ledger: %zu charge(s) and %zu refund(s) for it.\n", captured, refunded);
  if (captured == captures && refunded == refunds) return absl::OkStatus();
  return Not("there must be ", captures, " charge(s) and ", refunds, " refund(s)");
}

absl::Status Stage::Succeeds() {
  shop::checkout::v1::PlaceOrderResponse placed;
  const grpc::Status status = shop_.Place(Shop::Order("mina", kLamp, 2), &placed);
  RETURN_IF_ERROR(Expect(status, grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(Show(placed.order_id()));
  RETURN_IF_ERROR(ExpectOrder(placed.order_id(), OrderProto::STATE_PAID));
  RETURN_IF_ERROR(ExpectMoney(placed.order_id(), 1, 0));
  return ExpectStock(kLamps - 2, 2);
}

absl::Status Stage::IsCancelledByItsBuyer() {
  shop::checkout::v1::PlaceOrderResponse placed;
  RETURN_IF_ERROR(Expect(shop_.Place(Shop::Order("jun", kLamp, 3), &placed), grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(Show(placed.order_id()));
  RETURN_IF_ERROR(ExpectStock(kLamps - 5, 5));
  shop::checkout::v1::CancelOrderRequest request;
  request.set_request_id(NewKey());
  request.set_order_id(placed.order_id());
  request.set_member_id("jun");
  request.set_reason("changed my mind");
  shop::checkout::v1::CancelOrderResponse cancelled;
  RETURN_IF_ERROR(Expect(shop_.Cancel(request, &cancelled), grpc::StatusCode::OK, ""));
  ASSIGN_OR_RETURN(const SagaProto saga, shop_.SagaOfKey("cancel-order", request.request_id()));
  RETURN_IF_ERROR(Show(saga.saga_id()));
  RETURN_IF_ERROR(ExpectOrder(placed.order_id(), OrderProto::STATE_CANCELLED));
  RETURN_IF_ERROR(ExpectMoney(placed.order_id(), 1, 1));
  return ExpectStock(kLamps - 2, 2);
}

absl::Status Stage::CardIsDeclined() {
  pg::v1::Scenario scenario;
  scenario.set_fail_percent(100);
  const Fault fault(shop_, scenario);
  RETURN_IF_ERROR(fault.status());
  const auto placing = shop_.Begin(Shop::Order("sora", kLamp));
  const std::string saga_id = placing->SagaId(kEndPatience);
  RETURN_IF_ERROR(Expect(placing->Wait(), grpc::StatusCode::INTERNAL, "PAYMENT_FAILED"));
  RETURN_IF_ERROR(Show(saga_id));
  RETURN_IF_ERROR(ExpectOrder(saga_id, OrderProto::STATE_FAILED));
  RETURN_IF_ERROR(ExpectMoney(saga_id, 0, 0));
  return ExpectStock(kLamps - 2, 2);
}

absl::Status Stage::GatewayNeverAnswers() {
  pg::v1::Scenario scenario;
  scenario.set_hang_first(1);
  const Fault fault(shop_, scenario);
  RETURN_IF_ERROR(fault.status());
  shop::checkout::v1::PlaceOrderResponse placed;
  RETURN_IF_ERROR(Expect(shop_.Place(Shop::Order("hana", kLamp), &placed), grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(Show(placed.order_id()));
  RETURN_IF_ERROR(ExpectOrder(placed.order_id(), OrderProto::STATE_PAID));
  RETURN_IF_ERROR(ExpectMoney(placed.order_id(), 1, 0));
  return ExpectStock(kLamps - 3, 3);
}

absl::Status Stage::StockIsKilled() {
  const Fault slow(shop_, Delay(kGatewayDelayMs));
  RETURN_IF_ERROR(slow.status());
  const auto request = Shop::Order("bora", kLamp);
  const auto placing = shop_.Begin(request);
  const std::string saga_id = placing->SagaId(kEndPatience);
  if (!shop_.AwaitStepSent(saga_id, "charge", kEndPatience)) return Not("the charge was never sent");
  shop_.cluster().Kill(Node::kStock);
  std::printf("  kill -9 stock_svc: the charge is under way, the stock is not confirmed yet.\n");
  if (!shop_.AwaitStepSent(saga_id, "confirm_stock", kEndPatience)) return Not("confirm_stock was never sent");
  RETURN_IF_ERROR(shop_.cluster().Restart(Node::kStock));
  std::printf("  stock_svc is started again.\n");
  grpc::Status status = placing->Wait();
  if (AskAgain(status)) status = shop_.Place(request, nullptr);
  RETURN_IF_ERROR(Expect(status, grpc::StatusCode::OK, ""));
  RETURN_IF_ERROR(Show(saga_id));
  RETURN_IF_ERROR(ExpectOrder(saga_id, OrderProto::STATE_PAID));
  RETURN_IF_ERROR(ExpectMoney(saga_id, 1, 0));
  return ExpectStock(kLamps - 4, 4);
}

absl::Status Stage::OrchestratorIsKilled() {
  const Fault slow(shop_, Delay(kGatewayDelayMs));
  RETURN_IF_ERROR(slow.status());
  const auto request = Shop::Order("duri", kLamp);
  const auto placing = shop_.Begin(request);
  const std::string saga_id = placing->SagaId(kEndPatience);
  if (!shop_.AwaitStepSent(saga_id, "charge", kEndPatience)) return Not("the charge was never sent");
  shop_.cluster().Kill(Node::kOrchestrator);
  std::printf("  kill -9 orchestrator: the charge is under way. The buyer's call ends with code %d, UNAVAILABLE.\n",
              placing->Wait().error_code());
  RETURN_IF_ERROR(shop_.cluster().Restart(Node::kOrchestrator));
  std::printf("  The orchestrator is started again; the buyer calls again with the same request_id.\n");
  shop::checkout::v1::PlaceOrderResponse placed;
  RETURN_IF_ERROR(Expect(shop_.Place(request, &placed), grpc::StatusCode::OK, ""));
  if (placed.order_id() != saga_id) return Not("the second call got order ", placed.order_id(), ", not ", saga_id);
  RETURN_IF_ERROR(Show(saga_id));
  RETURN_IF_ERROR(ExpectOrder(saga_id, OrderProto::STATE_PAID));
  RETURN_IF_ERROR(ExpectMoney(saga_id, 1, 0));
  return ExpectStock(kLamps - 5, 5);
}

absl::Status Stage::SellsOut() { return SellsOut(absl::StrCat("flash-", ++sales_), false); }

absl::Status Stage::SellsOutThoughPaymentsFail() {
  pg::v1::Scenario scenario;
  scenario.set_fail_percent(30);
  scenario.set_seed(7);
  const Fault fault(shop_, scenario);
  RETURN_IF_ERROR(fault.status());
  return SellsOut(absl::StrCat("flash-", ++sales_), true);
}

absl::Status Stage::SellsOut(const std::string& product, bool come_back) {
  FlashSaleOptions options;
  options.product = product;
  options.member_prefix = absl::StrCat(product, "-member-");
  options.come_back = come_back;
  RETURN_IF_ERROR(shop_.Restock(product, options.pieces, kLampPrice));
  ASSIGN_OR_RETURN(const FlashSaleResult result, RunFlashSale(shop_, options));
  std::printf("  %d members, %d orders tried: %d paid.", options.members, result.orders, result.paid);
  for (const auto& [reason, count] : result.refusals) std::printf(" %s: %d.", reason.c_str(), count);
  std::printf(" Every refusal can be explained, every answer stood when asked again: %s.",
              result.untrue.empty() ? "yes" : "NO");
  std::printf("\n  %.0f sagas/s; an answer took p50 %.0f ms, p99 %.0f ms; first answer to last %.0f ms.\n",
              result.sagas_per_second, Millis(result.p50), Millis(result.p99), Millis(result.first_to_last));
  json_.back()["flash_sale"] = {{"members", options.members},
                                {"pieces", options.pieces},
                                {"orders", result.orders},
                                {"calls", result.calls},
                                {"paid", result.paid},
                                {"refusals", result.refusals},
                                {"untrue_answers", result.untrue.size()},
                                {"sagas_per_second", result.sagas_per_second},
                                {"p50_ms", Millis(result.p50)},
                                {"p99_ms", Millis(result.p99)},
                                {"first_to_last_ms", Millis(result.first_to_last)}};
  RETURN_IF_ERROR(AwaitRest(shop_, kEndPatience));
  ASSIGN_OR_RETURN(const shop::stock::v1::Product left, shop_.Product(product));
  for (const auto& [reason, count] : result.refusals) {
    if (reason != "STOCK_NOT_ENOUGH" && !(come_back && reason == "PAYMENT_FAILED")) {
      return Not(count, " buyers were answered ", reason);
    }
  }
  if (!result.untrue.empty()) return Not(result.untrue.size(), " answers were not true; the first: ", result.untrue[0]);
  if (result.paid != options.pieces) return Not(result.paid, " orders are paid, not ", options.pieces);
  if (left.sold() != options.pieces || left.available() != 0) return Not(left.sold(), " pieces are sold");
  return absl::OkStatus();
}

}  // namespace unwind
