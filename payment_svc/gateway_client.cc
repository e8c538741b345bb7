#include "payment_svc/gateway_client.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/observe/tracer.h"
#include "common/rpc/error.h"
#include "grpcpp/client_context.h"

namespace unwind::payment {
namespace {

using ::pg::v1::Transaction;

constexpr absl::string_view kGatewayDomain = "pg.unwind";
constexpr std::size_t kReasonBytesMax = 64;
constexpr std::size_t kTransactionIdBytesMax = 255;
constexpr std::size_t kContradictionBytesMax = 512;

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
  const bool is_ours = reason == kPaymentTimeout || reason == kPaymentExpired || reason == kPaymentCancelled;
  const bool clean = !reason.empty() && reason.size() <= kReasonBytesMax && !is_ours &&
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
      GatewayAnswer declined = Say(GatewayAnswer::Kind::kDeclined, info.reason);
      declined.is_final = true;
      return declined;
    }
  }
  return Say(GatewayAnswer::Kind::kUnknown,
             info.reason.empty() ? absl::StatusCodeToString(status.code()) : info.reason);
}

// An answer that cannot be true is none, and somebody should know.
GatewayAnswer Contradict(const AskedOf& asked, const Transaction& transaction, absl::string_view reason) {
  GatewayAnswer answer = Say(GatewayAnswer::Kind::kUnknown, reason);
  answer.contradiction =
      absl::StrCat(reason, ": of key ", asked.key, ", which can only make ", Transaction::Kind_Name(asked.moves),
                   ", the gateway says ", transaction.ShortDebugString().substr(0, kContradictionBytesMax));
  return answer;
}

