#include "payment_svc/payment_domain.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/rpc/error.h"
#include "payment_svc/payment_store.h"
#include "shop/payment/v1/payment_service.pb.h"

namespace unwind::payment {
namespace {

namespace v1 = ::shop::payment::v1;

constexpr std::size_t kNeversMax = 10000;

const v1::ChargeRequest& ChargeOf(const Command& command) {
  return dynamic_cast<const v1::ChargeRequest&>(*command.request);
}

const v1::RefundRequest& RefundOf(const Command& command) {
  return dynamic_cast<const v1::RefundRequest&>(*command.request);
}

bool IsCharge(const Command& command) { return command.method == kCharge || command.method == kResolveCharge; }
bool IsRefund(const Command& command) { return command.method == kRefund || command.method == kResolveRefund; }

Money ReadMoney(const ::shop::type::v1::Money& money) { return {money.minor_units(), money.currency_code()}; }

std::optional<GatewayAnswer> AnswerOf(const Command& command) {
  if (!command.continuation.has_value()) return std::nullopt;
  return std::any_cast<GatewayAnswer>(command.continuation);
}

// Under which the gateway is asked.
std::string KeyOf(const Command& command) {
  return IsCharge(command) ? ChargeKey(ChargeOf(command).payment_id()) : RefundKey(RefundOf(command).refund_id());
}

// The rows that one batch touches, as they were loaded and as they have become.
class Batch {
 public:
  Batch(soci::session& session, const std::vector<Command*>& commands, absl::Time now) : session_(session), now_(now) {
    std::vector<std::string> payment_ids, refund_ids;
    for (const Command* command : commands) {
      if (IsCharge(*command)) payment_ids.push_back(ChargeOf(*command).payment_id());
      if (IsRefund(*command)) payment_ids.push_back(RefundOf(*command).payment_id());
      if (IsRefund(*command)) refund_ids.push_back(RefundOf(*command).refund_id());
    }
    payments_ = loaded_payments_ = LoadPayments(session, payment_ids, Purpose::kWrite);
    refunds_ = loaded_refunds_ = LoadRefunds(session, refund_ids);
  }

  Decision Decide(const Command& command) {
    if (IsCharge(command)) {
      const v1::ChargeRequest& request = ChargeOf(command);
      std::optional<Payment>& payment = payments_[request.payment_id()];
      if (command.method == kResolveCharge) return DecideResolveCharge(payment, AnswerOf(command), now_);
      return DecideCharge(payment,
                          {.payment_id = request.payment_id(),
                           .owner = OwnerOf(command.key),
                           .member_id = request.member_id(),
                           .amount = ReadMoney(request.amount()),
                           .method = request.method()},
                          AnswerOf(command), now_);
    }
    const v1::RefundRequest& request = RefundOf(command);
    std::optional<Payment>& payment = payments_[request.payment_id()];
    std::optional<Refund>& refund = refunds_[request.refund_id()];
    if (command.method == kResolveRefund) return DecideResolveRefund(payment, refund, AnswerOf(command));
    return DecideRefund(
        payment, refund,
        {.refund_id = request.refund_id(), .owner = OwnerOf(command.key), .payment_id = request.payment_id()},
        AnswerOf(command), now_);
  }

  // The answer of a call that happened.
  Ok Response(const Command& command) const {
    if (IsCharge(command)) {
      const Payment& payment = *payments_.at(ChargeOf(command).payment_id());
      auto response = std::make_unique<v1::ChargeResponse>();
      response->set_payment_id(payment.payment_id);
      response->set_pg_transaction_id(payment.pg_transaction_id);
      return {std::move(response)};
    }
    auto response = std::make_unique<v1::RefundResponse>();
    response->set_pg_transaction_id(refunds_.at(RefundOf(command).refund_id())->pg_transaction_id);
    return {std::move(response)};
  }

  // What the Cancel of a refund pays back.
  std::string CaptureOf(const Command& command) const {
    const std::optional<Payment>& payment = payments_.at(RefundOf(command).payment_id());
    return payment ? payment->pg_transaction_id : "";
  }

  Answer Reset() {
    Save();
    if (const std::int64_t pending = CountPending(session_); pending > 0) {
      return Refused{MakeError(absl::StatusCode::kFailedPrecondition,
                               "payments or refunds are under way; settle them before the reset",
                               {"RESET_REFUSED", std::string(kErrorDomain), {{"pending", absl::StrCat(pending)}}})};
    }
    auto response = std::make_unique<v1::ResetPaymentsResponse>();
    response->set_payments_removed(ClearPayments(session_));
    for (auto& [id, payment] : payments_) payment.reset();
    for (auto& [id, refund] : refunds_) refund.reset();
    loaded_payments_ = payments_;
    loaded_refunds_ = refunds_;
    return Ok{std::move(response)};
  }

