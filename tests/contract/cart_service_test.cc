#include <future>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "order_svc/cart.h"
#include "shop/order/v1/cart_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/contract/order_parts.h"

namespace unwind::order {
namespace {

namespace v1 = ::shop::order::v1;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Stub = v1::CartService::Stub;
using Orders = v1::OrderService::Stub;
using Lines = std::vector<std::pair<std::string, int>>;

template <class Request>
Request Of(const std::string& member, const std::string& product, int quantity) {
  Request request;
  request.set_member_id(member);
  request.set_product_id(product);
  request.set_quantity(quantity);
  return request;
}

v1::RemoveItemRequest RemoveOf(const std::string& member, const std::string& product) {
  v1::RemoveItemRequest request;
  request.set_member_id(member);
  request.set_product_id(product);
  return request;
}

v1::ClearOrderedRequest ClearOf(const std::string& order_id) {
  v1::ClearOrderedRequest request;
  request.set_order_id(order_id);
  return request;
}

class CartServiceTest : public testing::Test {
 protected:
  Called<v1::AddItemResponse> Add(const std::string& member, const std::string& product, int quantity,
                                  const Metadata& metadata) {
    return Call(stub(), &Stub::AddItem, Of<v1::AddItemRequest>(member, product, quantity), metadata);
  }
  Called<v1::AddItemResponse> Add(const std::string& member, const std::string& product, int quantity) {
    return Add(member, product, quantity, NewKey());
  }
  Called<v1::ChangeItemResponse> Change(const std::string& member, const std::string& product, int quantity) {
    return Call(stub(), &Stub::ChangeItem, Of<v1::ChangeItemRequest>(member, product, quantity), NewKey());
  }
  Called<v1::RemoveItemResponse> Remove(const std::string& member, const std::string& product) {
    return Call(stub(), &Stub::RemoveItem, RemoveOf(member, product), NewKey());
  }
  // As the follow-up of an order does.
  Called<v1::ClearOrderedResponse> Clear(const std::string& order_id, const std::string& saga) {
    return Call(stub(), &Stub::ClearOrdered, ClearOf(order_id), SagaCall(saga, "clear_cart", "action", "retriable"));
  }
  Called<v1::ListCartResponse> List(const std::string& member, const Metadata& metadata = {}) {
    v1::ListCartRequest request;
    request.set_member_id(member);
    return Call(stub(), &Stub::ListCart, request, metadata);
  }
  Lines CartOf(const std::string& member) {
    const auto called = List(member);
    EXPECT_TRUE(called.status.ok()) << called.status;
    Lines lines;
    for (const v1::CartLine& line : called.response.lines()) lines.emplace_back(line.product_id(), line.quantity());
    return lines;
  }

  void Create(const std::string& order_id, const std::string& member, const Lines& items) {
    v1::CreateOrderRequest request;
    request.set_order_id(order_id);
    request.set_member_id(member);
    for (const auto& [product, quantity] : items) {
      auto* item = request.add_items();
      item->set_product_id(product);
      item->set_quantity(quantity);
    }
    Orders orders = process_.Orders();
    ASSERT_TRUE(Call(orders, &Orders::CreateOrder, request, SagaCall(order_id, "create_order", "action")).status.ok());
  }
  void Confirm(const std::string& order_id) {
    v1::ConfirmOrderRequest request;
    request.set_order_id(order_id);
    request.mutable_total()->set_currency_code("KRW");
    request.set_payment_id("pay");
    Orders orders = process_.Orders();
    ASSERT_TRUE(Call(orders, &Orders::ConfirmOrder, request, SagaCall(order_id, "confirm_order", "action", "retriable"))
                    .status.ok());
  }
  void Pay(const std::string& order_id, const std::string& member, const Lines& items) {
    Create(order_id, member, items);
    Confirm(order_id);
  }

  Metadata NewKey() { return Key(absl::StrCat("k", ++keys_)); }
  Stub& stub() { return process_.stub(); }

