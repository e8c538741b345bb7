#include "mock_pg/gateway_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"

namespace unwind::pg {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;

void Write(const Scenario& from, ::pg::v1::Scenario& to) {
  to.set_fail_percent(from.fail_percent);
  to.set_seed(from.seed);
  to.set_delay_ms(static_cast<std::int32_t>(absl::ToInt64Milliseconds(from.delay)));
  to.set_refuse_amount_minor(from.refuse_amount_minor);
  to.set_fail_first(from.fail_first);
  to.set_hang_percent(from.hang_percent);
  to.set_hang_first(from.hang_first);
  to.set_crash_after(from.crash_after);
  to.set_async_percent(from.async_percent);
  to.set_async_first(from.async_first);
  to.set_async_delay_ms(static_cast<std::int32_t>(absl::ToInt64Milliseconds(from.async_delay)));
  to.set_webhook_delay_ms(static_cast<std::int32_t>(absl::ToInt64Milliseconds(from.webhook_delay)));
  to.set_webhook_lost_percent(from.webhook_lost_percent);
  to.set_webhook_twice_percent(from.webhook_twice_percent);
  to.set_webhook_early_percent(from.webhook_early_percent);
  to.set_webhook_forged_percent(from.webhook_forged_percent);
  to.set_after_fence_percent(from.after_fence_percent);
  to.set_after_fence_ms(static_cast<std::int32_t>(absl::ToInt64Milliseconds(from.after_fence)));
}

const std::vector<std::string>& TokenFilters() {
  static const auto* const filters = new std::vector<std::string>{"pg.v1.PaymentGateway/ListTransactions"};
  return *filters;
}

// The position behind which a page begins.
absl::StatusOr<std::int64_t> ReadPosition(const std::string& token) {
  ASSIGN_OR_RETURN(const std::string text, ReadPageToken(kErrorDomain, TokenFilters(), token));
  std::int64_t position = 0;
  if (!text.empty() && !absl::SimpleAtoi(text, &position)) return BadPageToken(kErrorDomain);
  return position;
}

// Tells of an entry as the field `transaction` of `response`.
template <class Response>
auto AsTransaction(Response* response) {
  return [response](const absl::StatusOr<Entry>& entry) {
    if (entry.ok()) Write(*entry, *response->mutable_transaction());
    return entry.status();
  };
}

absl::Status AsResult(const absl::StatusOr<Entry>& entry, ::pg::v1::ProcessResponse& response) {
  if (entry.ok() && entry->kind == Kind::kPending) {
    return MakeError(absl::StatusCode::kUnavailable, "the payment is not finished; call again with the same order_id",
                     {"PENDING", std::string(kErrorDomain), {}});
  }
  if (entry.ok()) {
    response.set_result(::pg::v1::ProcessResponse::RESULT_SUCCESS);
    response.set_transaction_id(entry->transaction_id);
    return absl::OkStatus();
  }
  const std::string reason = GetErrorInfo(entry.status()).reason;
  if (reason != kCardDeclined && reason != kAmountRefused) return entry.status();
  response.set_result(::pg::v1::ProcessResponse::RESULT_FAILED);
  response.set_failed_reason(reason);
  return absl::OkStatus();
}

Operation Keyed(Verb verb, const std::string& key) {
  Operation operation;
  operation.verb = verb;
  operation.key = key;
  return operation;
}

}  // namespace

void Write(const Entry& entry, ::pg::v1::Transaction& transaction) {
  transaction.set_transaction_id(entry.transaction_id);
  transaction.set_idempotency_key(entry.idempotency_key);
  transaction.set_kind(static_cast<::pg::v1::Transaction::Kind>(entry.kind));
  transaction.set_amount_minor(entry.amount_minor);
  transaction.set_currency_code(entry.currency_code);
  transaction.set_captured_transaction_id(entry.captured_transaction_id);
  transaction.set_decline_reason(entry.decline_reason);
  transaction.set_may_change(entry.may_change);
  const std::int64_t micros = absl::ToUnixMicros(entry.create_time);
  transaction.mutable_create_time()->set_seconds(micros / 1000000);
  transaction.mutable_create_time()->set_nanos(static_cast<std::int32_t>(micros % 1000000 * 1000));
}

