// Whatever a client sends: the right code, reason and field; nothing is created; every process stays up.
#include <functional>

#include "common/base/status_macros.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/client_context.h"
#include "tests/e2e/shop_test.h"
#include "tests/support/bytes_call.h"
#include "tests/support/wares.h"

namespace unwind {
namespace {

using shop::checkout::v1::CancelOrderRequest;
using shop::checkout::v1::CancelOrderResponse;
using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr int kMessageMaxBytes = 256 * 1024;  // the default of --message_max_bytes

// The fields that the BadRequest of `status` names.
std::vector<std::string> Fields(const grpc::Status& status) {
  std::vector<std::string> fields;
  const absl::optional<absl::Cord> detail = FromGrpc(status).GetPayload("type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest bad_request;
  if (!detail.has_value() || !bad_request.ParseFromString(std::string(*detail))) return fields;
  for (const auto& violation : bad_request.field_violations()) fields.push_back(violation.field());
  return fields;
}

void ExpectRefusal(const grpc::Status& status, grpc::StatusCode code, const std::string& reason,
                   const std::vector<std::string>& fields = {}) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_EQ(Reason(status), reason) << status.error_message();
  EXPECT_THAT(Fields(status), testing::ElementsAreArray(fields)) << status.error_message();
  EXPECT_FALSE(status.error_message().empty());
}

class BadInput : public ShopTest {
 protected:
  void SetUp() override {
    ShopTest::SetUp();
    product_ = NewProduct(10);
    before_ = Books();
  }

  // No saga was made, no order recorded, no money moved.
  void ExpectNothingHappened() {
    const AuditReport after = Books();
    EXPECT_EQ(after.sagas, before_.sagas);
    EXPECT_EQ(after.orders_paid, before_.orders_paid);
    EXPECT_EQ(after.orders_failed, before_.orders_failed);
    EXPECT_EQ(after.captured_minor, before_.captured_minor);
    const auto product = shop_.Product(product_);
    ASSERT_TRUE(product.ok()) << product.status();
    EXPECT_EQ(product->available(), 10);
  }

  grpc::Status Place(const PlaceOrderRequest& request) { return shop_.Place(request, nullptr); }

