#include "payment_svc/payment_domain.h"

#include <any>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/rpc/error.h"
#include "payment_svc/collect.h"
#include "payment_svc/gateway_notes.h"
#include "payment_svc/payment.h"
#include "payment_svc/payment_store.h"
#include "payment_svc/row_set.h"
#include "shop/payment/v1/payment_service.pb.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;
using enum barrier::Phase;

Money ReadMoney(const ::shop::type::v1::Money& money) { return {money.minor_units(), money.currency_code()}; }

absl::Time ReadTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::optional<Heard> HeardBy(const Command& command) {
  if (!command.continuation.has_value()) return std::nullopt;
  return std::any_cast<Heard>(command.continuation);
}

std::optional<GatewayAnswer> AnswerOf(const Command& command) {
  std::optional<Heard> heard = HeardBy(command);
  return heard ? std::optional(std::move(heard->answer)) : std::nullopt;
}

// The rows that one batch touches, as they were loaded and as they have become.
class PaymentBatch {
 public:
  PaymentBatch(soci::session& session, absl::Time now, GatewayNotes& notes)
      : session_(session), now_(now), notes_(notes), rows_(session) {}

  void Want(const v1::ChargeRequest& request) { rows_.Want(request.payment_id(), RowSet::Depth::kPayment); }
  void Want(const v1::CollectRequest& request) { rows_.Want(request.payment_id(), RowSet::Depth::kAll); }
  void Want(const v1::PayRequest& request) { rows_.Want(request.payment_id(), RowSet::Depth::kAll); }
  void Want(const v1::CancelPaymentRequest& request) { rows_.Want(request.payment_id(), RowSet::Depth::kAll); }
  void Want(const v1::RefundRequest& request) {
    rows_.Want(request.payment_id(), RowSet::Depth::kPayment);
    refund_ids_.push_back(request.refund_id());
  }
  void Want(const v1::ResetPaymentsRequest&) {}

  void Load() {
    rows_.Load();
    refunds_ = loaded_refunds_ = LoadRefunds(session_, refund_ids_, Purpose::kWrite);
  }

  Answer Charge(const Command& command, const v1::ChargeRequest& request,
                std::unique_ptr<v1::ChargeResponse> response) {
    const ChargeCall call{.payment_id = request.payment_id(),
                          .owner = OwnerOf(command.key),
                          .member_id = request.member_id(),
                          .amount = ReadMoney(request.amount()),
                          .method = request.method()};
    return Take(command, request, DecideCharge(PaymentOf(request), call, AnswerOf(command), now_), std::move(response));
  }

