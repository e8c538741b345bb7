#include "payment_svc/reconcile.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace unwind::payment {
namespace {

using Stands = OwnKey::Stands;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const absl::Time kBefore = absl::FromUnixSeconds(1'700'000'000);
const absl::Time kOld = kBefore - absl::Seconds(1);

class ReconcileTest : public testing::Test {
 protected:
  void Own(Stands stands, absl::Time time = kOld) {
    own_["charge-p1"] = {
        .payment_id = "p1", .stands = stands, .transaction = "tx-1", .amount = {1000, "KRW"}, .time = time};
  }
  void Captured(absl::Time time = kOld) { theirs_.captures.push_back({"charge-p1", "tx-1", {1000, "KRW"}, time}); }
  void PaidBack(absl::Time time = kOld) { theirs_.refunds["tx-1"] = {1000, time}; }
  std::vector<std::string> Differences() const { return Compare(own_, theirs_, kBefore); }

  OwnBooks own_;
  TheirBooks theirs_;
};

TEST_F(ReconcileTest, BooksThatAgree) {
  EXPECT_THAT(Differences(), IsEmpty());
  Own(Stands::kTaken);
  Captured();
  EXPECT_THAT(Differences(), IsEmpty());
  Own(Stands::kPaidBack);
  PaidBack();
  EXPECT_THAT(Differences(), IsEmpty());
}

TEST_F(ReconcileTest, ACaptureOfAFailedPayment) {
  Own(Stands::kNothing);
  Captured();
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("payment p1 says that nothing was taken")));
  PaidBack();
  EXPECT_THAT(Differences(), IsEmpty()) << "by hand, too";
}

TEST_F(ReconcileTest, ACaptureOfNoPayment) {
  Captured();
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("belongs to no payment")));
}

TEST_F(ReconcileTest, APaymentWithoutACapture) {
  for (const Stands stands : {Stands::kTaken, Stands::kPaidBack}) {
    Own(stands);
    EXPECT_THAT(Differences(), ElementsAre(HasSubstr("the gateway has no such capture")));
  }
  Own(Stands::kNothing);
  EXPECT_THAT(Differences(), IsEmpty());
}

TEST_F(ReconcileTest, AnotherAmountOrTransaction) {
  Own(Stands::kTaken);
  Captured();
  theirs_.captures[0].amount.minor_units = 999;
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("says 1000 KRW")));
  theirs_.captures[0] = {"charge-p1", "tx-2", {1000, "KRW"}, kOld};
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("has transaction tx-1")));
}

TEST_F(ReconcileTest, MoneyThatWentBackOnOneSideOnly) {
  Own(Stands::kPaidBack);
  Captured();
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("says that it was paid back, and it was not")));
  Own(Stands::kTaken);
  PaidBack();
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("does not say that it was paid back")));
}

TEST_F(ReconcileTest, WhatIsKeptStaysAtTheGateway) {
  Own(Stands::kPaidBack);
  own_["charge-p1"].kept = 300;
  Captured();
  theirs_.refunds["tx-1"] = {700, kOld};
  EXPECT_THAT(Differences(), IsEmpty());
  PaidBack();
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("says that 700 were paid back, and it was 1000")));
  own_["charge-p1"].kept = 1000;
  theirs_.refunds.clear();
  EXPECT_THAT(Differences(), IsEmpty());
}

TEST_F(ReconcileTest, APartOfWhatBelongsToNobody) {
  Captured();
  theirs_.refunds["tx-1"] = {700, kOld};
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("belongs to no payment")));
  Own(Stands::kNothing);
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("says that nothing was taken")));
}

TEST_F(ReconcileTest, WhatIsOpenOrYoungIsNotCompared) {
  Own(Stands::kOpen);
  EXPECT_THAT(Differences(), IsEmpty());
  Captured();
  EXPECT_THAT(Differences(), IsEmpty());
  Own(Stands::kNothing, kBefore);
  EXPECT_THAT(Differences(), IsEmpty());
  Own(Stands::kNothing);
  theirs_.captures[0].time = kBefore;
  EXPECT_THAT(Differences(), IsEmpty());
  theirs_.captures[0].time = kOld;
  Own(Stands::kTaken);
  PaidBack(kBefore);
  EXPECT_THAT(Differences(), IsEmpty());
  own_.clear();
  theirs_.refunds.clear();
  theirs_.captures[0].time = kBefore;
  EXPECT_THAT(Differences(), IsEmpty());
}