  OrderProcess<v1::CartService> process_;
  int keys_ = 0;
};

Lines Removed(const Called<v1::ClearOrderedResponse>& called) {
  EXPECT_TRUE(called.status.ok()) << called.status;
  Lines removed;
  for (const auto& item : called.response.removed()) removed.emplace_back(item.product_id(), item.quantity());
  return removed;
}

TEST_F(CartServiceTest, AMemberFillsChangesAndEmptiesACart) {
  EXPECT_THAT(CartOf("m1"), IsEmpty());
  EXPECT_EQ(Add("m1", "p2", 2).response.quantity(), 2);
  EXPECT_EQ(Add("m1", "p1", 1).response.quantity(), 1);
  EXPECT_EQ(Add("m1", "p2", 3).response.quantity(), 5);
  EXPECT_EQ(Add("m2", "p2", 7).response.quantity(), 7);
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p2", 5), Pair("p1", 1)));  // as they were added, not by name
  EXPECT_GT(List("m1").response.lines(0).add_time().seconds(), 1'700'000'000);

  EXPECT_TRUE(Change("m1", "p2", 1).status.ok());
  EXPECT_TRUE(Change("m1", "p1", 9).status.ok());
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p2", 1), Pair("p1", 9)));
  EXPECT_TRUE(Remove("m1", "p2").status.ok());
  EXPECT_TRUE(Remove("m1", "p2").status.ok());  // nothing to take out
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 9)));
  EXPECT_THAT(CartOf("m2"), ElementsAre(Pair("p2", 7)));

  const auto changed = Change("m1", "p2", 1);
  EXPECT_EQ(changed.status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(changed.reason(), "CART_LINE_NOT_FOUND");
  EXPECT_EQ(changed.info().metadata.at("product_id"), "p2");
  EXPECT_EQ(changed.info().domain, "order.shop.unwind");
}

TEST_F(CartServiceTest, ARepeatUnderOneKeyAddsOnce) {
  const auto first = Add("m1", "p1", 2, Key("k"));
  const auto repeat = Add("m1", "p1", 2, Key("k"));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status;
  EXPECT_EQ(first.response.SerializeAsString(), repeat.response.SerializeAsString());
  EXPECT_EQ(Add("m1", "p1", 3, Key("k")).reason(), "KEY_REUSED");
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 2)));
  process_.Stop();
  process_.Start();
  EXPECT_EQ(Add("m1", "p1", 2, Key("k")).response.quantity(), 2);
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 2)));
}

