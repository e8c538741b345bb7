#include "order_svc/cart.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::order {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

absl::Time At(int second) { return absl::FromUnixSeconds(1'700'000'000 + second); }

Item Of(const std::string& product, std::int64_t quantity) { return {product, quantity}; }

Order OrderOf(std::vector<Item> items, int second, State state = State::kPaid) {
  Order order;
  order.order_id = "o1";
  order.items = std::move(items);
  order.state = state;
  order.create_time = At(second);
  return order;
}

std::vector<Item> Take(Cart& cart, const Order& order) {
  const auto taken = TakeOrdered(cart, order);
  EXPECT_TRUE(taken.ok()) << taken.status();
  return taken.value_or(std::vector<Item>());
}

std::int64_t Has(const Cart& cart, const std::string& product) {
  const auto line = cart.find(product);
  return line == cart.end() ? 0 : QuantityOf(line->second);
}

TEST(Cart, AddsBesideWhatIsThere) {
  Cart cart;
  EXPECT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
  EXPECT_TRUE(AddToCart(cart, Of("p1", 3), At(2)).ok());
  EXPECT_TRUE(AddToCart(cart, Of("p2", 1), At(2)).ok());
  EXPECT_THAT(cart, ElementsAre(Pair("p1", ElementsAre(Addition{At(1), 2}, Addition{At(2), 3})),
                                Pair("p2", ElementsAre(Addition{At(2), 1}))));
}

TEST(Cart, PiecesOfOneTimeAreOneAddition) {
  Cart cart;
  EXPECT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
  EXPECT_TRUE(AddToCart(cart, Of("p1", 3), At(1)).ok());
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(1), 5}));
  EXPECT_TRUE(AddToCart(cart, Of("p1", 1), At(0)).ok());  // by a clock that was set back
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(1), 6}));
}

TEST(Cart, IsFullAtItsLimitsAndUnchangedThen) {
  Cart cart;
  for (std::size_t i = 0; i < kCartLinesMax; ++i) {
    ASSERT_TRUE(AddToCart(cart, Of(absl::StrCat("p", i), 1), At(1)).ok());
  }
  const Cart before = cart;
  const absl::Status full = AddToCart(cart, Of("q", 1), At(2));
  EXPECT_EQ(full.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(full).reason, "CART_FULL");
  const absl::Status line_full = AddToCart(cart, Of("p1", kLineQuantityMax), At(2));
  EXPECT_EQ(line_full.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(line_full).reason, "CART_LINE_FULL");
  EXPECT_EQ(cart, before);
  EXPECT_TRUE(AddToCart(cart, Of("p1", kLineQuantityMax - 1), At(2)).ok());
}

TEST(Cart, OfTooManyTimesTheTwoOldestBecomeTheLaterOne) {
  Cart cart;
  for (int i = 1; i <= static_cast<int>(kLineAdditionsMax) + 1; ++i) {
    ASSERT_TRUE(AddToCart(cart, Of("p1", i), At(i)).ok());
  }
  EXPECT_EQ(cart["p1"].size(), kLineAdditionsMax);
  EXPECT_EQ(cart["p1"].front(), (Addition{At(2), 3}));
  EXPECT_THAT(Take(cart, OrderOf({Of("p1", 1)}, 1)), IsEmpty());
}

TEST(Cart, ASetQuantityAddsWhatLacksAndTakesTheNewest) {
  Cart cart;
  ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
  EXPECT_TRUE(SetInCart(cart, Of("p1", 5), At(2)).ok());
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(1), 2}, Addition{At(2), 3}));
  EXPECT_TRUE(SetInCart(cart, Of("p1", 5), At(3)).ok());
  EXPECT_TRUE(SetInCart(cart, Of("p1", 4), At(3)).ok());
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(1), 2}, Addition{At(2), 2}));
  EXPECT_TRUE(SetInCart(cart, Of("p1", 1), At(3)).ok());
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(1), 1}));
  const absl::Status none = SetInCart(cart, Of("p2", 1), At(3));
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetErrorInfo(none).reason, "CART_LINE_NOT_FOUND");
  EXPECT_EQ(cart.size(), 1u);
}

