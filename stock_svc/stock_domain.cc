#include "stock_svc/stock_domain.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "stock_svc/stock_store.h"

namespace unwind::stock {
namespace {

namespace v1 = ::shop::stock::v1;
using enum barrier::Phase;

// The rows that one batch touches, as they become.
class StockBatch {
 public:
  StockBatch(soci::session& session, absl::Time now) : session_(session), now_(now) {}

  template <class Request>
  void Want(const Request& request) {
    reservation_ids_.insert(request.reservation_id());
  }
  void Want(const v1::ReserveRequest& request) {
    reservation_ids_.insert(request.reservation_id());
    for (const auto& item : request.items()) product_ids_.insert(item.product_id());
  }
  void Want(const v1::RestockRequest& request) { product_ids_.insert(request.product_id()); }
  void Want(const v1::ResetStockRequest&) {}

  void Load() {
    reservations_ = LoadReservations(session_, reservation_ids_);
    for (const auto& [id, reservation] : reservations_) {
      if (!reservation) continue;
      stored_reservations_.emplace(id, *reservation);
      for (const Item& item : reservation->items) product_ids_.insert(item.product_id);
    }
    products_ = LoadProducts(session_, product_ids_, Purpose::kWrite);
    for (const auto& [id, product] : products_) {
      if (product) stored_products_.emplace(id, *product);
    }
  }

  absl::Status Reserve(const CallKey& key, const v1::ReserveRequest& request, v1::ReserveResponse& response) {
    ReserveCall call{request.reservation_id(), OwnerOf(key), {}};
    for (const auto& item : request.items()) call.items.push_back({item.product_id(), item.quantity(), 0});
    std::optional<Reservation>& reservation = reservations_[call.reservation_id];
    RETURN_IF_ERROR(stock::Reserve(reservation, products_, call, now_));
    response.set_reservation_id(reservation->reservation_id);
    response.mutable_total()->set_minor_units(reservation->total.minor_units);
    response.mutable_total()->set_currency_code(reservation->total.currency_code);
    return absl::OkStatus();
  }

  absl::Status Release(const CallKey& key, const v1::ReleaseRequest& request, v1::ReleaseResponse&) {
    return stock::Release(reservations_[request.reservation_id()], products_, OwnerOf(key), now_);
  }

  absl::Status Confirm(const CallKey&, const v1::ConfirmRequest& request, v1::ConfirmResponse&) {
    return stock::Confirm(reservations_[request.reservation_id()], products_, request.reservation_id(), now_);
  }

  absl::Status ReturnSold(const CallKey&, const v1::ReturnSoldRequest& request, v1::ReturnSoldResponse&) {
    return stock::ReturnSold(reservations_[request.reservation_id()], products_, request.reservation_id(), now_);
  }

  absl::Status Restock(const CallKey&, const v1::RestockRequest& request, v1::RestockResponse& response) {
    std::optional<Product>& product = products_[request.product_id()];
    const Money price{request.price().minor_units(), request.price().currency_code()};
    RETURN_IF_ERROR(stock::Restock(product, request.product_id(), request.quantity(), price));
    Write(*product, *response.mutable_product());
    return absl::OkStatus();
  }

  absl::Status ResetStock(const CallKey&, const v1::ResetStockRequest&, v1::ResetStockResponse& response) {
    WriteChanges();
    if (const std::int64_t held = CountHeld(session_); held > 0) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "reservations are held; let their sagas end before the reset",
                       {"RESET_REFUSED", std::string(kErrorDomain), {{"held", absl::StrCat(held)}}});
    }
    response.set_products_reset(ClearReservations(session_));
    for (auto& [id, reservation] : reservations_) reservation.reset();
    stored_reservations_.clear();
    for (auto& [id, product] : products_) {
      if (!product) continue;
      product->reserved = product->sold = 0;
      stored_products_[id] = *product;
    }
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  void WriteChanges() {
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

  soci::session& session_;
  const absl::Time now_;
  std::set<std::string> reservation_ids_, product_ids_;
  bool lost_ = false;
  Reservations reservations_;
  Products products_;
  // As the tables have them.
  std::map<std::string, Reservation> stored_reservations_;
  std::map<std::string, Product> stored_products_;
};

}  // namespace

std::unique_ptr<StepDomain> NewStockDomain(const Clock& clock) {
  return std::make_unique<TableDomain<StockBatch>>(
      clock, std::vector<StepRow<StockBatch>>{
                 Changes("Reserve", kAction, &StockBatch::Reserve),
                 Changes("Release", kCompensation, &StockBatch::Release),
                 Changes("Confirm", kAction, &StockBatch::Confirm),
                 Changes("ReturnSold", kAction, &StockBatch::ReturnSold),
                 Changes("Restock", kAction, &StockBatch::Restock),
                 ForTests(Changes("ResetStock", kAction, &StockBatch::ResetStock)),
             });
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