// What is stored, shown and sent back to the gateway.
bool IsTransactionId(const std::string& id) {
  return !id.empty() && id.size() <= kTransactionIdBytesMax &&
         std::none_of(id.begin(), id.end(), [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

GatewayAnswer ReadMoved(const AskedOf& asked, const Transaction& transaction) {
  if (transaction.kind() != asked.moves) return Contradict(asked, transaction, "KIND_MISMATCH");
  if (!IsTransactionId(transaction.transaction_id())) return Contradict(asked, transaction, "BAD_TRANSACTION_ID");
  GatewayAnswer answer;
  answer.kind = GatewayAnswer::Kind::kMoved;
  answer.transaction_id = transaction.transaction_id();
  answer.amount = {transaction.amount_minor(), transaction.currency_code()};
  answer.captured = transaction.captured_transaction_id();
  return answer;
}

GatewayAnswer ReadTransaction(const AskedOf& asked, const Transaction& transaction) {
  if (transaction.idempotency_key() != asked.key) return Contradict(asked, transaction, "KEY_MISMATCH");
  switch (transaction.kind()) {
    case Transaction::KIND_CAPTURE:
    case Transaction::KIND_REFUND:
      return ReadMoved(asked, transaction);
    case Transaction::KIND_DECLINE:
      return Say(GatewayAnswer::Kind::kDeclined, CleanReason(transaction.decline_reason()));
    case Transaction::KIND_FENCE:
      return Say(GatewayAnswer::Kind::kFenced, "KEY_FENCED");
    case Transaction::KIND_PENDING:
      if (asked.moves != Transaction::KIND_CAPTURE) return Contradict(asked, transaction, "KIND_MISMATCH");
      return Say(GatewayAnswer::Kind::kPending, "PENDING");
    case Transaction::KIND_UNSPECIFIED:
    case ::pg::v1::Transaction_Kind_Transaction_Kind_INT_MIN_SENTINEL_DO_NOT_USE_:
    case ::pg::v1::Transaction_Kind_Transaction_Kind_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return Contradict(asked, transaction, "KIND_UNKNOWN");
}

}  // namespace

GatewayAnswer ReadAnswer(const AskedOf& asked, const absl::Status& status, const Transaction& transaction) {
  if (!status.ok()) return ReadError(status);
  GatewayAnswer answer = ReadTransaction(asked, transaction);
  answer.is_final = answer.kind != GatewayAnswer::Kind::kUnknown && !transaction.may_change();
  return answer;
}

template <class Request, class Response>
struct GrpcGateway::Sent {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  Request request;
  Response response;
  OpenSpan span;
  Done done;
};

template <class Request, class Response, class Start>
void GrpcGateway::Send(const char* method, const GatewayCall& call, Transaction::Kind moves, Request request, Done done,
                       Start start) {
  if (!calls_.Begin()) return done(Say(GatewayAnswer::Kind::kUnknown, "SHUTTING_DOWN"));
  auto sent = std::make_shared<Sent<Request, Response>>();
  sent->context->set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  const std::string path = absl::StrCat("/pg.v1.PaymentGateway/", method);
  sent->span = OpenClientSpan(path, call.trace);
  for (const auto& [name, value] : MetadataOf(sent->span.Inside(call.trace))) sent->context->AddMetadata(name, value);
  sent->request = std::move(request);
  sent->request.set_idempotency_key(call.key);
  sent->done = std::move(done);
  const ClientMetrics::Series& series = metrics_.Of(path);
  series.started->Increment();
  start(*::pg::v1::PaymentGateway::NewStub(channel_.Get())->async(), *sent,
        [this, sent, moves, method, path, &series, start_time = SteadyNow()](const grpc::Status& end) {
          series.Finish(end.error_code(), SteadyNow() - start_time);
          const absl::Status status = FromGrpc(end);
          if (sent->span.is_open()) sent->span.End(ErrorOf(status), CallAttributes(path, end.error_code()));
          GatewayAnswer answer =
              ReadAnswer({sent->request.idempotency_key(), moves}, status, sent->response.transaction());
          Warn(method, status, answer);
          sent->done(std::move(answer));
          // Before End, after which the gateway may go: the context holds the channel, and gRPC does not survive that
          // the last holder of a channel lets go on gRPC's own thread.
          sent->context.reset();
          calls_.End();
        });
}

// The sagas wait for the gateway then, and their steps say only that the payment is not known.
void GrpcGateway::Warn(const char* method, const absl::Status& status, const GatewayAnswer& answer) {
  if (status.ok() || answer.kind != GatewayAnswer::Kind::kUnknown) return;
  const std::int64_t calls = warnings_.Happened(SteadyNow());
  if (calls == 0) return;
  Log(Severity::kWarning, "the payment gateway gives no answer",
      {{"method", method},
       {"code", absl::StatusCodeToString(status.code())},
       {"error", status.message()},
       {"calls", absl::StrCat(calls)}});
}

GrpcGateway::GrpcGateway(const std::string& target, absl::Duration timeout, ClientMetrics& metrics)
    : channel_(target), timeout_(timeout), metrics_(metrics) {}

GrpcGateway::~GrpcGateway() { Stop(); }

void GrpcGateway::Confirm(const GatewayCall& call, const Money& amount, Done done) {
  ::pg::v1::ConfirmRequest request;
  request.set_amount_minor(amount.minor_units);
  request.set_currency_code(amount.currency_code);
  Send<::pg::v1::ConfirmRequest, ::pg::v1::ConfirmResponse>(
      "Confirm", call, Transaction::KIND_CAPTURE, std::move(request), std::move(done),
      [](auto& stub, auto& sent, auto finished) {
        stub.Confirm(sent.context.get(), &sent.request, &sent.response, std::move(finished));
      });
}

void GrpcGateway::Cancel(const GatewayCall& call, const std::string& transaction_id, std::int64_t amount_minor,
                         Done done) {
  ::pg::v1::CancelRequest request;
  request.set_transaction_id(transaction_id);
  request.set_amount_minor(amount_minor);
  Send<::pg::v1::CancelRequest, ::pg::v1::CancelResponse>("Cancel", call, Transaction::KIND_REFUND, std::move(request),
                                                          std::move(done), [](auto& stub, auto& sent, auto finished) {
                                                            stub.Cancel(sent.context.get(), &sent.request,
                                                                        &sent.response, std::move(finished));
                                                          });
}

void GrpcGateway::Fence(const GatewayCall& call, const std::string& captured, Done done) {
  ::pg::v1::FenceRequest request;
  request.set_transaction_id(captured);
  Send<::pg::v1::FenceRequest, ::pg::v1::FenceResponse>(
      "Fence", call, captured.empty() ? Transaction::KIND_CAPTURE : Transaction::KIND_REFUND, std::move(request),
      std::move(done), [](auto& stub, auto& sent, auto finished) {
        stub.Fence(sent.context.get(), &sent.request, &sent.response, std::move(finished));
      });
}

void GrpcGateway::Inquire(const GatewayCall& call, Done done) {
  Send<::pg::v1::GetRequest, ::pg::v1::GetResponse>(
      "Get", call, Transaction::KIND_CAPTURE, {}, std::move(done), [](auto& stub, auto& sent, auto finished) {
        stub.Get(sent.context.get(), &sent.request, &sent.response, std::move(finished));
      });
}

void GrpcGateway::Stop() { calls_.Stop(); }

}  // namespace unwind::payment
