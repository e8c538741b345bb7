#include "payment_svc/payment_domain.h"

#include <any>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/rpc/error.h"
#include "payment_svc/payment.h"
#include "payment_svc/payment_store.h"
#include "shop/payment/v1/payment_service.pb.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;
using enum barrier::Phase;

constexpr std::size_t kNeversMax = 10000;

Money ReadMoney(const ::shop::type::v1::Money& money) { return {money.minor_units(), money.currency_code()}; }

// The gateway's key of a request.
std::string KeyOf(const v1::ChargeRequest& request) { return ChargeKey(request.payment_id()); }
std::string KeyOf(const v1::RefundRequest& request) { return RefundKey(request.refund_id()); }

std::optional<GatewayAnswer> AnswerOf(const Command& command) {
  if (!command.continuation.has_value()) return std::nullopt;
  return std::any_cast<GatewayAnswer>(command.continuation);
}

// What lies between the two transactions of a call and is not in its rows. Thread-safe.
class GatewayNotes {
 public:
  // From Apply to Continue: the capture that a refund pays back.
  void SetCapture(const std::string& refund_id, std::string capture) {
    std::lock_guard lock(mutex_);
    captures_[refund_id] = std::move(capture);
  }
  std::string TakeCapture(const std::string& refund_id) {
    std::lock_guard lock(mutex_);
    auto capture = captures_.extract(refund_id);
    CHECK(!capture.empty());
    return std::move(capture.mapped());
  }

  // The gateway's keys that were lately resolved as never.
  void RememberNever(const std::string& key) {
    std::lock_guard lock(mutex_);
    if (nevers_.size() >= kNeversMax) nevers_.clear();
    nevers_.insert(key);
  }
  bool IsNever(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return nevers_.count(key) > 0;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> captures_;
  std::set<std::string> nevers_;
};

// The rows that one batch touches, as they were loaded and as they have become.
class PaymentBatch {
 public:
  PaymentBatch(soci::session& session, absl::Time now, GatewayNotes& notes)
      : session_(session), now_(now), notes_(notes) {}

  void Want(const v1::ChargeRequest& request) { payment_ids_.push_back(request.payment_id()); }
  void Want(const v1::RefundRequest& request) {
    payment_ids_.push_back(request.payment_id());
    refund_ids_.push_back(request.refund_id());
  }
  void Want(const v1::ResetPaymentsRequest&) {}

  void Load() {
    payments_ = loaded_payments_ = LoadPayments(session_, payment_ids_, Purpose::kWrite);
    refunds_ = loaded_refunds_ = LoadRefunds(session_, refund_ids_);
  }

  Answer Charge(const Command& command, const v1::ChargeRequest& request,
                std::unique_ptr<v1::ChargeResponse> response) {
    const ChargeCall call{.payment_id = request.payment_id(),
                          .owner = OwnerOf(command.key),
                          .member_id = request.member_id(),
                          .amount = ReadMoney(request.amount()),
                          .method = request.method()};
    return Take(command, request, DecideCharge(payments_[call.payment_id], call, AnswerOf(command), now_),
                std::move(response));
  }

  Answer ResolveCharge(const Command& command, const v1::ChargeRequest& request,
                       std::unique_ptr<v1::ChargeResponse> response) {
    return Take(command, request, DecideResolveCharge(payments_[request.payment_id()], AnswerOf(command), now_),
                std::move(response));
  }

  Answer Refund(const Command& command, const v1::RefundRequest& request,
                std::unique_ptr<v1::RefundResponse> response) {
    std::optional<Payment>& payment = payments_[request.payment_id()];
    const RefundCall call{
        .refund_id = request.refund_id(), .owner = OwnerOf(command.key), .payment_id = request.payment_id()};
    Decision decision = DecideRefund(payment, refunds_[call.refund_id], call, AnswerOf(command), now_);
    NoteCapture(decision, call.refund_id, payment);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer ResolveRefund(const Command& command, const v1::RefundRequest& request,
                       std::unique_ptr<v1::RefundResponse> response) {
    std::optional<Payment>& payment = payments_[request.payment_id()];
    Decision decision = DecideResolveRefund(payment, refunds_[request.refund_id()], AnswerOf(command));
    NoteCapture(decision, request.refund_id(), payment);
    return Take(command, request, std::move(decision), std::move(response));
  }

  absl::Status ResetPayments(const CallKey&, const v1::ResetPaymentsRequest&, v1::ResetPaymentsResponse& response) {
    WriteChanges();
    if (const std::int64_t pending = CountPending(session_); pending > 0) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       "payments or refunds are under way; settle them before the reset",
                       {"RESET_REFUSED", std::string(kErrorDomain), {{"pending", absl::StrCat(pending)}}});
    }
    response.set_payments_removed(ClearPayments(session_));
    for (auto& [id, payment] : payments_) payment.reset();
    for (auto& [id, refund] : refunds_) refund.reset();
    loaded_payments_ = payments_;
    loaded_refunds_ = refunds_;
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  void NoteCapture(const Decision& decision, const std::string& refund_id, const std::optional<Payment>& payment) {
    if (decision.kind == Decision::Kind::kAskGateway) notes_.SetCapture(refund_id, payment->pg_transaction_id);
  }

