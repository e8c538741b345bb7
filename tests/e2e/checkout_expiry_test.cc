// Checkouts whose time is up: all of it goes back, and money that comes late does too, once.
#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/e2e/checkout_scenes.h"
#include "tests/e2e/checkout_shop.h"
#include "yaml-cpp/yaml.h"

namespace unwind {
namespace {

using grpc::StatusCode;
using shop::checkout::v1::CheckoutRequest;
using testing::ElementsAre;

constexpr Waits kShort = {absl::Milliseconds(200), absl::Seconds(1), absl::Seconds(5)};

class CheckoutExpiryTest : public CheckoutShop {
 protected:
  static void SetUpTestSuite() { StartShop(kShort); }

  // What the gateway took for the order; and payment_svc has heard of it.
  void ExpectPaidBackOnce() {
    EXPECT_TRUE(Eventually(kPatience, [&] { return Count(id(), Transaction::KIND_REFUND) > 0 && Books().holds(); }));
    EXPECT_EQ(Count(id(), Transaction::KIND_CAPTURE), 1);
    EXPECT_EQ(Count(id(), Transaction::KIND_REFUND), 1);
  }
};

TEST_F(CheckoutExpiryTest, WhatIsNotPaidInTimeGivesAllOfItBack) {
  const CheckoutRequest request = BeginSplit();
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_EXPIRED");
  ExpectCoupon(request.coupon_id(), Coupon::STATE_AVAILABLE);
  ExpectPurse(request.member_id(), kBalance, 0);
  {
    const NothingMoves while_it_is_refused(*cluster_);
    ExpectError(Pay(request.member_id()), StatusCode::ABORTED, "PAYMENT_EXPIRED");
  }
  EXPECT_EQ(Count(id(), Transaction::KIND_CAPTURE), 0);
  const auto payment = checkouts_.GetPayment(id());
  ASSERT_TRUE(payment.ok()) << payment.status();
  EXPECT_EQ(payment->state(), Payment::STATE_FAILED);
  EXPECT_EQ(payment->failed_reason(), "PAYMENT_EXPIRED");
}

// The gateway takes the money although its key was fenced meanwhile, and says so twice.
TEST_F(CheckoutExpiryTest, MoneyThatComesLateGoesBackOnce) {
  pg::v1::Scenario late = Late();
  late.set_webhook_twice_percent(100);
  ASSERT_TRUE(IsOk(shop_.SetScenario(late)));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  EXPECT_EQ(paid_.state(), Attempt::STATE_PENDING);
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_EXPIRED");
  ExpectPaidBackOnce();
}

// The same though nobody tells of it: the gateway is asked until it says its last word.
TEST_F(CheckoutExpiryTest, MoneyThatComesLateGoesBackThoughItsWebhookIsLost) {
  pg::v1::Scenario late = Late();
  late.set_webhook_lost_percent(100);
  ASSERT_TRUE(IsOk(shop_.SetScenario(late)));
  const CheckoutRequest request = Begin();
  ASSERT_TRUE(Pay().ok());
  ExpectUndone(request, StatusCode::ABORTED, "PAYMENT_EXPIRED");
  ExpectPaidBackOnce();
}

// The paths of what differs between two files.
void Differ(const YAML::Node& left, const YAML::Node& right, const std::string& path, std::vector<std::string>& paths) {
  if (left.IsMap() && right.IsMap() && left.size() == right.size()) {
    for (const auto& each : left) {
      const auto key = each.first.as<std::string>();
      if (right[key]) {
        Differ(each.second, right[key], absl::StrCat(path, "/", key), paths);
      } else {
        paths.push_back(absl::StrCat(path, "/", key));
      }
    }
  } else if (left.IsSequence() && right.IsSequence() && left.size() == right.size()) {
    for (std::size_t i = 0; i < left.size(); ++i) Differ(left[i], right[i], absl::StrCat(path, "/", i), paths);
  } else if (!left.IsScalar() || !right.IsScalar() || left.Scalar() != right.Scalar()) {
    paths.push_back(path);
  }
}

TEST(ShortWaits, DifferFromTheShopsDefinitionsInTheTimesOfTheWaitAlone) {
  for (const Waits& waits : {kShort, kDemoWaits}) {
    const TempDir folder;
    ASSERT_TRUE(IsOk(WriteWithWaits("orchestrator/sagas", folder.File("sagas"), waits)));
    std::vector<std::string> paths;
    int files = 0;
    for (const auto& each : std::filesystem::directory_iterator("orchestrator/sagas")) {
      const std::string name = each.path().filename();
      Differ(YAML::LoadFile(each.path()), YAML::LoadFile(folder.File(absl::StrCat("sagas/", name))), name, paths);
      ++files;
    }
    EXPECT_GE(files, 5);
    const std::string pending = "checkout.yaml/steps/4/pending/";
    EXPECT_THAT(paths, ElementsAre(pending + "poll", pending + "cap", pending + "for"));
  }
}

}  // namespace
}  // namespace unwind
