#include "stock_svc/stock_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "stock_svc/stock_store.h"

namespace unwind::stock {
namespace {

namespace v1 = ::shop::stock::v1;

template <class Request>
const Request& As(const Command& command) {
  return dynamic_cast<const Request&>(*command.request);
}

std::string ReservationIdOf(const Command& command) {
  switch (static_cast<Method>(command.method)) {
    case kReserve:
      return As<v1::ReserveRequest>(command).reservation_id();
    case kRelease:
      return As<v1::ReleaseRequest>(command).reservation_id();
    case kConfirm:
      return As<v1::ConfirmRequest>(command).reservation_id();
    case kReturnSold:
      return As<v1::ReturnSoldRequest>(command).reservation_id();
    case kRestock:
    case kReset:
      return "";
  }
  return "";
}

ReserveCall ReadReserve(const Command& command) {
  const auto& request = As<v1::ReserveRequest>(command);
  ReserveCall call{request.reservation_id(), OwnerOf(command.key), {}};
  for (const auto& item : request.items()) call.items.push_back({item.product_id(), item.quantity(), 0});
  return call;
}

template <class Response>
Answer OkOr(absl::Status status) {
  if (absl::IsUnavailable(status)) return Unknown{std::move(status)};
  if (!status.ok()) return Refused{std::move(status)};
  return Ok{std::make_unique<Response>()};
}

// The rows that one batch touches, as they become.
class Batch {
 public:
  Batch(soci::session& session, const std::vector<Command*>& commands, absl::Time now) : session_(session), now_(now) {
    std::set<std::string> reservation_ids, product_ids;
    for (const Command* command : commands) {
      if (std::string id = ReservationIdOf(*command); !id.empty()) reservation_ids.insert(std::move(id));
      if (command->method == kRestock) product_ids.insert(As<v1::RestockRequest>(*command).product_id());
      if (command->method != kReserve) continue;
      for (const auto& item : As<v1::ReserveRequest>(*command).items()) product_ids.insert(item.product_id());
    }
    reservations_ = LoadReservations(session, reservation_ids);
    for (const auto& [id, reservation] : reservations_) {
      if (!reservation) continue;
      stored_reservations_.emplace(id, *reservation);
      for (const Item& item : reservation->items) product_ids.insert(item.product_id);
    }
    products_ = LoadProducts(session, product_ids, Purpose::kWrite);
    for (const auto& [id, product] : products_) {
      if (product) stored_products_.emplace(id, *product);
    }
  }

  Answer Decide(const Command& command) {
    const std::string id = ReservationIdOf(command);
    switch (static_cast<Method>(command.method)) {
      case kReserve:
        return DecideReserve(ReadReserve(command));
      case kRelease:
        return OkOr<v1::ReleaseResponse>(Release(reservations_[id], products_, OwnerOf(command.key), now_));
      case kConfirm:
        return OkOr<v1::ConfirmResponse>(Confirm(reservations_[id], products_, id, now_));
      case kReturnSold:
        return OkOr<v1::ReturnSoldResponse>(ReturnSold(reservations_[id], products_, id, now_));
      case kRestock:
        return DecideRestock(As<v1::RestockRequest>(command));
      case kReset:
        return Reset();
    }
    return Unknown{absl::InternalError("no such method")};
  }

  // Writes what has changed.
  void Save() {
    std::vector<const Product*> created, priced, counted;
    for (auto& [id, product] : products_) {
      if (!product) continue;
      const auto [stored, is_new] = stored_products_.try_emplace(id, *product);
      if (is_new) created.push_back(&*product);
      if (stored->second.price != product->price) priced.push_back(&*product);
      if (stored->second != *product) counted.push_back(&*product);
      stored->second = *product;
    }
    std::vector<const Reservation*> made, changed;
    for (auto& [id, reservation] : reservations_) {
      if (!reservation) continue;
      const auto [stored, is_new] = stored_reservations_.try_emplace(id, *reservation);
      if (is_new) made.push_back(&*reservation);
      if (stored->second != *reservation) changed.push_back(&*reservation);
      stored->second = *reservation;
    }
    UpdateReservations(session_, changed);
    UpdatePrices(session_, priced);
    UpdateStocks(session_, counted);
    if (!InsertProducts(session_, created) || !InsertReservations(session_, made)) lost_ = true;
  }

  // Another process has inserted the same row meanwhile: the batch is to be run again, and then sees it.
  absl::Status status() const {
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  Answer DecideReserve(const ReserveCall& call) {
    std::optional<Reservation>& reservation = reservations_[call.reservation_id];
    if (absl::Status status = Reserve(reservation, products_, call, now_); !status.ok())
      return Refused{std::move(status)};
    auto response = std::make_unique<v1::ReserveResponse>();
    response->set_reservation_id(reservation->reservation_id);
    response->mutable_total()->set_minor_units(reservation->total.minor_units);
    response->mutable_total()->set_currency_code(reservation->total.currency_code);
    return Ok{std::move(response)};
  }

  Answer DecideRestock(const v1::RestockRequest& request) {
    std::optional<Product>& product = products_[request.product_id()];
    const Money price{request.price().minor_units(), request.price().currency_code()};
    if (absl::Status status = Restock(product, request.product_id(), request.quantity(), price); !status.ok()) {
      return Refused{std::move(status)};
    }
    auto response = std::make_unique<v1::RestockResponse>();
    Write(*product, *response->mutable_product());
    return Ok{std::move(response)};
  }

  Answer Reset() {
    Save();
    if (const std::int64_t held = CountHeld(session_); held > 0) {
      return Refused{MakeError(absl::StatusCode::kFailedPrecondition,
                               "reservations are held; let their sagas end before the reset",
                               {"RESET_REFUSED", std::string(kErrorDomain), {{"held", absl::StrCat(held)}}})};
    }
    auto response = std::make_unique<v1::ResetStockResponse>();
    response->set_products_reset(ClearReservations(session_));
    for (auto& [id, reservation] : reservations_) reservation.reset();
    stored_reservations_.clear();
    for (auto& [id, product] : products_) {
      if (!product) continue;
      product->reserved = product->sold = 0;
      stored_products_[id] = *product;
    }
    return Ok{std::move(response)};
  }

  soci::session& session_;
  const absl::Time now_;
  bool lost_ = false;
  Reservations reservations_;
  Products products_;
  // As the tables have them.
  std::map<std::string, Reservation> stored_reservations_;
  std::map<std::string, Product> stored_products_;
};

}  // namespace

absl::Status StockDomain::Apply(soci::session& session, const std::vector<Command*>& commands) {
  Batch batch(session, commands, clock_.Now());
  for (Command* command : commands) command->answer = batch.Decide(*command);
  batch.Save();
  return batch.status();
}

void Write(const Product& from, v1::Product& to) {
  to.set_product_id(from.product_id);
  to.mutable_price()->set_minor_units(from.price.minor_units);
  to.mutable_price()->set_currency_code(from.price.currency_code);
  to.set_total(from.total);
  to.set_available(from.available());
  to.set_reserved(from.reserved);
  to.set_sold(from.sold);
}

}  // namespace unwind::stock