  std::string product_;
  AuditReport before_;
};

TEST_F(BadInput, APlaceOrderThatBreaksALimitNamesTheField) {
  struct Case {
    const char* what;
    std::function<void(PlaceOrderRequest&)> spoil;
    std::vector<std::string> fields;
  };
  const std::string long_id(65, 'a');
  const std::vector<Case> cases = {
      {"quantity 0", [](auto& r) { r.mutable_items(0)->set_quantity(0); }, {"items[0].quantity"}},
      {"negative quantity", [](auto& r) { r.mutable_items(0)->set_quantity(-1); }, {"items[0].quantity"}},
      {"quantity over the limit", [](auto& r) { r.mutable_items(0)->set_quantity(1001); }, {"items[0].quantity"}},
      {"absurd quantity", [](auto& r) { r.mutable_items(0)->set_quantity(2147483647); }, {"items[0].quantity"}},
      {"empty product", [](auto& r) { r.mutable_items(0)->clear_product_id(); }, {"items[0].product_id"}},
      {"foreign characters in the product",
       [](auto& r) { r.mutable_items(0)->set_product_id("lamp'; DROP TABLE products"); },
       {"items[0].product_id"}},
      {"no items", [](auto& r) { r.clear_items(); }, {"items"}},
      {"the same item twice", [](auto& r) { *r.add_items() = r.items(0); }, {"items[1].product_id"}},
      {"too many items",
       [](auto& r) {
         for (int i = 0; i < 100; ++i) {
           *r.add_items() = r.items(0);
           r.mutable_items(i + 1)->set_product_id("q" + std::to_string(i));
         }
       },
       {"items"}},
      {"no member", [](auto& r) { r.clear_member_id(); }, {"member_id"}},
      {"foreign characters in the member", [](auto& r) { r.set_member_id("mina\n"); }, {"member_id"}},
      {"a member in another script", [](auto& r) { r.set_member_id("\xeb\xaf\xbc\xec\x95\x84"); }, {"member_id"}},
      {"a member that is too long", [&](auto& r) { r.set_member_id(long_id); }, {"member_id"}},
      {"foreign characters in the request_id", [](auto& r) { r.set_request_id("a b"); }, {"request_id"}},
      {"a request_id that is too long", [&](auto& r) { r.set_request_id(long_id); }, {"request_id"}},
      {"no payment method", [](auto& r) { r.clear_payment_method(); }, {"payment_method"}},
      {"several at once",
       [](auto& r) {
         r.clear_member_id();
         r.mutable_items(0)->set_quantity(0);
       },
       {"member_id", "items[0].quantity"}},
      {"several at once, and no request_id",
       [](auto& r) {
         r.clear_request_id();
         r.clear_member_id();
       },
       {"request_id", "member_id"}},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    PlaceOrderRequest request = Shop::Order("mina", product_);
    each.spoil(request);
    ExpectRefusal(Place(request), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST", each.fields);
  }
  ExpectNothingHappened();
}

// The orchestrator only passes the number on, so a method that is not known yet is the payment service's to refuse.
// That is before it stores anything, so the charge is resolved (it never happened) and the order undone; and the buyer
// is told of the refusal, not that the payment took too long.
TEST_F(BadInput, AnUnknownPaymentMethodIsRefusedByWhoTakesPayments) {
  PlaceOrderRequest request = Shop::Order("mina", product_);
  request.set_payment_method(static_cast<shop::type::v1::PaymentMethod>(99));
  const grpc::Status status = Place(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(Reason(status), "INVALID_REQUEST");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("method"));
  EXPECT_EQ(GetErrorInfo(FromGrpc(status)).metadata["step"], "charge");
  const AuditReport after = Books();
  EXPECT_EQ(after.sagas, before_.sagas + 1);
  EXPECT_EQ(after.orders_paid, before_.orders_paid);
  EXPECT_EQ(after.captured_minor, before_.captured_minor);
}

TEST_F(BadInput, AnOrderNeedsAKey) {
  PlaceOrderRequest request = Shop::Order("mina", product_);
  request.clear_request_id();
  ExpectRefusal(Place(request), grpc::StatusCode::INVALID_ARGUMENT, "KEY_MISSING", {"request_id"});
  ExpectNothingHappened();
}

TEST_F(BadInput, TwoDifferentKeysInOneCallAreRefused) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  context.AddMetadata("idempotency-key", "another");
  PlaceOrderResponse response;
  const grpc::Status status = CheckoutService::NewStub(cluster_->Channel(Node::kOrchestrator))
                                  ->PlaceOrder(&context, Shop::Order("mina", product_), &response);
  ExpectRefusal(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST", {"request_id"});
  ExpectNothingHappened();
}

TEST_F(BadInput, AKeyIsNotReusedForAnotherOrder) {
  PlaceOrderRequest request = Shop::Order("mina", product_);
  PlaceOrderResponse first;
  ASSERT_TRUE(shop_.Place(request, &first).ok());
  request.mutable_items(0)->set_quantity(2);
  ExpectRefusal(Place(request), grpc::StatusCode::INVALID_ARGUMENT, "KEY_REUSED");
  const AuditReport after = Books();
  EXPECT_EQ(after.sagas, before_.sagas + 1);
  EXPECT_EQ(after.orders_paid, before_.orders_paid + 1);
}

TEST_F(BadInput, AnUnknownProductIsNotFoundAndNothingIsLeft) {
  ExpectRefusal(Place(Shop::Order("mina", "unheard-of")), grpc::StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND");
  const AuditReport after = Books();
  EXPECT_EQ(after.orders_paid, before_.orders_paid);
  EXPECT_EQ(after.captured_minor, before_.captured_minor);
}

// A cart takes what it does not know: whether it is sold is said when it is ordered, and the cart stays as it is.
TEST_F(BadInput, ACartLineOfAnUnknownProductCannotBeOrdered) {
  Wares wares(*cluster_);
  ASSERT_TRUE(IsOk(wares.AddToCart("mina", "unheard-of", 2)));
  ASSERT_TRUE(IsOk(wares.AddToCart("mina", product_, 1)));
  const NothingMoves while_it_is_refused(*cluster_);
  PlaceOrderRequest request = Shop::Order("mina", product_);
  *request.add_items() = Shop::Order("mina", "unheard-of", 2).items(0);
  ExpectRefusal(Place(request), grpc::StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND");
}

TEST_F(BadInput, AnAmountThatOverflowsIsRefusedAndNothingIsTaken) {
  const std::string dear = NewProduct(1000, 1'000'000'000'000'000);
  ExpectRefusal(Place(Shop::Order("mina", dear, 1000)), grpc::StatusCode::OUT_OF_RANGE, "AMOUNT_OVERFLOW");
  const auto product = shop_.Product(dear);
  ASSERT_TRUE(product.ok()) << product.status();
  EXPECT_EQ(product->available(), 1000);
  EXPECT_EQ(Books().captured_minor, before_.captured_minor);
}

TEST_F(BadInput, AMessageOverTheLimitIsRefused) {
  PlaceOrderRequest request = Shop::Order("mina", product_);
  for (const int bytes : {kMessageMaxBytes, 1000 << 10}) {
    request.set_member_id(std::string(static_cast<std::size_t>(bytes), 'a'));
    ExpectRefusal(Place(request), grpc::StatusCode::INVALID_ARGUMENT, "MESSAGE_TOO_LARGE");
  }
  request.set_member_id(std::string(1 << 20, 'a'));  // over the transport's own limit too
  PlaceOrderResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Status status =
      CheckoutService::NewStub(cluster_->Channel(Node::kOrchestrator))->PlaceOrder(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  ExpectNothingHappened();
}

TEST_F(BadInput, BytesThatAreNoMessageAreRefused) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Status status = CallWithBytes(cluster_->Channel(Node::kOrchestrator), context,
                                            "/shop.checkout.v1.CheckoutService/PlaceOrder", "\xff\xff\xff\xff garbage");
  ExpectRefusal(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
  ExpectNothingHappened();
}

TEST_F(BadInput, AnExpiredDeadlineStartsNothing) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() - absl::Seconds(1)));
  PlaceOrderResponse response;
  const grpc::Status status = CheckoutService::NewStub(cluster_->Channel(Node::kOrchestrator))
                                  ->PlaceOrder(&context, Shop::Order("mina", product_), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  ExpectNothingHappened();
}

TEST_F(BadInput, CancellingWhatIsNotOnesOwnFindsNothing) {
  PlaceOrderResponse placed;
  ASSERT_TRUE(shop_.Place(Shop::Order("mina", product_), &placed).ok());
  CancelOrderRequest request;
  request.set_request_id(NewKey());
  request.set_order_id(placed.order_id());
  request.set_member_id("somebody-else");
  CancelOrderResponse response;
  ExpectRefusal(shop_.Cancel(request, &response), grpc::StatusCode::NOT_FOUND, "ORDER_NOT_FOUND");
  request.set_request_id(NewKey());
  request.set_order_id("no-such-order");
  ExpectRefusal(shop_.Cancel(request, &response), grpc::StatusCode::NOT_FOUND, "ORDER_NOT_FOUND");
  const auto order = shop_.GetOrder(placed.order_id());
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_EQ(order->state(), shop::order::v1::Order::STATE_PAID);
}

TEST_F(BadInput, AStepWithoutSagaMetadataSaysWhatIsMissing) {
  shop::stock::v1::ReserveRequest request;
  request.set_reservation_id("r");
  *request.add_items() = Shop::Order("mina", product_).items(0);
  shop::stock::v1::ReserveResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Status status =
      shop::stock::v1::StockService::NewStub(cluster_->Channel(Node::kStock))->Reserve(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("idempotency-key"));
  EXPECT_NE(Reason(status), "");
  ExpectNothingHappened();
}

TEST_F(BadInput, ReadsOfNothingAndBadPagesAreRefused) {
  const auto sagas = saga::v1::SagaService::NewStub(cluster_->AdminChannel(Node::kOrchestrator));
  const auto soon = [] { return absl::ToChronoTime(absl::Now() + kPatience); };
  {
    grpc::ClientContext context;
    context.set_deadline(soon());
    saga::v1::GetSagaRequest request;
    request.set_saga_id("no-such-saga");
    saga::v1::Saga response;
    ExpectRefusal(sagas->GetSaga(&context, request, &response), grpc::StatusCode::NOT_FOUND, "SAGA_NOT_FOUND");
  }
  {
    grpc::ClientContext context;
    context.set_deadline(soon());
    saga::v1::ListSagasRequest request;
    request.set_page_size(-1);
    saga::v1::ListSagasResponse response;
    ExpectRefusal(sagas->ListSagas(&context, request, &response), grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST",
                  {"page_size"});
  }
  {
    grpc::ClientContext context;
    context.set_deadline(soon());
    saga::v1::ListSagasRequest request;
    request.set_page_token("made up");
    saga::v1::ListSagasResponse response;
    ExpectRefusal(sagas->ListSagas(&context, request, &response), grpc::StatusCode::INVALID_ARGUMENT,
                  "INVALID_PAGE_TOKEN");
  }
  {
    grpc::ClientContext context;
    context.set_deadline(soon());
    shop::stock::v1::GetProductRequest request;
    request.set_product_id("no-such-product");
    shop::stock::v1::Product response;
    ExpectRefusal(shop::stock::v1::StockService::NewStub(cluster_->Channel(Node::kStock))
                      ->GetProduct(&context, request, &response),
                  grpc::StatusCode::NOT_FOUND, "PRODUCT_NOT_FOUND");
  }
}

}  // namespace
}  // namespace unwind