TEST_F(ReconcileTest, WhatIsOpenForADayIsCompared) {
  Own(Stands::kOpen, kBefore - kOpenMax);
  Captured();
  EXPECT_THAT(Differences(), IsEmpty());
  Own(Stands::kOpen, kBefore - kOpenMax - absl::Seconds(1));
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("payment p1 has been open for more than a day")));
  PaidBack();
  EXPECT_THAT(Differences(), IsEmpty()) << "no money is missing";
  theirs_.captures.clear();
  EXPECT_THAT(Differences(), IsEmpty()) << "nor was any taken";
}

TEST_F(ReconcileTest, WhatTheGatewayIsStillAskedAboutIsFoundByThat) {
  Own(Stands::kNothing);
  own_["charge-p1"].is_inquired = true;
  Captured(kBefore - kInquiryPauseMax);
  EXPECT_THAT(Differences(), IsEmpty());
  theirs_.captures[0].time -= absl::Seconds(1);
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("payment p1 says that nothing was taken")));
}

TEST_F(ReconcileTest, WhatWasPaidBackTwiceIsMoreThanWasTaken) {
  Own(Stands::kPaidBack);
  Captured();
  theirs_.AddRefund("tx-1", {1000, kOld});
  EXPECT_THAT(Differences(), IsEmpty());
  theirs_.AddRefund("tx-1", {1000, kOld - absl::Hours(1)});
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr("says that 1000 were paid back, and it was 2000")));
  theirs_.AddRefund("tx-1", {1, kBefore});
  EXPECT_THAT(Differences(), IsEmpty()) << "something is under way";
}

class OrderDifferenceTest : public testing::Test {
 protected:
  using Says = TheirOrder::Says;

  static std::string Differs(Says says, const std::map<std::string, State>& own, absl::Time time = kOld) {
    return OrderDifference(own, {says, "o1", says == Says::kFailed ? "" : "p1", time}, kBefore);
  }
};

TEST_F(OrderDifferenceTest, APaidOrderHasItsMoney) {
  EXPECT_EQ(Differs(Says::kPaid, {{"p1", State::kSuccess}}), "");
  EXPECT_EQ(Differs(Says::kPaid, {}), "order o1 is PAID, and its payment p1 is not there");
  EXPECT_EQ(Differs(Says::kPaid, {{"p1", State::kFailed}}), "order o1 is PAID, and its payment p1 is FAILED");
  EXPECT_EQ(Differs(Says::kPaid, {{"p1", State::kResolving}}), "order o1 is PAID, and its payment p1 is PENDING");
  EXPECT_EQ(Differs(Says::kPaid, {{"p1", State::kRefunded}}), "order o1 is PAID, and its payment p1 is REFUNDED");
}

TEST_F(OrderDifferenceTest, ACancelledOrderGaveItBack) {
  EXPECT_EQ(Differs(Says::kCancelled, {{"p1", State::kRefunded}}), "");
  EXPECT_EQ(Differs(Says::kCancelled, {{"p1", State::kSuccess}}),
            "order o1 is CANCELLED, and its payment p1 is SUCCESS");
}

TEST_F(OrderDifferenceTest, AFailedOrderHasNone) {
  EXPECT_EQ(Differs(Says::kFailed, {}), "");
  for (const State state : {State::kPending, State::kFailed, State::kRefunded}) {
    EXPECT_EQ(Differs(Says::kFailed, {{"o1", state}}), "");
  }
  EXPECT_EQ(Differs(Says::kFailed, {{"o1", State::kSuccess}}), "order o1 is FAILED, and its payment o1 is SUCCESS");
}

TEST_F(OrderDifferenceTest, AYoungOneIsNotCompared) { EXPECT_EQ(Differs(Says::kPaid, {}, kBefore), ""); }

}  // namespace
}  // namespace unwind::payment