TEST(Cart, AnOrderTakesWhatWasThereBeforeIt) {
  Cart cart;
  ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
  ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(5)).ok());  // at the very time of the order: was there
  ASSERT_TRUE(AddToCart(cart, Of("p1", 4), At(6)).ok());
  ASSERT_TRUE(AddToCart(cart, Of("p2", 1), At(6)).ok());
  EXPECT_THAT(Take(cart, OrderOf({Of("p1", 7), Of("p2", 1), Of("p3", 1)}, 5)), ElementsAre(Of("p1", 4)));
  EXPECT_THAT(cart,
              ElementsAre(Pair("p1", ElementsAre(Addition{At(6), 4})), Pair("p2", ElementsAre(Addition{At(6), 1}))));
}

TEST(Cart, AnOrderTakesNoMoreThanWasOrderedAndTheOldestFirst) {
  Cart cart;
  ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
  ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(2)).ok());
  EXPECT_THAT(Take(cart, OrderOf({Of("p1", 3)}, 5)), ElementsAre(Of("p1", 3)));
  EXPECT_THAT(cart["p1"], ElementsAre(Addition{At(2), 1}));
  EXPECT_THAT(Take(cart, OrderOf({Of("p1", 1)}, 5)), ElementsAre(Of("p1", 1)));
  EXPECT_THAT(cart, IsEmpty());
}

TEST(Cart, AnOrderThatWasNotPaidTakesNothing) {
  for (const State state : {State::kPending, State::kPaid, State::kFailed, State::kCancelling, State::kCancelled}) {
    Cart cart;
    ASSERT_TRUE(AddToCart(cart, Of("p1", 2), At(1)).ok());
    const auto taken = TakeOrdered(cart, OrderOf({Of("p1", 1)}, 2, state));
    const bool paid = state != State::kPending && state != State::kFailed;
    EXPECT_EQ(taken.ok(), paid);
    EXPECT_EQ(Has(cart, "p1"), paid ? 1 : 2);
    EXPECT_EQ(GetErrorInfo(taken.status()).reason, paid ? "" : "ORDER_NOT_PAID");
  }
}

// Whatever a member does with a line: what an order takes was ordered and was there, and nothing that came since goes.
TEST(Cart, NothingThatCameSinceTheOrderGoesWithIt) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  RecordProperty("seed", absl::StrCat(seed));
  std::mt19937 random(seed);
  const auto draw = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 2000 && !HasFailure(); ++round) {
    Cart cart;
    int now = 0;
    std::int64_t since = 0;  // of what is in the cart, the pieces that came since the order
    const auto play = [&](bool ordered) {
      for (int i = draw(8); i > 0; --i) {
        const int quantity = 1 + draw(20);
        const std::int64_t before = Has(cart, "p");
        ++now;
        if (draw(6) == 0) {
          cart.erase("p");
          since = 0;
        } else if (draw(3) == 0 && before > 0) {
          ASSERT_TRUE(SetInCart(cart, Of("p", quantity), At(now)).ok());
          if (ordered) since = std::max<std::int64_t>(0, since + quantity - before);
        } else {
          ASSERT_TRUE(AddToCart(cart, Of("p", quantity), At(now)).ok());
          if (ordered) since += quantity;
        }
      }
    };
    play(false);
    const Order order = OrderOf({Of("p", 1 + draw(30))}, now);
    play(true);
    const std::int64_t before = Has(cart, "p");
    const std::vector<Item> taken = Take(cart, order);
    const std::int64_t expected = std::min(order.items[0].quantity, before - since);
    EXPECT_EQ(taken.empty() ? 0 : taken[0].quantity, expected);
    EXPECT_EQ(Has(cart, "p"), before - expected);
    EXPECT_EQ(cart.contains("p"), before > expected);
  }
}

}  // namespace
}  // namespace unwind::order
