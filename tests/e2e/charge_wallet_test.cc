// Wallets that are charged by card, by the real processes: once, or not at all.
#include <string>

#include "tests/e2e/checkout_shop.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using shop::checkout::v1::ChargeWalletRequest;
using shop::checkout::v1::ChargeWalletResponse;

class ChargeWalletTest : public CheckoutShop {
 protected:
  static void SetUpTestSuite() { StartShop({absl::Milliseconds(100), absl::Milliseconds(500), absl::Minutes(5)}); }

  grpc::Status Charge(const ChargeWalletRequest& request) { return checkouts_.ChargeWallet(request, &charged_); }

  ChargeWalletResponse charged_;
};

TEST_F(ChargeWalletTest, WhatTheCardPaysIsInTheWalletOnce) {
  const ChargeWalletRequest request = Checkouts::ChargeOf(NewKey(), 5000);
  ASSERT_TRUE(Charge(request).ok());
  EXPECT_EQ(charged_.balance().minor_units(), 5000);
  const std::string first = charged_.SerializeAsString();
  ASSERT_TRUE(Charge(request).ok());
  EXPECT_EQ(charged_.SerializeAsString(), first);
  ExpectPurse(request.member_id(), 5000, 0);
  EXPECT_EQ(Count(charged_.charge_id(), Transaction::KIND_CAPTURE), 1);
  ASSERT_TRUE(Charge(Checkouts::ChargeOf(request.member_id(), 1)).ok());
  EXPECT_EQ(charged_.balance().minor_units(), 5001);
}

TEST_F(ChargeWalletTest, ADeclinedCardChargesNothing) {
  pg::v1::Scenario declines;
  declines.set_fail_first(1);
  ASSERT_TRUE(IsOk(shop_.SetScenario(declines)));
  const ChargeWalletRequest request = Checkouts::ChargeOf(NewKey(), 5000);
  ExpectError(Charge(request), StatusCode::INTERNAL, "PAYMENT_FAILED");
  ExpectError(Charge(request), StatusCode::INTERNAL, "PAYMENT_FAILED");
  ASSERT_TRUE(Charge(Checkouts::ChargeOf(request.member_id(), 10)).ok());
  EXPECT_EQ(charged_.balance().minor_units(), 10);
}

// The gateway takes the money and does not answer: it is asked, and the wallet has it.
TEST_F(ChargeWalletTest, AnUnknownPaymentIsAskedForAndCreditedOnce) {
  pg::v1::Scenario hangs;
  hangs.set_hang_first(1);
  ASSERT_TRUE(IsOk(shop_.SetScenario(hangs)));
  const ChargeWalletRequest request = Checkouts::ChargeOf(NewKey(), 5000);
  ASSERT_TRUE(Charge(request).ok());
  EXPECT_EQ(charged_.balance().minor_units(), 5000);
  EXPECT_EQ(Count(charged_.charge_id(), Transaction::KIND_CAPTURE), 1);
}

TEST_F(ChargeWalletTest, WhatCannotBeChargedIsRefusedBeforeACardIsAsked) {
  const auto ledger = shop_.Ledger();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  const std::string member = NewKey();
  for (const std::int64_t amount : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'000'000'000'000'001}}) {
    SCOPED_TRACE(amount);
    const grpc::Status status = Charge(Checkouts::ChargeOf(member, amount));
    ExpectError(status, StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
    EXPECT_TRUE(absl::StrContains(status.error_message(), "amount_minor_units")) << status.error_message();
  }
  ChargeWalletRequest request = Checkouts::ChargeOf(member, 1);
  request.set_currency_code("krw");
  ExpectError(Charge(request), StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
  request = Checkouts::ChargeOf(member, 1);
  request.clear_member_id();
  ExpectError(Charge(request), StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST");
  const auto after = shop_.Ledger();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->size(), ledger->size());
}

}  // namespace
}  // namespace unwind