Scenario ReadScenario(const ::pg::v1::Scenario& from) {
  Scenario to;
  to.fail_percent = from.fail_percent();
  to.seed = from.seed();
  to.delay = absl::Milliseconds(from.delay_ms());
  to.refuse_amount_minor = from.refuse_amount_minor();
  to.fail_first = from.fail_first();
  to.hang_percent = from.hang_percent();
  to.hang_first = from.hang_first();
  to.crash_after = from.crash_after();
  to.async_percent = from.async_percent();
  to.async_first = from.async_first();
  to.async_delay = absl::Milliseconds(from.async_delay_ms());
  to.webhook_delay = absl::Milliseconds(from.webhook_delay_ms());
  to.webhook_lost_percent = from.webhook_lost_percent();
  to.webhook_twice_percent = from.webhook_twice_percent();
  to.webhook_early_percent = from.webhook_early_percent();
  to.webhook_forged_percent = from.webhook_forged_percent();
  to.after_fence_percent = from.after_fence_percent();
  to.after_fence = absl::Milliseconds(from.after_fence_ms());
  return to;
}

GatewayService::GatewayService(Gateway& gateway) : gateway_(gateway) {}

void GatewayService::Close() {
  delays_.Stop();
  idle_.Close();
}

grpc::ServerUnaryReactor* GatewayService::Open(grpc::CallbackServerContext* context,
                                               const google::protobuf::Message& request, Work work) {
  auto* call = new OpenCall(idle_, [this] { gateway_.CountAnswer(); });
  std::shared_ptr<Caller> caller = call->caller();
  if (absl::Status status = CheckCall(*context, request, kErrorDomain); !status.ok()) {
    if (caller->Take()) caller->Finish(std::move(status));
    return call;
  }
  const std::chrono::milliseconds delay = absl::ToChronoMilliseconds(gateway_.GetScenario().delay);
  if (delay.count() == 0) {
    std::move(work)(std::move(caller));
    return call;
  }
  idle_.Add(caller);
  const bool waits = delays_.Push(delay, [this, caller, work = std::move(work)]() mutable {
    idle_.Remove(caller);
    std::move(work)(std::move(caller));
  });
  if (!waits && caller->Take()) {
    caller->Finish(WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "too many delayed calls",
                                            {"OVERLOADED", std::string(kErrorDomain), {}}),
                                  absl::Seconds(1)));
  }
  return call;
}

void GatewayService::Submit(std::shared_ptr<Caller> caller, Operation operation, Tell tell) {
  const bool counts = operation.verb != Verb::kFence;
  gateway_.Submit(std::move(operation),
                  [this, counts, caller = std::move(caller), tell = std::move(tell)](Gateway::Answer answer) mutable {
                    if (answer.hang) return idle_.Add(caller);
                    if (!caller->Take()) return;
                    if (counts) caller->Count();
                    caller->Finish(std::move(tell)(answer.entry));
                  });
}

grpc::ServerUnaryReactor* GatewayService::Confirm(grpc::CallbackServerContext* context,
                                                  const ::pg::v1::ConfirmRequest* request,
                                                  ::pg::v1::ConfirmResponse* response) {
  Operation operation = Keyed(Verb::kConfirm, request->idempotency_key());
  operation.amount_minor = request->amount_minor();
  operation.currency_code = request->currency_code();
  return Open(context, *request,
              [this, operation = std::move(operation), response](std::shared_ptr<Caller> caller) mutable {
                Submit(std::move(caller), std::move(operation), AsTransaction(response));
              });
}

grpc::ServerUnaryReactor* GatewayService::Fence(grpc::CallbackServerContext* context,
                                                const ::pg::v1::FenceRequest* request,
                                                ::pg::v1::FenceResponse* response) {
  Operation operation = Keyed(Verb::kFence, request->idempotency_key());
  operation.captured = request->transaction_id();
  return Open(context, *request,
              [this, operation = std::move(operation), response](std::shared_ptr<Caller> caller) mutable {
                Submit(std::move(caller), std::move(operation), AsTransaction(response));
              });
}