TEST_F(CartServiceTest, AChangeNeedsAKey) {
  for (const absl::Status& status :
       {Add("m1", "p1", 1, {}).status,
        Call(stub(), &Stub::ChangeItem, Of<v1::ChangeItemRequest>("m1", "p1", 1), {}).status,
        Call(stub(), &Stub::RemoveItem, RemoveOf("m1", "p1"), {}).status,
        Call(stub(), &Stub::ClearOrdered, ClearOf("o1"), {}).status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(GetErrorInfo(status).reason, "METADATA_MISSING");
    EXPECT_THAT(std::string(status.message()), HasSubstr("idempotency-key"));
  }
  EXPECT_THAT(CartOf("m1"), IsEmpty());
}

TEST_F(CartServiceTest, EachFieldKeepsItsLimits) {
  const std::string long_id(65, 'a');
  const auto add = [&](const std::string& member, const std::string& product, int quantity) {
    const auto called = Add(member, product, quantity);
    EXPECT_EQ(called.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(called.reason(), "INVALID_REQUEST");
    return BadFields(called.status);
  };
  EXPECT_THAT(add("", "p1", 1), ElementsAre("member_id"));
  EXPECT_THAT(add("m 1", "p1", 1), ElementsAre("member_id"));
  EXPECT_THAT(add(long_id, "p1", 1), ElementsAre("member_id"));
  EXPECT_THAT(add("m1", "", 1), ElementsAre("product_id"));
  EXPECT_THAT(add("m1", "p.1", 1), ElementsAre("product_id"));
  EXPECT_THAT(add("m1", long_id, 1), ElementsAre("product_id"));
  EXPECT_THAT(add("m1", "p1", 0), ElementsAre("quantity"));
  EXPECT_THAT(add("m1", "p1", -1), ElementsAre("quantity"));
  EXPECT_THAT(add("m1", "p1", 1001), ElementsAre("quantity"));
  EXPECT_THAT(BadFields(Change("", "p1", 0).status), ElementsAre("member_id", "quantity"));
  EXPECT_THAT(BadFields(Change("m1", "p1", 1001).status), ElementsAre("quantity"));
  EXPECT_THAT(BadFields(Remove("", "").status), ElementsAre("member_id", "product_id"));
  EXPECT_THAT(BadFields(Clear("", "s1").status), ElementsAre("order_id"));
  EXPECT_THAT(BadFields(List("").status), ElementsAre("member_id"));
  EXPECT_THAT(CartOf("m1"), IsEmpty());
}

TEST_F(CartServiceTest, ACartHasAHundredProductsAndAThousandOfEach) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add("m1", absl::StrCat("p", i), 1).status.ok());
  const auto full = Add("m1", "one-more", 1, Key("k"));
  EXPECT_EQ(full.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(full.reason(), "CART_FULL");
  EXPECT_EQ(full.info().metadata.at("lines_max"), "100");
  EXPECT_TRUE(full.effect_free);
  EXPECT_TRUE(Add("m1", "p7", 999).status.ok());  // of one that is there
  const auto line_full = Add("m1", "p7", 1);
  EXPECT_EQ(line_full.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(line_full.reason(), "CART_LINE_FULL");
  EXPECT_EQ(line_full.info().metadata.at("product_id"), "p7");
  EXPECT_EQ(line_full.info().metadata.at("quantity"), "1000");
  EXPECT_EQ(CartOf("m1").size(), 100u);

  ASSERT_TRUE(Remove("m1", "p7").status.ok());
  EXPECT_EQ(Add("m1", "one-more", 1, Key("k")).reason(), "CART_FULL");  // the key's answer, for good
  EXPECT_TRUE(Add("m1", "one-more", 1).status.ok());
}

// Whether there is such a product is the stock service's to say, when it is ordered.
TEST_F(CartServiceTest, ACartTakesAnyProduct) {
  EXPECT_TRUE(Add("m1", "no-such-product", 1).status.ok());
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("no-such-product", 1)));
}

TEST_F(CartServiceTest, AnOrderTakesOutWhatWasOrderedAndLeavesWhatCameSince) {
  Add("m1", "p1", 3);
  Add("m1", "p2", 1);
  Add("m1", "p3", 1);
  Add("m2", "p1", 5);
  Pay("o1", "m1", {{"p1", 2}, {"p3", 1}, {"p9", 4}});
  Add("m1", "p1", 1);
  Add("m1", "p4", 1);
  Remove("m1", "p3");
  Add("m1", "p3", 5);
  EXPECT_THAT(Removed(Clear("o1", "s1")), ElementsAre(Pair("p1", 2)));
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 2), Pair("p2", 1), Pair("p4", 1), Pair("p3", 5)));
  EXPECT_THAT(CartOf("m2"), ElementsAre(Pair("p1", 5)));
}

