#include "tests/crash/tales.h"

#include <algorithm>
#include <cstdlib>

#include "common/base/check.h"

namespace unwind {
namespace {

constexpr char kOrders[] = "order_svc";
constexpr char kStock[] = "stock_svc";
constexpr char kPayments[] = "payment_svc";
constexpr char kCoupons[] = "coupon_svc";
constexpr char kWallets[] = "wallet_svc";

// Of place-order. Those of coupons and wallets are played by the tales that have them.
std::vector<TaleFacts> Orders() {
  return {{Tale::kPaid,
           "paid",
           "",
           "place-order",
           End::kDone,
           {{0, "create_order/action", kOrders, Risk::kUndo},
            {1, "reserve_stock/action", kStock, Risk::kUndo},
            {4, "charge/action", kPayments, Risk::kUndo, true},
            {5, "confirm_stock/action", kStock},
            {8, "confirm_order/action", kOrders}}},
          {Tale::kDeclined,
           "declined",
           "",
           "place-order",
           End::kUndone,
           {{4, "charge/action", kPayments, Risk::kUndo, true},
            {1, "reserve_stock/compensation", kStock},
            {0, "create_order/compensation", kOrders}}},
          {Tale::kUnanswered,
           "unanswered",
           "",
           "place-order",
           End::kDone,
           {{4, "charge/resolve", kPayments, Risk::kNone, true}}},
          {Tale::kSplit,
           "split",
           "tender",
           "place-order",
           End::kDone,
           {{2, "hold_coupon/action", kCoupons, Risk::kUndo},
            {3, "hold_wallet/action", kWallets, Risk::kUndo},
            {6, "use_coupon/action", kCoupons},
            {7, "settle_wallet/action", kWallets}}},
          {Tale::kSplitDeclined,
           "split_declined",
           "tender",
           "place-order",
           End::kUndone,
           {{3, "hold_wallet/compensation", kWallets}, {2, "hold_coupon/compensation", kCoupons}}}};
}

std::vector<TaleFacts> Followers() {
  return {{Tale::kFollowed,
           "followed",
           "follow",
           "after-order",
           End::kDone,
           {{0, "earn/action", kWallets},
            {1, "tell_earned/action", kOrders},
            {2, "tell_paid/action", kOrders},
            {3, "clear_cart/action", kOrders}}},
          {Tale::kSoldOut,
           "sold_out",
           "follow",
           "after-sold-out",
           End::kUndone,
           {{0, "apologize/action", kCoupons}, {1, "tell/action", kOrders}}}};
}

std::vector<TaleFacts> Checkouts() {
  return {{Tale::kCheckout,
           "checkout",
           "checkout",
           "checkout",
           End::kDone,
           {{4, "collect/action", kPayments, Risk::kUndoOnce},
            {-1, "/action", kPayments, Risk::kNone, true},  // Pay
            {5, "confirm_stock/action", kStock},
            {6, "use_coupon/action", kCoupons},
            {7, "settle_wallet/action", kWallets},
            {8, "confirm_order/action", kOrders}}},
          {Tale::kCheckoutUnheard, "checkout_unheard", "checkout", "checkout", End::kDone, {}},
          {Tale::kCheckoutExpired,
           "checkout_expired",
           "checkout",
           "checkout",
           End::kUndone,
           {{4, "collect/resolve", kPayments},
            {3, "hold_wallet/compensation", kWallets},
            {2, "hold_coupon/compensation", kCoupons},
            {1, "reserve_stock/compensation", kStock},
            {0, "create_order/compensation", kOrders}}},
          // Money that comes before it is fenced pays the order.
          {Tale::kCheckoutLate,
           "checkout_late",
           "checkout",
           "checkout",
           End::kEither,
           {{4, "collect/resolve", kPayments, Risk::kNone, true}}},
          {Tale::kCheckoutRecalled, "checkout_recalled", "checkout", "checkout", End::kUndone, {}},
          {Tale::kCheckoutCancelled,
           "checkout_cancelled",
           "checkout",
           "checkout",
           End::kUndone,
           {{-1, "/action", kPayments, Risk::kNone, true},  // CancelPayment
            {4, "collect/action", kPayments}}}};
}

std::vector<TaleFacts> Cancels() {
  return {{Tale::kCancel,
           "cancel",
           "cancel",
           "cancel-order",
           End::kDone,
           {{0, "start_cancel/action", kOrders, Risk::kUndo},
            {1, "take_back/action", kWallets, Risk::kUndo},
            {2, "refund/action", kPayments, Risk::kUndo, true},
            {3, "return_sold/action", kStock},
            {4, "return_coupon/action", kCoupons},
            {5, "return_wallet/action", kWallets},
            {6, "finish_cancel/action", kOrders}}},
          {Tale::kCancelDeclined,
           "cancel_declined",
           "cancel",
           "cancel-order",
           End::kUndone,
           {{2, "refund/action", kPayments, Risk::kUndo, true},
            {1, "take_back/compensation", kWallets},
            {0, "start_cancel/compensation", kOrders}}},
          {Tale::kCancelUnanswered,
           "cancel_unanswered",
           "cancel",
           "cancel-order",
           End::kDone,
           {{2, "refund/resolve", kPayments, Risk::kNone, true}}}};
}

std::vector<TaleFacts> Charges() {
  return {{Tale::kCharge,
           "charge",
           "charge",
           "charge-wallet",
           End::kDone,
           {{0, "charge/action", kPayments, Risk::kUndo, true}, {1, "credit/action", kWallets}}},
          {Tale::kChargeDeclined,
           "charge_declined",
           "charge",
           "charge-wallet",
           End::kUndone,
           {{0, "charge/action", kPayments, Risk::kUndo, true}}},
          {Tale::kChargeUnanswered,
           "charge_unanswered",
           "charge",
           "charge-wallet",
           End::kDone,
           {{0, "charge/resolve", kPayments, Risk::kNone, true}}}};
}

std::vector<TaleFacts> MakeTales() {
  std::vector<TaleFacts> tales;
  for (std::vector<TaleFacts> some : {Orders(), Followers(), Checkouts(), Cancels(), Charges()}) {
    tales.insert(tales.end(), some.begin(), some.end());
  }
  return tales;
}

}  // namespace

const std::vector<TaleFacts>& AllTales() {
  static const auto* const tales = new std::vector<TaleFacts>(MakeTales());
  return *tales;
}

const TaleFacts& FactsOf(Tale tale) {
  const auto found =
      std::find_if(AllTales().begin(), AllTales().end(), [&](const TaleFacts& facts) { return facts.tale == tale; });
  CHECK(found != AllTales().end());
  return *found;
}

bool IsPlain(const TaleFacts& facts) { return facts.part.empty(); }

const char* NameOf(End end) {
  switch (end) {
    case End::kDone:
      return "done";
    case End::kUndone:
      return "undone";
    case End::kEither:
      return "either";
  }
  std::abort();
}

}  // namespace unwind
