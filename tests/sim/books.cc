#include "tests/sim/books.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "payment_svc/collect.h"
#include "soci/soci.h"

namespace unwind::sim {
namespace {

void ReadOrders(soci::session& session, Books& books) {
  std::string id, canceller;
  long long state = 0, total = 0;
  soci::statement select = (session.prepare << "SELECT order_id, state, total_minor, canceller FROM orders",
                            soci::into(id), soci::into(state), soci::into(total), soci::into(canceller));
  select.execute();
  while (select.fetch()) books.orders[id] = {static_cast<order::State>(state), total, canceller};
}

void ReadStock(soci::session& session, Books& books) {
  std::string id, product;
  long long state = 0, total = 0, reserved = 0, sold = 0, quantity = 0;
  {
    soci::statement select = (session.prepare << "SELECT product_id, total, reserved, sold FROM stocks", soci::into(id),
                              soci::into(total), soci::into(reserved), soci::into(sold));
    select.execute();
    while (select.fetch()) books.stocks[id] = {total, reserved, sold};
  }
  soci::statement select =
      (session.prepare << "SELECT r.reservation_id, r.state, r.total_minor, i.product_id, i.quantity"
                          " FROM reservations r JOIN reservation_items i ON i.reservation_id = r.reservation_id",
       soci::into(id), soci::into(state), soci::into(total), soci::into(product), soci::into(quantity));
  select.execute();
  while (select.fetch()) {
    Books::ReservationRow& row = books.reservations[id];
    row.state = static_cast<stock::State>(state);
    row.total = total;
    row.pieces[product] += quantity;
  }
}

void ReadPayments(soci::session& session, Books& books) {
  std::string id, transaction, payment;
  long long state = 0, amount = 0;
  {
    soci::statement select =
        (session.prepare << "SELECT payment_id, state, amount_minor, pg_transaction_id FROM payments", soci::into(id),
         soci::into(state), soci::into(amount), soci::into(transaction));
    select.execute();
    while (select.fetch()) books.payments[id] = {static_cast<payment::State>(state), amount, transaction};
  }
  soci::statement select = (session.prepare << "SELECT refund_id, state, payment_id, pg_transaction_id FROM refunds",
                            soci::into(id), soci::into(state), soci::into(payment), soci::into(transaction));
  select.execute();
  while (select.fetch()) books.refunds[id] = {static_cast<payment::State>(state), payment, transaction};
}

void ReadDepot(soci::session& session, Books& books) {
  std::string id, about, text;
  long long state = 0;
  {
    soci::statement select =
        (session.prepare << "SELECT parcel_id, state FROM parcels", soci::into(id), soci::into(state));
    select.execute();
    while (select.fetch()) books.parcels[id] = static_cast<ParcelState>(state);
  }
  soci::statement select = (session.prepare << "SELECT note_id, about, text FROM notes", soci::into(id),
                            soci::into(about), soci::into(text));
  select.execute();
  while (select.fetch()) books.notes[id] = {about, text};
}

using Findings = std::vector<std::pair<std::string, std::string>>;

void CheckStock(const Books& books, int scarce, Findings& findings) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> pieces;  // held, sold
  for (const auto& [id, reservation] : books.reservations) {
    for (const auto& [product, quantity] : reservation.pieces) {
      if (reservation.state == stock::State::kHeld) pieces[product].first += quantity;
      if (reservation.state == stock::State::kSold) pieces[product].second += quantity;
    }
  }
  for (const auto& [product, row] : books.stocks) {
    const std::int64_t initial = product == kScarce.id ? scarce : kEnough;
    if (row.total != initial || row.reserved < 0 || row.sold < 0 || row.total < row.reserved + row.sold) {
      findings.emplace_back("I1", absl::StrCat(product, " of ", initial, " pieces: total ", row.total, ", reserved ",
                                               row.reserved, ", sold ", row.sold));
    }
    if (row.reserved != pieces[product].first || row.sold != pieces[product].second) {
      findings.emplace_back(
          "I2", absl::StrCat(product, ": reserved ", row.reserved, " and sold ", row.sold, ", its reservations say ",
                             pieces[product].first, " and ", pieces[product].second));
    }
  }
}

// Nothing is sold, paid or confirmed that the gateway did not take money for; nothing is given back that it did.
void CheckMoney(const Books& books, Findings& findings) {
  std::map<std::string, int> captures;  // by payment
  for (const auto& [key, entry] : books.captures) {
    const std::string id = payment::PaymentIdOf(key);
    if (++captures[id] > 1) findings.emplace_back("I29", absl::StrCat("payment ", id, " is taken twice"));
  }
  const auto captured = [&](const std::string& id) { return captures.count(id) > 0; };
  for (const auto& [id, row] : books.reservations) {
    const bool sold = row.state == stock::State::kSold || row.state == stock::State::kReturned;
    if (sold && !captured(id)) findings.emplace_back("I8", absl::StrCat("reservation ", id, " is sold and not paid"));
    if (row.state == stock::State::kReleased && captured(id)) {
      findings.emplace_back("I8", absl::StrCat("reservation ", id, " is released, and its money was taken"));
    }
  }
  for (const auto& [id, row] : books.orders) {
    const bool was_paid = row.state != order::State::kPending && row.state != order::State::kFailed;
    if (was_paid && !captured(id)) findings.emplace_back("I8", absl::StrCat("order ", id, " is paid without money"));
    if (row.state == order::State::kFailed && captured(id)) {
      findings.emplace_back("I4", absl::StrCat("order ", id, " has failed, and its money was taken"));
    }
    if (was_paid && captured(id) && books.captures.at(payment::ChargeKey(id)).amount_minor != row.total) {
      findings.emplace_back("I4", absl::StrCat("order ", id, " of ", row.total, " paid another amount"));
    }
  }
  for (const auto& [id, row] : books.payments) {
    const bool taken = row.state == payment::State::kSuccess || row.state == payment::State::kRefunded;
    if (taken && !captured(id))
      findings.emplace_back("I5", absl::StrCat("payment ", id, " is taken without a capture"));
    if (row.state == payment::State::kFailed && captured(id)) {
      findings.emplace_back("I5", absl::StrCat("payment ", id, " has failed, and the gateway has the money"));
    }
  }
  std::map<std::string, int> repaid;
  for (const auto& [key, entry] : books.repaid) {
    if (++repaid[entry.captured_transaction_id] > 1) findings.emplace_back("I5", absl::StrCat(key, " paid back twice"));
  }
}

}  // namespace

Books ReadBooks(Shop& shop, const std::vector<pg::Entry>& ledger) {
  Books books;
  ReadOrders(shop.orders().session(), books);
  ReadStock(shop.stock().session(), books);
  ReadPayments(shop.payments().session(), books);
  ReadDepot(shop.depot().session(), books);
  for (const pg::Entry& entry : ledger) {
    if (entry.kind == pg::Kind::kCapture) books.captures.emplace(entry.idempotency_key, entry);
    if (entry.kind == pg::Kind::kRefund) books.repaid.emplace(entry.idempotency_key, entry);
  }
  return books;
}

std::vector<pg::Entry> Books::CapturesOf(const std::string& payment_id) const {
  std::vector<pg::Entry> taken;
  for (const auto& [key, entry] : captures) {
    if (payment::PaymentIdOf(key) == payment_id) taken.push_back(entry);
  }
  return taken;
}

std::vector<std::pair<std::string, std::string>> Contradictions(const Books& books, int scarce) {
  Findings findings;
  CheckStock(books, scarce, findings);
  CheckMoney(books, findings);
  return findings;
}

}  // namespace unwind::sim
