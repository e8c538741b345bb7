#include "tests/support/history.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::Time At(int second) { return absl::UnixEpoch() + absl::Seconds(second); }

Purchase Paid(const std::string& id, int start, int end) {
  return {
      .request_id = id, .start = At(start), .end = At(end), .told = Told::kPaid, .reason = "", .order_id = "o-" + id};
}
Purchase Refused(const std::string& id, int start, int end, const std::string& reason) {
  return {
      .request_id = id, .start = At(start), .end = At(end), .told = Told::kRefused, .reason = reason, .order_id = ""};
}
Purchase Unanswered(const std::string& id, int start) {
  return {.request_id = id, .start = At(start), .reason = "", .order_id = ""};
}

TEST(CheckRefusals, ARefusalIsLegalWhileOthersMayHoldEverything) {
  EXPECT_THAT(CheckRefusals({Paid("a", 0, 2), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1), IsEmpty());
  EXPECT_THAT(CheckRefusals({Paid("a", 2, 4), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1),
              IsEmpty());  // came in between
  EXPECT_THAT(CheckRefusals({Unanswered("a", 0), Refused("b", 8, 9, "STOCK_NOT_ENOUGH")}, 1), IsEmpty());
  EXPECT_THAT(CheckRefusals({Refused("a", 0, 2, "PAYMENT_FAILED"), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1),
              IsEmpty());
}

TEST(CheckRefusals, ARefusalThatNothingExplainsIsFound) {
  const auto found = ElementsAre(HasSubstr("request b was refused for lack of stock"));
  EXPECT_THAT(CheckRefusals({Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1), found);
  EXPECT_THAT(CheckRefusals({Paid("a", 4, 5), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1), found);
  EXPECT_THAT(CheckRefusals({Paid("a", 0, 5), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 2), found);
  // The stock of a failed payment is back before its buyer knows.
  EXPECT_THAT(CheckRefusals({Refused("a", 0, 2, "PAYMENT_FAILED"), Refused("b", 3, 4, "STOCK_NOT_ENOUGH")}, 1), found);
}

TEST(CheckRefusals, ThoseRefusedForStockExplainNothing) {
  EXPECT_THAT(CheckRefusals({Refused("a", 0, 9, "STOCK_NOT_ENOUGH"), Refused("b", 1, 3, "STOCK_NOT_ENOUGH")}, 1),
              testing::SizeIs(2));
}

TEST(CheckAnswersStand, AnAnswerTakenBackIsFound) {
  EXPECT_THAT(CheckAnswersStand({Paid("a", 0, 1)}, {Paid("a", 2, 3)}), IsEmpty());
  EXPECT_THAT(CheckAnswersStand({Unanswered("a", 0)}, {Paid("a", 2, 3)}), IsEmpty());
  EXPECT_THAT(CheckAnswersStand({Paid("a", 0, 1)}, {Refused("a", 2, 3, "PAYMENT_FAILED")}),
              ElementsAre("request a was told PAID, order o-a, and later PAYMENT_FAILED"));
  EXPECT_THAT(CheckAnswersStand({Refused("a", 0, 1, "STOCK_NOT_ENOUGH")}, {Refused("a", 2, 3, "PAYMENT_FAILED")}),
              ElementsAre("request a was told STOCK_NOT_ENOUGH, and later PAYMENT_FAILED"));
}

}  // namespace
}  // namespace unwind
