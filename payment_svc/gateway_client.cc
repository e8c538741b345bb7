#include "payment_svc/gateway_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"

namespace unwind::payment {
namespace {

constexpr absl::string_view kGatewayDomain = "pg.unwind";
constexpr std::size_t kReasonBytesMax = 64;

GatewayAnswer Say(GatewayAnswer::Kind kind, absl::string_view reason) {
  GatewayAnswer answer;
  answer.kind = kind;
  answer.reason = std::string(reason);
  return answer;
}

// What may stand in an ErrorInfo: the gateway's words are not ours, nor bounded. Ours are not its.
std::string CleanReason(const std::string& reason) {
  const auto allowed = [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '_';
  };
  const bool clean = !reason.empty() && reason.size() <= kReasonBytesMax && reason != kPaymentTimeout &&
                     std::all_of(reason.begin(), reason.end(), allowed);
  return clean ? reason : "DECLINED";
}

// Only what the gateway is known to have stored is a "no"; an answer that we do not know is no answer.
GatewayAnswer ReadError(const absl::Status& status) {
  const ErrorInfo info = GetErrorInfo(status);
  if (status.code() == absl::StatusCode::kFailedPrecondition && info.domain == kGatewayDomain) {
    if (info.reason == "KEY_FENCED") return Say(GatewayAnswer::Kind::kFenced, info.reason);
    if (info.reason == "ALREADY_REFUNDED") return Say(GatewayAnswer::Kind::kBackAlready, info.reason);
    if (info.reason == "CARD_DECLINED" || info.reason == "AMOUNT_REFUSED") {
      return Say(GatewayAnswer::Kind::kDeclined, info.reason);
    }
  }
  return Say(GatewayAnswer::Kind::kUnknown,
             info.reason.empty() ? absl::StatusCodeToString(status.code()) : info.reason);
}

}  // namespace

GatewayAnswer ReadAnswer(absl::string_view key, const absl::Status& status, const ::pg::v1::Transaction& transaction) {
  if (!status.ok()) return ReadError(status);
  if (transaction.idempotency_key() != key) return Say(GatewayAnswer::Kind::kUnknown, "KEY_MISMATCH");
  GatewayAnswer answer;
  switch (transaction.kind()) {
    case ::pg::v1::Transaction::KIND_CAPTURE:
    case ::pg::v1::Transaction::KIND_REFUND:
      if (transaction.transaction_id().empty()) return Say(GatewayAnswer::Kind::kUnknown, "NO_TRANSACTION_ID");
      answer.kind = GatewayAnswer::Kind::kMoved;
      answer.transaction_id = transaction.transaction_id();
      answer.amount = {transaction.amount_minor(), transaction.currency_code()};
      answer.captured = transaction.captured_transaction_id();
      return answer;
    case ::pg::v1::Transaction::KIND_DECLINE:
      return Say(GatewayAnswer::Kind::kDeclined, CleanReason(transaction.decline_reason()));
    case ::pg::v1::Transaction::KIND_FENCE:
      return Say(GatewayAnswer::Kind::kFenced, "KEY_FENCED");
    case ::pg::v1::Transaction::KIND_UNSPECIFIED:
    case ::pg::v1::Transaction_Kind_Transaction_Kind_INT_MIN_SENTINEL_DO_NOT_USE_:
    case ::pg::v1::Transaction_Kind_Transaction_Kind_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return Say(GatewayAnswer::Kind::kUnknown, "KIND_UNKNOWN");
}

template <class Request, class Response>
struct GrpcGateway::Call {
  grpc::ClientContext context;
  Request request;
  Response response;
  Done done;
};

template <class Request, class Response, class Start>
void GrpcGateway::Send(Request request, Done done, Start start) {
  if (!Begin()) return done(Say(GatewayAnswer::Kind::kUnknown, "SHUTTING_DOWN"));
  auto call = std::make_shared<Call<Request, Response>>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  call->request = std::move(request);
  call->done = std::move(done);
  start(*stub_->async(), *call, [this, call](const grpc::Status& status) {
    call->done(ReadAnswer(call->request.idempotency_key(), FromGrpc(status), call->response.transaction()));
    End();
  });
}

GrpcGateway::GrpcGateway(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout)
    : channel_(std::move(channel)), stub_(::pg::v1::PaymentGateway::NewStub(channel_)), timeout_(timeout) {}

GrpcGateway::~GrpcGateway() { Stop(); }

void GrpcGateway::Confirm(const std::string& key, const Money& amount, Done done) {
  ::pg::v1::ConfirmRequest request;
  request.set_idempotency_key(key);
  request.set_amount_minor(amount.minor_units);
  request.set_currency_code(amount.currency_code);
  Send<::pg::v1::ConfirmRequest, ::pg::v1::ConfirmResponse>(
      std::move(request), std::move(done), [](auto& stub, auto& call, auto finished) {
        stub.Confirm(&call.context, &call.request, &call.response, std::move(finished));
      });
}

void GrpcGateway::Cancel(const std::string& key, const std::string& transaction_id, Done done) {
  ::pg::v1::CancelRequest request;
  request.set_idempotency_key(key);
  request.set_transaction_id(transaction_id);
  Send<::pg::v1::CancelRequest, ::pg::v1::CancelResponse>(
      std::move(request), std::move(done), [](auto& stub, auto& call, auto finished) {
        stub.Cancel(&call.context, &call.request, &call.response, std::move(finished));
      });
}

void GrpcGateway::Fence(const std::string& key, Done done) {
  ::pg::v1::FenceRequest request;
  request.set_idempotency_key(key);
  Send<::pg::v1::FenceRequest, ::pg::v1::FenceResponse>(
      std::move(request), std::move(done), [](auto& stub, auto& call, auto finished) {
        stub.Fence(&call.context, &call.request, &call.response, std::move(finished));
      });
}

void GrpcGateway::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  idle_.wait(lock, [this] { return calls_ == 0; });
}

bool GrpcGateway::Begin() {
  std::lock_guard lock(mutex_);
  if (stopping_) return false;
  ++calls_;
  return true;
}

// Notifies under the lock: Stop may return, and this be destroyed, as soon as it is released.
void GrpcGateway::End() {
  std::lock_guard lock(mutex_);
  if (--calls_ == 0) idle_.notify_all();
}

}  // namespace unwind::payment
