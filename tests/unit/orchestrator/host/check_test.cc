#include "orchestrator/host/check.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/host/definition_files.h"

namespace unwind {
namespace {

using testing::HasSubstr;

constexpr char kYaml[] = R"(saga: NAME
version: 3
serves: shop.checkout.v1.CheckoutService/SERVES
steps:
  - name: pay
    kind: pivot
    action: ACTION
    request: REQUEST
response: { order_id: saga.id }
)";

class CheckTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& serves, const std::string& action,
                    const std::string& request) {
    const std::string path = absl::StrCat(folder_, "/", name, ".yaml");
    std::ofstream(path) << absl::StrReplaceAll(
        kYaml, {{"NAME", name}, {"SERVES", serves}, {"ACTION", action}, {"REQUEST", request}});
    return path;
  }

  absl::Status Check(const std::vector<std::string>& paths) {
    out_.str("");
    const auto sets = LoadDescriptors({}, UNWIND_PROTOSET);
    return sets.ok() ? CheckDefinitions(paths, *sets, out_) : sets.status();
  }

  const std::string folder_ = absl::StrCat(testing::TempDir(), "/check_test_", ::getpid());
  std::ostringstream out_;
};

constexpr char kRefund[] = "shop.payment.v1.PaymentService/Refund";
constexpr char kRequest[] = "{ refund_id: saga.id, payment_id: saga.id }";

TEST_F(CheckTest, GoodFilesAreListedWithTheirWarnings) {
  const std::string path = Write("one", "PlaceOrder", kRefund, kRequest);
  EXPECT_EQ(Check({path}), absl::OkStatus());
  EXPECT_THAT(out_.str(), HasSubstr(path + ":5: warning: step 'pay' is a pivot without a resolve"));
  EXPECT_THAT(out_.str(), testing::EndsWith(path + ": ok, saga one version 3, 1 steps\n"));
}

TEST_F(CheckTest, EveryBadFileIsReportedAndTheOthersAreStillListed) {
  const std::string good = Write("one", "PlaceOrder", kRefund, kRequest);
  const std::string bad = Write("two", "CancelOrder", "no.Such/Method", "{}");
  const std::string same = Write("three", "PlaceOrder", kRefund, kRequest);
  const absl::Status status = Check({bad, good, same, folder_ + "/missing.yaml"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(bad + ":7: no descriptor set holds the service 'no.Such'"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(same + ": sagas 'one' version 3 and 'three' version 3 both serve"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_ + "/missing.yaml: cannot be read"));
  EXPECT_THAT(out_.str(), HasSubstr(good + ": ok"));
  EXPECT_THAT(out_.str(), testing::Not(HasSubstr(same + ": ok")));
}

TEST_F(CheckTest, ASagaThatCallsOneOfAnotherFileIsRefused) {
  const std::string child = Write("child", "CancelOrder", kRefund, kRequest);
  const std::string parent = Write("parent", "PlaceOrder", "shop.checkout.v1.CheckoutService/CancelOrder",
                                   "{ request_id: saga.id, order_id: saga.id, member_id: saga.id }");
  for (const auto& files : {std::vector{child, parent}, std::vector{parent, child}}) {
    EXPECT_THAT(
        std::string(Check(files).message()),
        HasSubstr(parent +
                  ":5: step 'pay' calls shop.checkout.v1.CheckoutService/CancelOrder, which saga 'child' serves"));
  }
  EXPECT_EQ(Check({parent}), absl::OkStatus());
}

TEST_F(CheckTest, NothingToCheckIsSaid) { EXPECT_EQ(Check({}).message(), "check: name the definition files to check"); }

}  // namespace
}  // namespace unwind