  Answer ResolveCharge(const Command& command, const v1::ChargeRequest& request,
                       std::unique_ptr<v1::ChargeResponse> response) {
    const bool may_wait = command.key.accepts_pending && !command.key.decides;
    Decision decision =
        DecideResolveCharge(PaymentOf(request), may_wait ? Resolve::kMayWait : Resolve::kEnds, AnswerOf(command), now_);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer Collect(const Command& command, const v1::CollectRequest& request,
                 std::unique_ptr<v1::CollectResponse> response) {
    const CollectCall call{.payment_id = request.payment_id(),
                           .owner = OwnerOf(command.key),
                           .member_id = request.member_id(),
                           .amount = ReadMoney(request.amount()),
                           .wait_until = ReadTime(request.wait_until())};
    return Take(command, request, DecideCollect(rows_.Of(call.payment_id), call, now_), std::move(response));
  }

  Answer ResolveCollect(const Command& command, const v1::CollectRequest& request,
                        std::unique_ptr<v1::CollectResponse> response) {
    Decision decision =
        DecideResolveCollect(rows_.Of(request.payment_id()), command.key.decides, HeardBy(command), now_);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer Pay(const Command& command, const v1::PayRequest& request, std::unique_ptr<v1::PayResponse> response) {
    const PayCall call{.payment_id = request.payment_id(),
                       .owner = OwnerOf(command.key),
                       .member_id = request.member_id(),
                       .method = request.method()};
    PaymentRows& rows = rows_.Of(call.payment_id);
    const bool was_settled = IsSettled(rows);
    Decision decision = DecidePay(rows, call, HeardBy(command), now_);
    NoteIfSettled(command, rows, was_settled);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer CancelPayment(const Command& command, const v1::CancelPaymentRequest& request,
                       std::unique_ptr<v1::CancelPaymentResponse> response) {
    PaymentRows& rows = rows_.Of(request.payment_id());
    const bool was_settled = IsSettled(rows);
    Decision decision = DecideCancel(rows, request.payment_id(), request.member_id(), HeardBy(command), now_);
    // Of one that was over it is told again: its customer may wait for what was told and lost.
    NoteIfSettled(command, rows, was_settled && decision.kind != Decision::Kind::kDone);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer Refund(const Command& command, const v1::RefundRequest& request,
                std::unique_ptr<v1::RefundResponse> response) {
    const RefundCall call{.refund_id = request.refund_id(),
                          .owner = OwnerOf(command.key),
                          .payment_id = request.payment_id(),
                          .keep = request.has_keep() ? ReadMoney(request.keep()) : Money()};
    Decision decision = DecideRefund(PaymentOf(request), refunds_[call.refund_id], call, AnswerOf(command), now_);
    return Take(command, request, std::move(decision), std::move(response));
  }

  Answer ResolveRefund(const Command& command, const v1::RefundRequest& request,
                       std::unique_ptr<v1::RefundResponse> response) {
    Decision decision = DecideResolveRefund(PaymentOf(request), refunds_[request.refund_id()], AnswerOf(command));
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
    rows_.Forget();
    for (auto& [id, refund] : refunds_) refund.reset();
    loaded_refunds_ = refunds_;
    return absl::OkStatus();
  }

  absl::Status Save() {
    WriteChanges();
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  template <class Request>
  std::optional<Payment>& PaymentOf(const Request& request) {
    return rows_.Of(request.payment_id()).payment;
  }

  void NoteIfSettled(const Command& command, const PaymentRows& rows, bool was_settled) {
    if (!was_settled && IsSettled(rows)) notes_.SetSettled(command.key, rows.payment->owner);
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
        Fill(command, request, *response);
        return Ok{std::move(response)};
      case Decision::Kind::kRefused:
        if (command.key.phase == kResolve) RememberNever(request);
        return Refused{std::move(decision.status)};
      case Decision::Kind::kUnknown:
        return Unknown{std::move(decision.status)};
      case Decision::Kind::kAskGateway:
        notes_.SetQuestion(command.key, *std::move(decision.question));
        return Intent{};
      case Decision::Kind::kWaits:
        Fill(command, request, *response);
        return Later{std::move(response)};
    }
    return Unknown{absl::InternalError("no such decision")};
  }

  void RememberNever(const v1::ChargeRequest& request) { notes_.RememberNever(ChargeKey(request.payment_id())); }
  void RememberNever(const v1::RefundRequest& request) { notes_.RememberNever(RefundKey(request.refund_id())); }
  template <class Request>
  void RememberNever(const Request&) {}  // of an attempt its row says it

  // The answer to a call that happened, or is accepted.
  void Fill(const Command&, const v1::ChargeRequest& request, v1::ChargeResponse& response) {
    const Payment& payment = *PaymentOf(request);
    response.set_payment_id(payment.payment_id);
    response.set_pg_transaction_id(payment.pg_transaction_id);
  }
  void Fill(const Command&, const v1::CollectRequest& request, v1::CollectResponse& response) {
    const Payment& payment = *PaymentOf(request);
    response.set_payment_id(payment.payment_id);
    response.set_pg_transaction_id(payment.pg_transaction_id);
    response.set_pay_path(absl::StrCat("/api/v1/payments/", payment.payment_id, ":pay"));
    *response.mutable_wait_until() = request.wait_until();
    response.set_state(payment.state == State::kSuccess || payment.state == State::kRefunded
                           ? v1::Payment::STATE_SUCCESS
                           : v1::Payment::STATE_PENDING);
  }
  void Fill(const Command& command, const v1::PayRequest& request, v1::PayResponse& response) {
    const Attempt& attempt = *AttemptOf(rows_.Of(request.payment_id()), OwnerOf(command.key));
    response.set_payment_id(attempt.payment_id);
    response.set_state(attempt.state == AttemptState::kCaptured ? v1::PaymentAttempt::STATE_SUCCESS
                                                                : v1::PaymentAttempt::STATE_PENDING);
    response.set_number(attempt.number);
  }
  void Fill(const Command&, const v1::CancelPaymentRequest&, v1::CancelPaymentResponse&) {}
  void Fill(const Command&, const v1::RefundRequest& request, v1::RefundResponse& response) {
    const payment::Refund& refund = *refunds_.at(request.refund_id());
    response.set_pg_transaction_id(refund.pg_transaction_id);
    const std::optional<Payment>& payment = PaymentOf(request);
    if (!payment) return;
    const Money refunded = PaidBack(*payment, refund);
    response.mutable_refunded()->set_minor_units(refunded.minor_units);
    response.mutable_refunded()->set_currency_code(refunded.currency_code);
  }

  void WriteChanges() {
    std::vector<payment::Refund> refunds, new_refunds;
    for (const auto& [id, refund] : refunds_) {
      const std::optional<payment::Refund>& loaded = loaded_refunds_[id];
      if (refund && refund != loaded) (loaded ? refunds : new_refunds).push_back(*refund);
    }
    if (!rows_.Save()) lost_ = true;
    UpdateRefunds(session_, refunds);
    if (!InsertRefunds(session_, new_refunds)) lost_ = true;
    loaded_refunds_ = refunds_;
  }

  soci::session& session_;
  const absl::Time now_;
  GatewayNotes& notes_;
  std::vector<std::string> refund_ids_;
  bool lost_ = false;
  RowSet rows_;
  Refunds refunds_, loaded_refunds_;
};

const std::vector<StepRow<PaymentBatch>>& Rows() {
  static const auto* const rows = new std::vector<StepRow<PaymentBatch>>{
      Changes("Charge", kAction, &PaymentBatch::Charge),
      Changes("ResolveCharge", kResolve, &PaymentBatch::ResolveCharge),
      Changes("Collect", kAction, &PaymentBatch::Collect),
      Changes("ResolveCollect", kResolve, &PaymentBatch::ResolveCollect),
      Changes("Pay", kAction, &PaymentBatch::Pay),
      Changes("CancelPayment", kAction, &PaymentBatch::CancelPayment),
      Changes("Refund", kAction, &PaymentBatch::Refund),
      Changes("ResolveRefund", kResolve, &PaymentBatch::ResolveRefund),
      ForTests(Changes("ResetPayments", kAction, &PaymentBatch::ResetPayments)),
  };
  return *rows;
}

class PaymentDomain final : public TableDomain<PaymentBatch> {
 public:
  PaymentDomain(Gateway& gateway, const Clock& clock, Late late, Settled settled)
      : TableDomain(clock, Rows(),
                    [this](soci::session& session, absl::Time now) {
                      notes_.Begin();
                      return PaymentBatch(session, now, notes_);
                    }),
        gateway_(gateway),
        late_(std::move(late)),
        settled_(std::move(settled)) {}

  void Continue(const Command& command, std::function<void(std::any)> done) override {
    const std::optional<Question> question = notes_.TakeQuestion(command.key);
    CHECK(question.has_value());
    const GatewayCall call{.key = question->key, .trace = command.key.trace};
    Gateway::Done answered = Answered(question->key, std::move(done));
    switch (question->verb) {
      case Question::Verb::kConfirm:
        return gateway_.Confirm(call, question->amount, std::move(answered));
      case Question::Verb::kCancel:
        return gateway_.Cancel(call, question->captured, question->amount.minor_units, std::move(answered));
      case Question::Verb::kFence:
        return gateway_.Fence(call, question->captured, std::move(answered));
    }
  }

  void Committed(const Command& command) override {
    const std::string owner = notes_.TakeSettled(command.key);
    if (!owner.empty()) settled_(owner);
  }

 private:
  Gateway::Done Answered(const std::string& key, std::function<void(std::any)> done) {
    return [this, key, done = std::move(done)](GatewayAnswer answer) {
      CheckLateAnswer(key, answer);
      done(std::any(Heard{key, std::move(answer)}));
    };
  }

  // The barrier fences a call whose resolve said never and does not ask the domain. So a gateway that breaks its word
  // is noticed here.
  void CheckLateAnswer(const std::string& key, const GatewayAnswer& answer) {
    if (answer.kind != GatewayAnswer::Kind::kMoved || !notes_.IsNever(key)) return;
    Log(Severity::kError, "the gateway moved money under a key that it had fenced or declined",
        {{"pg_key", key}, {"pg_transaction_id", answer.transaction_id}});
    late_(key, answer);
  }

  Gateway& gateway_;
  const Late late_;
  const Settled settled_;
  GatewayNotes notes_;
};

}  // namespace

std::unique_ptr<StepDomain> NewPaymentDomain(Gateway& gateway, const Clock& clock, Late late, Settled settled) {
  return std::make_unique<PaymentDomain>(gateway, clock, std::move(late), std::move(settled));
}

}  // namespace unwind::payment