TEST_F(CartServiceTest, AnOrderIsClearedOnceWhateverCalls) {
  Add("m1", "p1", 5);
  Pay("o1", "m1", {{"p1", 2}});
  const auto first = Clear("o1", "s1");
  EXPECT_THAT(Removed(first), ElementsAre(Pair("p1", 2)));
  EXPECT_EQ(Clear("o1", "s1").response.SerializeAsString(), first.response.SerializeAsString());
  process_.Stop();
  process_.Start();
  EXPECT_EQ(Clear("o1", "s1").response.SerializeAsString(), first.response.SerializeAsString());
  EXPECT_THAT(Removed(Clear("o1", "s2")), IsEmpty());
  EXPECT_THAT(Removed(Call(stub(), &Stub::ClearOrdered, ClearOf("o1"), Key("by-hand"))), IsEmpty());
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 3)));

  Pay("o2", "m1", {{"p1", 3}});
  EXPECT_THAT(Removed(Clear("o2", "s3")), ElementsAre(Pair("p1", 3)));
  EXPECT_THAT(CartOf("m1"), IsEmpty());
}

TEST_F(CartServiceTest, AnOrderThatIsNotPaidTakesNothingAndMayBeAskedForAgain) {
  Add("m1", "p1", 2);
  Create("o1", "m1", {{"p1", 2}});
  const auto pending = Clear("o1", "s1");
  EXPECT_EQ(pending.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(pending.reason(), "ORDER_NOT_PAID");
  EXPECT_EQ(pending.info().metadata.at("state"), "PENDING");
  EXPECT_FALSE(pending.effect_free);
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 2)));
  Confirm("o1");
  EXPECT_THAT(Removed(Clear("o1", "s1")), ElementsAre(Pair("p1", 2)));
  EXPECT_THAT(CartOf("m1"), IsEmpty());
}

TEST_F(CartServiceTest, OfManyAtOnceEachAddsOnceAndNoneMoreThanFits) {
  std::vector<std::future<Called<v1::AddItemResponse>>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::async(std::launch::async, [this, i] {
      return Add("m1", absl::StrCat("p", i % 2), 40, Key(absl::StrCat("many", i)));
    }));
  }
  int ok = 0;
  for (auto& call : calls) {
    const auto called = call.get();
    if (called.status.ok()) {
      ++ok;
    } else {
      EXPECT_EQ(called.reason(), "CART_LINE_FULL") << called.status;
    }
  }
  EXPECT_EQ(ok, 50);
  EXPECT_THAT(CartOf("m1"), testing::UnorderedElementsAre(Pair("p0", 1000), Pair("p1", 1000)));
}

TEST_F(CartServiceTest, AResetEmptiesTheCarts) {
  Add("m1", "p1", 5);
  Pay("o1", "m1", {{"p1", 2}});
  Clear("o1", "s1");
  Orders orders = process_.Orders();
  ASSERT_TRUE(Call(orders, &Orders::ResetOrders, v1::ResetOrdersRequest(), Key("reset")).status.ok());
  EXPECT_THAT(CartOf("m1"), IsEmpty());
  Add("m1", "p1", 5);
  EXPECT_THAT(Removed(Clear("o1", "s2")), IsEmpty());
  EXPECT_THAT(CartOf("m1"), ElementsAre(Pair("p1", 5)));
}

// Who asks, once callers are told apart.

constexpr char kGatewayAndOrchestrator[] = R"(rules:
  - callers: [gateway]
    member: allowed
    methods: [shop.order.v1.CartService/AddItem, shop.order.v1.CartService/ChangeItem,
              shop.order.v1.CartService/RemoveItem, shop.order.v1.CartService/ListCart]
  - {callers: [orchestrator], methods: [shop.order.v1.CartService/ClearOrdered], saga_metadata: allowed}
)";

