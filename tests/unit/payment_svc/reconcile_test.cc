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

}  // namespace
}  // namespace unwind::payment
