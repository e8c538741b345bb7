#include "tests/support/shop.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/base/uuid.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr absl::Duration kReadDeadline = absl::Seconds(10);

void SetDeadline(grpc::ClientContext& context, absl::Duration deadline) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

// Of a process that was killed and is there again the channel may still pause before it connects.
void PrepareRead(grpc::ClientContext& context) {
  SetDeadline(context, kReadDeadline);
  context.set_wait_for_ready(true);
}

bool Terminal(const saga::v1::Saga& saga) {
  return saga.state() == saga::v1::Saga::STATE_COMPLETED || saga.state() == saga::v1::Saga::STATE_ABORTED;
}

}  // namespace

Placing::Placing(const std::shared_ptr<grpc::Channel>& channel, const shop::checkout::v1::PlaceOrderRequest& request,
                 absl::Duration deadline, std::function<void()> done)
    : done_callback_(std::move(done)), request_(request), stub_(shop::checkout::v1::CheckoutService::NewStub(channel)) {
  SetDeadline(context_, deadline);
  stub_->async()->PlaceOrder(&context_, &request_, &response_, this);
  StartCall();
}

Placing::~Placing() {
  context_.TryCancel();
  Wait();
}

void Placing::OnReadInitialMetadataDone(bool ok) {
  const std::lock_guard lock(mutex_);
  accepted_ = true;
  const auto& metadata = context_.GetServerInitialMetadata();
  if (const auto found = metadata.find("saga-id"); ok && found != metadata.end()) {
    saga_id_ = std::string(found->second.data(), found->second.size());
  }
  changed_.notify_all();
}

void Placing::OnDone(const grpc::Status& status) {
  if (done_callback_ != nullptr) done_callback_();
  const std::lock_guard lock(mutex_);
  status_ = status;
  done_ = true;
  changed_.notify_all();
}

std::string Placing::SagaId(absl::Duration patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoNanoseconds(patience), [this] { return accepted_ || done_; });
  return saga_id_;
}

bool Placing::IsOver() {
  const std::lock_guard lock(mutex_);
  return done_;
}

const grpc::Status& Placing::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
  return status_;
}

bool AskAgain(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && Reason(status).empty());
}

std::string Reason(const grpc::Status& status) { return GetErrorInfo(FromGrpc(status)).reason; }

std::string NewKey() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return MakeUuidV7(absl::Now(), random);
}

shop::checkout::v1::PlaceOrderRequest Shop::Order(const std::string& member, const std::string& product, int quantity) {
  shop::checkout::v1::PlaceOrderRequest request;
  request.set_request_id(NewKey());
  request.set_member_id(member);
  auto* item = request.add_items();
  item->set_product_id(product);
  item->set_quantity(quantity);
  request.set_payment_method(shop::type::v1::PAYMENT_METHOD_CARD);
  return request;
}

std::unique_ptr<Placing> Shop::Begin(const shop::checkout::v1::PlaceOrderRequest& request, absl::Duration deadline) {
  return std::make_unique<Placing>(cluster_.Channel(door_), request, deadline);
}

grpc::Status Shop::Place(const shop::checkout::v1::PlaceOrderRequest& request,
                         shop::checkout::v1::PlaceOrderResponse* response, absl::Duration patience) {
  const absl::Time until = absl::Now() + patience;
  grpc::Status status;
  Eventually(patience, [&] {
    const auto placing = Begin(request, std::max(until - absl::Now(), absl::Milliseconds(1)));
    status = placing->Wait();
    if (response != nullptr) *response = placing->response();
    return !AskAgain(status);
  });
  return status;
}

absl::StatusOr<saga::v1::Saga> Shop::CancelSaga(const std::string& saga_id) {
  saga::v1::CancelSagaRequest request;
  request.set_saga_id(saga_id);
  request.set_actor("operator");
  request.set_reason("a test");
  saga::v1::CancelSagaResponse response;
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(30));
  const auto stub = saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_));
  RETURN_IF_ERROR(FromGrpc(stub->CancelSaga(&context, request, &response)));
  return response.saga();
}

absl::StatusOr<saga::v1::Saga> Shop::RetryStep(const std::string& saga_id, const std::string& step) {
  saga::v1::RetryStepRequest request;
  request.set_saga_id(saga_id);
  request.set_step(step);
  request.set_actor("operator");
  request.set_reason("a test");
  saga::v1::RetryStepResponse response;
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(30));
  const auto stub = saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_));
  RETURN_IF_ERROR(FromGrpc(stub->RetryStep(&context, request, &response)));
  return response.saga();
}

grpc::Status Shop::Cancel(const shop::checkout::v1::CancelOrderRequest& request,
                          shop::checkout::v1::CancelOrderResponse* response) {
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(30));
  return shop::checkout::v1::CheckoutService::NewStub(cluster_.Channel(door_))
      ->CancelOrder(&context, request, response);
}

absl::Status Shop::Restock(const std::string& product, std::int64_t quantity, std::int64_t price_minor) {
  shop::stock::v1::RestockRequest request;
  request.set_product_id(product);
  request.set_quantity(quantity);
  request.mutable_price()->set_minor_units(price_minor);
  request.mutable_price()->set_currency_code("KRW");
  shop::stock::v1::RestockResponse response;
  grpc::ClientContext context;
  PrepareRead(context);
  context.AddMetadata("idempotency-key", NewKey());
  return FromGrpc(
      shop::stock::v1::StockService::NewStub(cluster_.Channel(Node::kStock))->Restock(&context, request, &response));
}

