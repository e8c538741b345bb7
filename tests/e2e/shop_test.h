// A fixture with one running cluster for all tests of a suite, and an audit after each.
#ifndef UNWIND_TESTS_E2E_SHOP_TEST_H_
#define UNWIND_TESTS_E2E_SHOP_TEST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/scenes.h"
#include "tests/support/audit.h"
#include "tests/support/holdings.h"
#include "tests/support/shop.h"
#include "tests/support/test_database.h"

namespace unwind {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

inline bool IsOk(const absl::Status& status) {
  EXPECT_TRUE(status.ok()) << status;
  return status.ok();
}

// Holds that nothing moves while it lives: what is in stock, held, owned and paid is the same in the end.
class NothingMoves {
 public:
  explicit NothingMoves(const Cluster& cluster) : cluster_(cluster), before_(Look()) {}
  ~NothingMoves() { EXPECT_THAT(Look(), testing::ElementsAreArray(before_)); }
  NothingMoves(const NothingMoves&) = delete;
  NothingMoves& operator=(const NothingMoves&) = delete;

 private:
  std::vector<std::string> Look() const {
    const auto holdings = Holdings(cluster_);
    EXPECT_TRUE(holdings.ok()) << holdings.status();
    return holdings.value_or(std::vector<std::string>());
  }

  const Cluster& cluster_;
  const std::vector<std::string> before_;
};

class ShopTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { StartCluster(ClusterOptions()); }

  static void StartCluster(ClusterOptions options) {
    options.bin_dir = UNWIND_BIN_DIR;
    options.postgres = TestsOnPostgres();
    auto cluster = Cluster::Start(options);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = cluster->release();
  }

  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  void SetUp() override { ASSERT_NE(cluster_, nullptr) << "the cluster did not start"; }

  // Every test leaves the shop at rest, with all processes up and the books in order.
  void TearDown() override {
    for (Node node : kNodes) EXPECT_TRUE(cluster_->Running(node)) << NodeName(node) << " is gone";
    ASSERT_TRUE(IsOk(shop_.SetScenario({})));
    ASSERT_TRUE(IsOk(AwaitRest(shop_, kPatience)));
    const auto report = Audit(*cluster_);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->holds()) << ToText(*report);
  }

  // A product of this test alone.
  std::string NewProduct(std::int64_t pieces, std::int64_t price_minor = 1000) {
    const std::string product = "p-" + NewKey();
    EXPECT_TRUE(IsOk(shop_.Restock(product, pieces, price_minor)));
    return product;
  }

  AuditReport Books() {
    const auto report = Audit(*cluster_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : AuditReport();
  }

  inline static Cluster* cluster_ = nullptr;
  Shop shop_{*cluster_};
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_SHOP_TEST_H_
