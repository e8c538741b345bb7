#include "tests/sim/gateway.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/uuid.h"
#include "common/rpc/error.h"
#include "mock_pg/gateway_service.h"

namespace unwind::sim {
namespace {

constexpr char kConfirm[] = "/pg.v1.PaymentGateway/Confirm";
constexpr char kCancel[] = "/pg.v1.PaymentGateway/Cancel";
constexpr char kFence[] = "/pg.v1.PaymentGateway/Fence";
constexpr absl::Duration kTimeout = absl::Seconds(1);  // payment_svc's --pg_timeout
constexpr int kDeclinePercent = 40;                    // at full intensity
constexpr int kSilentPercent = 30;

pg::Operation ReadOperation(const Request& request) {
  pg::Operation operation;
  if (request.method == kConfirm) {
    ::pg::v1::ConfirmRequest confirm;
    confirm.ParseFromString(request.bytes);
    operation.verb = pg::Verb::kConfirm;
    operation.key = confirm.idempotency_key();
    operation.amount_minor = confirm.amount_minor();
    operation.currency_code = confirm.currency_code();
  } else if (request.method == kCancel) {
    ::pg::v1::CancelRequest cancel;
    cancel.ParseFromString(request.bytes);
    operation.verb = pg::Verb::kCancel;
    operation.key = cancel.idempotency_key();
    operation.captured = cancel.transaction_id();
    operation.amount_minor = cancel.amount_minor();
  } else {
    ::pg::v1::FenceRequest fence;
    fence.ParseFromString(request.bytes);
    operation.verb = pg::Verb::kFence;
    operation.key = fence.idempotency_key();
    operation.captured = fence.transaction_id();
  }
  return operation;
}

Reply Answer(const pg::Verdict& verdict) {
  if (!verdict.status.ok()) return {verdict.status, "", false};
  ::pg::v1::Transaction transaction;
  pg::Write(verdict.entry, transaction);
  return {absl::OkStatus(), transaction.SerializeAsString(), false};
}

}  // namespace

GatewayServer::GatewayServer(World& world, Faults& faults) : world_(world), faults_(faults), clock_(world) {
  scenario_.fail_percent = static_cast<int>(faults.intensity(Fault::kCardDeclined) * kDeclinePercent);
  scenario_.hang_percent = static_cast<int>(faults.intensity(Fault::kGatewaySilent) * kSilentPercent);
  scenario_.seed = static_cast<std::int64_t>(world.dice().Next() >> 1);
}

void GatewayServer::Serve(const Request& request, Respond respond) {
  ++open_;
  world_.In(world_.dice().Spread(absl::Microseconds(200), absl::Milliseconds(20)),
            [this, life = life_, operation = ReadOperation(request), respond = std::move(respond)]() mutable {
              if (life != life_) return;
              --open_;
              Decide(std::move(operation), respond);
            });
}

void GatewayServer::Decide(pg::Operation operation, const Respond& respond) {
  if (faults_.Strikes(Fault::kCrashBeforeCommit, 0.02)) return Crash();
  if (absl::Status status = pg::CheckOperation(operation); !status.ok()) return respond({status, "", false});
  operation.now = clock_.Now();
  operation.transaction_id = MakeUuidV7(operation.now, world_.dice().engine());
  const pg::Verdict verdict = pg::Decide(ledger_, scenario_, operation);
  if (verdict.write.has_value()) {
    ledger_.Add(*verdict.write);
    entries_.push_back(*verdict.write);
    world_.Tell(NameOf(Node::kGateway), "writes ",
                verdict.write->kind == pg::Kind::kCapture   ? "a capture"
                : verdict.write->kind == pg::Kind::kRefund  ? "a refund"
                : verdict.write->kind == pg::Kind::kDecline ? "a decline"
                                                            : "a fence",
                " under ", operation.key);
    if (verdict.write->kind == pg::Kind::kDecline) faults_.Count(Fault::kCardDeclined);
    if (faults_.Strikes(Fault::kCrashAfterCommit, 0.02)) return Crash();
  }
  if (verdict.hang) {
    faults_.Count(Fault::kGatewaySilent);
    return world_.Tell(NameOf(Node::kGateway), "never answers that");
  }
  respond(Answer(verdict));
}

void GatewayServer::Crash() {
  if (!up_) return;
  world_.Tell(NameOf(Node::kGateway), "is dead");
  up_ = false;
  open_ = 0;
  ++life_;
  world_.In(world_.dice().Spread(absl::Milliseconds(50), absl::Seconds(45)), [this] {
    up_ = true;
    world_.Tell(NameOf(Node::kGateway), "starts");
  });
}

void GatewayPort::Confirm(const payment::GatewayCall& call, const payment::Money& amount, Done done) {
  ::pg::v1::ConfirmRequest request;
  request.set_idempotency_key(call.key);
  request.set_amount_minor(amount.minor_units);
  request.set_currency_code(amount.currency_code);
  Send(kConfirm, {call.key, ::pg::v1::Transaction::KIND_CAPTURE}, request, std::move(done));
}

void GatewayPort::Cancel(const payment::GatewayCall& call, const std::string& transaction_id, std::int64_t amount_minor,
                         Done done) {
  ::pg::v1::CancelRequest request;
  request.set_idempotency_key(call.key);
  request.set_transaction_id(transaction_id);
  request.set_amount_minor(amount_minor);
  Send(kCancel, {call.key, ::pg::v1::Transaction::KIND_REFUND}, request, std::move(done));
}

void GatewayPort::Fence(const payment::GatewayCall& call, const std::string& captured, Done done) {
  ::pg::v1::FenceRequest request;
  request.set_idempotency_key(call.key);
  request.set_transaction_id(captured);
  const auto moves = captured.empty() ? ::pg::v1::Transaction::KIND_CAPTURE : ::pg::v1::Transaction::KIND_REFUND;
  Send(kFence, {call.key, moves}, request, std::move(done));
}

void GatewayPort::Send(const char* method, const payment::AskedOf& asked, const google::protobuf::Message& request,
                       Done done) {
  network_.Call(Node::kPayment, Node::kGateway, {method, request.SerializeAsString(), {}, kTimeout},
                [alive = alive_, asked, done = std::move(done)](const Reply& reply) {
                  if (!alive()) return;
                  ::pg::v1::Transaction transaction;
                  transaction.ParseFromString(reply.bytes);
                  done(payment::ReadAnswer(asked, FromGrpc(ToGrpc(reply.status)), transaction));
                });
}

}  // namespace unwind::sim