  // Writes what has changed.
  void Save() {
    std::vector<Payment> payments, new_payments;
    for (const auto& [id, payment] : payments_) {
      const std::optional<Payment>& loaded = loaded_payments_[id];
      if (payment && payment != loaded) (loaded ? payments : new_payments).push_back(*payment);
    }
    std::vector<Refund> refunds, new_refunds;
    for (const auto& [id, refund] : refunds_) {
      const std::optional<Refund>& loaded = loaded_refunds_[id];
      if (refund && refund != loaded) (loaded ? refunds : new_refunds).push_back(*refund);
    }
    UpdatePayments(session_, payments);
    UpdateRefunds(session_, refunds);
    if (!InsertPayments(session_, new_payments) || !InsertRefunds(session_, new_refunds)) lost_ = true;
    loaded_payments_ = payments_;
    loaded_refunds_ = refunds_;
  }

  // Another process has inserted the same row meanwhile: the batch is to be run again, and then sees it.
  absl::Status status() const {
    return lost_ ? absl::AbortedError("another process has inserted the same row") : absl::OkStatus();
  }

 private:
  soci::session& session_;
  const absl::Time now_;
  bool lost_ = false;
  Payments payments_, loaded_payments_;
  Refunds refunds_, loaded_refunds_;
};

}  // namespace

absl::Status PaymentDomain::Apply(soci::session& session, const std::vector<Command*>& commands) {
  Batch batch(session, commands, clock_.Now());
  for (Command* command : commands) {
    if (command->method == kReset) {
      command->answer = batch.Reset();
      continue;
    }
    Decision decision = batch.Decide(*command);
    if (!decision.alarm.empty()) {
      Log(Severity::kError, decision.alarm, {{"saga_id", command->key.saga_id}, {"step", command->key.step}});
    }
    switch (decision.kind) {
      case Decision::Kind::kDone:
        command->answer = batch.Response(*command);
        break;
      case Decision::Kind::kRefused:
        if (command->key.phase == barrier::Phase::kResolve) RememberNever(KeyOf(*command));
        command->answer = Refused{std::move(decision.status)};
        break;
      case Decision::Kind::kUnknown:
        command->answer = Unknown{std::move(decision.status)};
        break;
      case Decision::Kind::kAskGateway:
        if (command->method == kRefund) captures_[RefundOf(*command).refund_id()] = batch.CaptureOf(*command);
        command->answer = Pending{};
        break;
    }
  }
  batch.Save();
  return batch.status();
}

void PaymentDomain::RememberNever(const std::string& key) {
  std::lock_guard lock(mutex_);
  if (nevers_.size() >= kNeversMax) nevers_.clear();
  nevers_.insert(key);
}

// The barrier fences a call whose resolve said never, and asks nobody; so a gateway that breaks its word is caught
// here.
void PaymentDomain::CheckLateAnswer(const std::string& key, const GatewayAnswer& answer) {
  if (answer.kind != GatewayAnswer::Kind::kMoved) return;
  {
    std::lock_guard lock(mutex_);
    if (nevers_.count(key) == 0) return;
  }
  Log(Severity::kError, "the gateway moved money under a key that it had fenced or declined; pay it back by hand",
      {{"pg_key", key}, {"pg_transaction_id", answer.transaction_id}});
}

void PaymentDomain::Continue(const Command& command, std::function<void(std::any)> done) {
  const std::string key = KeyOf(command);
  auto answered = [this, key, done = std::move(done)](GatewayAnswer answer) {
    CheckLateAnswer(key, answer);
    done(std::any(std::move(answer)));
  };
  switch (static_cast<Method>(command.method)) {
    case kCharge:
      return gateway_.Confirm(key, ReadMoney(ChargeOf(command).amount()), std::move(answered));
    case kRefund: {
      auto capture = captures_.extract(RefundOf(command).refund_id());
      CHECK(!capture.empty());
      return gateway_.Cancel(key, capture.mapped(), std::move(answered));
    }
    case kResolveCharge:
    case kResolveRefund:
      return gateway_.Fence(key, std::move(answered));
    case kReset:
      return;  // never pending
  }
}

}  // namespace unwind::payment