  template <class Request, class Response>
  Answer Take(const Command& command, const Request& request, Decision decision, std::unique_ptr<Response> response) {
    if (!decision.alarm.empty()) {
      Log(Severity::kError,
          "the payment gateway contradicts what was asked or what it said before, and is not believed: compare its "
          "ledger with the payments",
          {{"finding", decision.alarm}, {"saga_id", command.key.saga_id}, {"step", command.key.step}});
    }
    switch (decision.kind) {
      case Decision::Kind::kDone:
        Fill(request, *response);
        return Ok{std::move(response)};
      case Decision::Kind::kRefused:
        if (command.key.phase == kResolve) notes_.RememberNever(KeyOf(request));
        return Refused{std::move(decision.status)};
      case Decision::Kind::kUnknown:
        return Unknown{std::move(decision.status)};
      case Decision::Kind::kAskGateway:
        return Intent{};
    }
    return Unknown{absl::InternalError("no such decision")};
  }

  // The answer to a call that happened.
  void Fill(const v1::ChargeRequest& request, v1::ChargeResponse& response) const {
    const Payment& payment = *payments_.at(request.payment_id());
    response.set_payment_id(payment.payment_id);
    response.set_pg_transaction_id(payment.pg_transaction_id);
  }
  void Fill(const v1::RefundRequest& request, v1::RefundResponse& response) const {
    response.set_pg_transaction_id(refunds_.at(request.refund_id())->pg_transaction_id);
  }

  void WriteChanges() {
    std::vector<Payment> payments, new_payments;
    for (const auto& [id, payment] : payments_) {
      const std::optional<Payment>& loaded = loaded_payments_[id];
      if (payment && payment != loaded) (loaded ? payments : new_payments).push_back(*payment);
    }
    std::vector<payment::Refund> refunds, new_refunds;
    for (const auto& [id, refund] : refunds_) {
      const std::optional<payment::Refund>& loaded = loaded_refunds_[id];
      if (refund && refund != loaded) (loaded ? refunds : new_refunds).push_back(*refund);
    }
    UpdatePayments(session_, payments);
    UpdateRefunds(session_, refunds);
    if (!InsertPayments(session_, new_payments) || !InsertRefunds(session_, new_refunds)) lost_ = true;
    loaded_payments_ = payments_;
    loaded_refunds_ = refunds_;
  }

  soci::session& session_;
  const absl::Time now_;
  GatewayNotes& notes_;
  std::vector<std::string> payment_ids_, refund_ids_;
  bool lost_ = false;
  Payments payments_, loaded_payments_;
  Refunds refunds_, loaded_refunds_;
};

const std::vector<StepRow<PaymentBatch>>& Rows() {
  static const auto* const rows = new std::vector<StepRow<PaymentBatch>>{
      Changes("Charge", kAction, &PaymentBatch::Charge),
      Changes("ResolveCharge", kResolve, &PaymentBatch::ResolveCharge),
      Changes("Refund", kAction, &PaymentBatch::Refund),
      Changes("ResolveRefund", kResolve, &PaymentBatch::ResolveRefund),
      ForTests(Changes("ResetPayments", kAction, &PaymentBatch::ResetPayments)),
  };
  return *rows;
}

class PaymentDomain final : public TableDomain<PaymentBatch> {
 public:
  PaymentDomain(Gateway& gateway, const Clock& clock)
      : TableDomain(clock, Rows(),
                    [this](soci::session& session, absl::Time now) { return PaymentBatch(session, now, notes_); }),
        gateway_(gateway) {}

  void Continue(const Command& command, std::function<void(std::any)> done) override {
    if (const auto* charge = dynamic_cast<const v1::ChargeRequest*>(command.request.get())) {
      const GatewayCall call{.key = KeyOf(*charge), .trace = command.key.trace};
      if (command.key.phase == kResolve) return gateway_.Fence(call, "", Answered(call.key, std::move(done)));
      return gateway_.Confirm(call, ReadMoney(charge->amount()), Answered(call.key, std::move(done)));
    }
    const auto& refund = dynamic_cast<const v1::RefundRequest&>(*command.request);
    const GatewayCall call{.key = KeyOf(refund), .trace = command.key.trace};
    const std::string capture = notes_.TakeCapture(refund.refund_id());
    if (command.key.phase == kResolve) return gateway_.Fence(call, capture, Answered(call.key, std::move(done)));
    gateway_.Cancel(call, capture, Answered(call.key, std::move(done)));
  }

 private:
  Gateway::Done Answered(const std::string& key, std::function<void(std::any)> done) {
    return [this, key, done = std::move(done)](GatewayAnswer answer) {
      CheckLateAnswer(key, answer);
      done(std::any(std::move(answer)));
    };
  }

  // The barrier fences a call whose resolve said never and does not ask the domain. So a gateway that breaks its word
  // is noticed here.
  void CheckLateAnswer(const std::string& key, const GatewayAnswer& answer) {
    if (answer.kind != GatewayAnswer::Kind::kMoved || !notes_.IsNever(key)) return;
    Log(Severity::kError, "the gateway moved money under a key that it had fenced or declined; pay it back by hand",
        {{"pg_key", key}, {"pg_transaction_id", answer.transaction_id}});
  }

  Gateway& gateway_;
  GatewayNotes notes_;
};

}  // namespace

std::unique_ptr<StepDomain> NewPaymentDomain(Gateway& gateway, const Clock& clock) {
  return std::make_unique<PaymentDomain>(gateway, clock);
}

}  // namespace unwind::payment
