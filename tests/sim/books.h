// What the participants and the gateway have in their own books: never what the orchestrator believes.
#ifndef UNWIND_TESTS_SIM_BOOKS_H_
#define UNWIND_TESTS_SIM_BOOKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mock_pg/ledger.h"
#include "order_svc/order.h"
#include "payment_svc/payment.h"
#include "stock_svc/stock.h"
#include "tests/sim/parcel.h"
#include "tests/sim/shop.h"

namespace unwind::sim {

struct Books {
  struct OrderRow {
    order::State state;
    std::int64_t total = 0;
    std::string canceller;
  };
  struct ReservationRow {
    stock::State state;
    std::int64_t total = 0;
    std::map<std::string, std::int64_t> pieces;  // by product
  };
  struct StockRow {
    std::int64_t total = 0, reserved = 0, sold = 0;
  };
  struct PaymentRow {
    payment::State state;
    std::int64_t amount = 0;
    std::string transaction;
  };
  struct RefundRow {
    payment::State state;
    std::string payment;
    std::string transaction;
  };

  struct NoteRow {
    std::string about;
    std::string text;
  };

  std::map<std::string, OrderRow> orders;
  std::map<std::string, ReservationRow> reservations;
  std::map<std::string, StockRow> stocks;
  std::map<std::string, PaymentRow> payments;
  std::map<std::string, RefundRow> refunds;
  std::map<std::string, ParcelState> parcels;
  std::map<std::string, NoteRow> notes;
  // Of the gateway, by its idempotency key.
  std::map<std::string, pg::Entry> captures;
  std::map<std::string, pg::Entry> repaid;

  // What the gateway took for a payment, under its own key or that of an attempt.
  std::vector<pg::Entry> CapturesOf(const std::string& payment_id) const;
};

Books ReadBooks(Shop& shop, const std::vector<pg::Entry>& ledger);

// Sentences about what may at no instant be.
std::vector<std::pair<std::string, std::string>> Contradictions(const Books& books, int scarce);

}  // namespace unwind::sim

#endif  // UNWIND_TESTS_SIM_BOOKS_H_