absl::Status Shop::SetScenario(const pg::v1::Scenario& scenario) {
  pg::v1::SetScenarioRequest request;
  *request.mutable_scenario() = scenario;
  pg::v1::SetScenarioResponse response;
  grpc::ClientContext context;
  PrepareRead(context);
  return FromGrpc(
      pg::v1::MockControl::NewStub(cluster_.Channel(Node::kGateway))->SetScenario(&context, request, &response));
}

absl::StatusOr<shop::stock::v1::Product> Shop::Product(const std::string& product_id) {
  shop::stock::v1::GetProductRequest request;
  request.set_product_id(product_id);
  shop::stock::v1::Product response;
  grpc::ClientContext context;
  PrepareRead(context);
  RETURN_IF_ERROR(FromGrpc(shop::stock::v1::StockService::NewStub(cluster_.Channel(Node::kStock))
                               ->GetProduct(&context, request, &response)));
  return response;
}

absl::StatusOr<shop::order::v1::Order> Shop::GetOrder(const std::string& order_id) {
  shop::order::v1::GetOrderRequest request;
  request.set_order_id(order_id);
  shop::order::v1::Order response;
  grpc::ClientContext context;
  PrepareRead(context);
  RETURN_IF_ERROR(FromGrpc(
      shop::order::v1::OrderService::NewStub(cluster_.Channel(Node::kOrder))->GetOrder(&context, request, &response)));
  return response;
}

absl::StatusOr<saga::v1::Saga> Shop::Saga(const std::string& saga_id) {
  saga::v1::GetSagaRequest request;
  request.set_saga_id(saga_id);
  saga::v1::Saga response;
  grpc::ClientContext context;
  PrepareRead(context);
  RETURN_IF_ERROR(
      FromGrpc(saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_))->GetSaga(&context, request, &response)));
  return response;
}

absl::StatusOr<saga::v1::Saga> Shop::SagaOfKey(const std::string& definition, const std::string& key) {
  saga::v1::ListSagasRequest request;
  request.set_definition(definition);
  request.set_page_size(500);
  saga::v1::ListSagasResponse response;
  grpc::ClientContext context;
  PrepareRead(context);
  RETURN_IF_ERROR(
      FromGrpc(saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_))->ListSagas(&context, request, &response)));
  for (const saga::v1::Saga& saga : response.sagas()) {
    if (saga.key() == key) return saga;
  }
  return absl::NotFoundError(absl::StrCat("no ", definition, " saga with the key ", key));
}

absl::StatusOr<std::vector<saga::v1::HistoryEntry>> Shop::History(const std::string& saga_id) {
  std::vector<saga::v1::HistoryEntry> entries;
  saga::v1::GetHistoryRequest request;
  request.set_saga_id(saga_id);
  const auto stub = saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_));
  do {
    saga::v1::GetHistoryResponse response;
    grpc::ClientContext context;
    PrepareRead(context);
    RETURN_IF_ERROR(FromGrpc(stub->GetHistory(&context, request, &response)));
    entries.insert(entries.end(), response.entries().begin(), response.entries().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return entries;
}

absl::StatusOr<std::vector<pg::v1::Transaction>> Shop::Ledger() {
  std::vector<pg::v1::Transaction> ledger;
  pg::v1::ListTransactionsRequest request;
  request.set_page_size(1000);
  const auto stub = pg::v1::PaymentGateway::NewStub(cluster_.Channel(Node::kGateway));
  do {
    pg::v1::ListTransactionsResponse response;
    grpc::ClientContext context;
    PrepareRead(context);
    RETURN_IF_ERROR(FromGrpc(stub->ListTransactions(&context, request, &response)));
    ledger.insert(ledger.end(), response.transactions().begin(), response.transactions().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return ledger;
}

bool Shop::AwaitStepSent(const std::string& saga_id, const std::string& step, absl::Duration patience) {
  return Eventually(patience, [&] {
    const auto saga = Saga(saga_id);
    if (!saga.ok()) return false;
    for (const saga::v1::Step& each : saga->steps()) {
      if (each.name() == step && each.attempt() > 0) return true;
    }
    return false;
  });
}

absl::StatusOr<saga::v1::Saga> Shop::AwaitEnd(const std::string& saga_id, absl::Duration patience) {
  absl::StatusOr<saga::v1::Saga> saga = absl::NotFoundError("not asked yet");
  Eventually(patience, [&] {
    saga = Saga(saga_id);
    return saga.ok() && Terminal(*saga);
  });
  if (saga.ok() && !Terminal(*saga)) {
    return absl::DeadlineExceededError(
        absl::StrCat("saga ", saga_id, " is still ", saga::v1::Saga::State_Name(saga->state())));
  }
  return saga;
}

absl::StatusOr<int> Shop::Unfinished() {
  int unfinished = 0;
  const auto stub = saga::v1::SagaService::NewStub(cluster_.AdminChannel(door_));
  for (const auto state :
       {saga::v1::Saga::STATE_RUNNING, saga::v1::Saga::STATE_COMPENSATING, saga::v1::Saga::STATE_PARKED}) {
    saga::v1::ListSagasRequest request;
    request.set_state(state);
    request.set_page_size(500);
    saga::v1::ListSagasResponse response;
    grpc::ClientContext context;
    PrepareRead(context);
    RETURN_IF_ERROR(FromGrpc(stub->ListSagas(&context, request, &response)));
    unfinished += response.sagas_size();
  }
  return unfinished;
}

absl::Status AwaitRest(Shop& shop, absl::Duration patience) {
  absl::StatusOr<int> unfinished = -1;
  Eventually(patience, [&] {
    unfinished = shop.Unfinished();
    return unfinished.ok() && *unfinished == 0;
  });
  RETURN_IF_ERROR(unfinished.status());
  if (*unfinished == 0) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(*unfinished, " sagas are not over after ", absl::FormatDuration(patience)));
}

}  // namespace unwind