grpc::ServerUnaryReactor* GatewayService::Cancel(grpc::CallbackServerContext* context,
                                                 const ::pg::v1::CancelRequest* request,
                                                 ::pg::v1::CancelResponse* response) {
  Operation operation = Keyed(Verb::kCancel, request->idempotency_key());
  operation.captured = request->transaction_id();
  operation.amount_minor = request->amount_minor();
  return Open(context, *request,
              [this, operation = std::move(operation), response](std::shared_ptr<Caller> caller) mutable {
                Submit(std::move(caller), std::move(operation), AsTransaction(response));
              });
}

grpc::ServerUnaryReactor* GatewayService::Get(grpc::CallbackServerContext* context, const ::pg::v1::GetRequest* request,
                                              ::pg::v1::GetResponse* response) {
  return Open(context, *request, [this, key = request->idempotency_key(), response](std::shared_ptr<Caller> caller) {
    gateway_.Get(key, [caller = std::move(caller), response](absl::StatusOr<Entry> entry) {
      if (!caller->Take()) return;
      if (entry.ok()) Write(*entry, *response->mutable_transaction());
      caller->Finish(entry.status());
    });
  });
}

grpc::ServerUnaryReactor* GatewayService::ListTransactions(grpc::CallbackServerContext* context,
                                                           const ::pg::v1::ListTransactionsRequest* request,
                                                           ::pg::v1::ListTransactionsResponse* response) {
  const int size = request->page_size() == 0 ? kPageSizeDefault : std::min(request->page_size(), kPageSizeMax);
  const absl::StatusOr<std::int64_t> after = ReadPosition(request->page_token());
  return Open(context, *request, [this, size, after, response](std::shared_ptr<Caller> caller) {
    if (!after.ok()) {
      if (caller->Take()) caller->Finish(after.status());
      return;
    }
    gateway_.List(*after, size, [caller = std::move(caller), response](absl::StatusOr<Gateway::Page> page) {
      if (!caller->Take()) return;
      if (page.ok()) {
        for (const Entry& entry : page->entries) Write(entry, *response->add_transactions());
        if (page->next > 0) response->set_next_page_token(WritePageToken(TokenFilters(), absl::StrCat(page->next)));
      }
      caller->Finish(page.status());
    });
  });
}

grpc::ServerUnaryReactor* GatewayService::Process(grpc::CallbackServerContext* context,
                                                  const ::pg::v1::ProcessRequest* request,
                                                  ::pg::v1::ProcessResponse* response) {
  Operation operation = Keyed(Verb::kConfirm, absl::StrCat("process-", request->order_id()));
  operation.amount_minor = request->amount();
  operation.currency_code = request->currency_code().empty() ? "KRW" : request->currency_code();
  return Open(context, *request,
              [this, operation = std::move(operation), response](std::shared_ptr<Caller> caller) mutable {
                Submit(std::move(caller), std::move(operation),
                       [response](const absl::StatusOr<Entry>& entry) { return AsResult(entry, *response); });
              });
}

grpc::ServerUnaryReactor* ControlService::SetScenario(grpc::CallbackServerContext* context,
                                                      const ::pg::v1::SetScenarioRequest* request,
                                                      ::pg::v1::SetScenarioResponse* response) {
  return Serve(context, request, response, kErrorDomain, [this, request, response](Done done) {
    gateway_.SetScenario(ReadScenario(request->scenario()));
    *response->mutable_scenario() = request->scenario();
    std::move(done)(absl::OkStatus());
  });
}

grpc::ServerUnaryReactor* ControlService::GetScenario(grpc::CallbackServerContext* context,
                                                      const ::pg::v1::GetScenarioRequest* request,
                                                      ::pg::v1::GetScenarioResponse* response) {
  return Serve(context, request, response, kErrorDomain, [this, response](Done done) {
    Write(gateway_.GetScenario(), *response->mutable_scenario());
    std::move(done)(absl::OkStatus());
  });
}

grpc::ServerUnaryReactor* ControlService::Reset(grpc::CallbackServerContext* context,
                                                const ::pg::v1::ResetRequest* request,
                                                ::pg::v1::ResetResponse* response) {
  return Serve(context, request, response, kErrorDomain, [this, response](Done done) {
    gateway_.Reset([response, done = std::move(done)](absl::StatusOr<std::int64_t> removed) mutable {
      if (removed.ok()) response->set_transactions_removed(*removed);
      std::move(done)(removed.status());
    });
  });
}

}  // namespace unwind::pg