TEST_F(CartServiceTest, AMemberReachesItsOwnCartAlone) {
  process_.Stop();
  process_.Guard(kGatewayAndOrchestrator);
  process_.Start();
  const auto as = [](const std::string& member, const std::string& key) {
    return Metadata{{kTestIdentity, "gateway"}, {"x-member-id", member}, {"idempotency-key", key}};
  };
  ASSERT_TRUE(Add("mina", "p1", 1, as("mina", "k")).status.ok());
  ASSERT_TRUE(Add("juno", "p2", 2, as("juno", "k")).status.ok());  // a key is its member's
  const std::vector<absl::Status> refused = {
      Add("mina", "p1", 1, as("juno", "k2")).status,
      Call(stub(), &Stub::ChangeItem, Of<v1::ChangeItemRequest>("mina", "p1", 5), as("juno", "k3")).status,
      Call(stub(), &Stub::RemoveItem, RemoveOf("mina", "p1"), as("juno", "k4")).status,
      List("mina", as("juno", "k5")).status,
  };
  for (const absl::Status& status : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_EQ(GetErrorInfo(status).reason, "CALLER_NOT_ALLOWED");
    EXPECT_THAT(BadFields(status), ElementsAre("member_id"));
  }
  EXPECT_EQ(Call(stub(), &Stub::ClearOrdered, ClearOf("o1"), as("mina", "k6")).reason(), "CALLER_NOT_ALLOWED");
  const auto mine = List("mina", as("mina", "k7"));
  ASSERT_EQ(mine.response.lines_size(), 1);
  EXPECT_EQ(mine.response.lines(0).quantity(), 1);
}

// Batches straight into the domain, held to the decisions of cart.h one after the other.
class CartBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    connection_ = OpenTestDatabase(folder_.File("order.db"));
    ASSERT_TRUE(Migrate(*connection_, "order", kOrderMigrations).ok());
  }

  template <class Request>
  void Add(const char* method, Request request) {
    auto command = std::make_unique<Command>();
    command->method = domain_->NumberOf(method);
    command->request = std::make_shared<Request>(std::move(request));
    batch_.push_back(std::move(command));
  }

  void Apply() {
    std::vector<Command*> commands;
    for (const auto& command : batch_) commands.push_back(command.get());
    const absl::Status status =
        connection_->Write([&](soci::session& session) { return domain_->Apply(session, commands); });
    EXPECT_TRUE(status.ok()) << status;
    batch_.clear();
  }

  std::map<std::pair<std::string, std::string>, long long> Stored() {
    std::map<std::pair<std::string, std::string>, long long> lines;
    const absl::Status status = connection_->Read([&](soci::session& session) {
      std::string member, product;
      long long quantity = 0;
      soci::statement select = (session.prepare << "SELECT member_id, product_id, quantity FROM cart_additions",
                                soci::into(member), soci::into(product), soci::into(quantity));
      select.execute();
      while (select.fetch()) lines[{member, product}] += quantity;
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return lines;
  }

  const TempDir folder_;
  const SystemClock clock_{};
  const std::unique_ptr<StepDomain> domain_ = NewCartDomain(clock_);
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Command>> batch_;
};

TEST_F(CartBatchTest, TheRowsAreWhatTheDecisionsSay) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  std::map<std::string, Cart> carts;
  for (int round = 0; round < 100 && !HasFailure(); ++round) {
    const int commands = 1 + draw(30);
    for (int i = 0; i < commands; ++i) {
      const std::string member = absl::StrCat("m", draw(3)), product = absl::StrCat("p", draw(6));
      const int quantity = 1 + draw(200);
      switch (draw(4)) {
        case 0:
          Add("RemoveItem", RemoveOf(member, product));
          carts[member].erase(product);
          break;
        case 1:
          Add("ChangeItem", Of<v1::ChangeItemRequest>(member, product, quantity));
          SetInCart(carts[member], {product, quantity}, absl::UnixEpoch()).IgnoreError();
          break;
        default:
          Add("AddItem", Of<v1::AddItemRequest>(member, product, quantity));
          AddToCart(carts[member], {product, quantity}, absl::UnixEpoch()).IgnoreError();
      }
    }
    Apply();
    std::map<std::pair<std::string, std::string>, long long> expected;
    for (const auto& [member, cart] : carts) {
      for (const auto& [product, line] : cart) expected[{member, product}] = QuantityOf(line);
    }
    EXPECT_EQ(Stored(), expected);
  }
}

}  // namespace
}  // namespace unwind::order
