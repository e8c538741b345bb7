#include "orchestrator/host/definition_learner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "orchestrator/host/definition_files.h"
#include "shop/checkout/v1/checkout_service.pb.h"
#include "tests/contract/saga_samples.h"
#include "tests/unit/orchestrator/engine/world.h"

namespace unwind {
namespace {

// The files of the shop's checkout with everything they import.
std::string ShopDescriptors() {
  google::protobuf::FileDescriptorSet set;
  std::vector<const google::protobuf::FileDescriptor*> files = {
      shop::checkout::v1::PlaceOrderRequest::descriptor()->file()};
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i]->CopyTo(set.add_file());
    for (int j = 0; j < files[i]->dependency_count(); ++j) {
      const auto* import = files[i]->dependency(j);
      if (std::find(files.begin(), files.end(), import) == files.end()) files.push_back(import);
    }
  }
  return set.SerializeAsString();
}

class DefinitionLearnerTest : public testing::Test {
 protected:
  static std::string Yaml(int version) {
    return absl::StrCat(
        "saga: place-order\nversion: ", version,
        "\nserves: shop.checkout.v1.CheckoutService/PlaceOrder\nsteps:\n"
        "  - { name: a, action: shop.order.v1.OrderService/ConfirmOrder, compensation: none, request: { "
        "order_id: saga.id, payment_id: saga.id, total: { minor_units: 1, currency_code: KRW } } }\n"
        "response: { order_id: saga.id }\n");
  }

  void Store(int version, const std::string& yaml) {
    ASSERT_EQ(
        store_.PutDefinition({"place-order", version, absl::StrCat("hash of ", version), yaml, ShopDescriptors()}),
        absl::OkStatus());
  }

  // A saga of another instance.
  void StoreSaga(int version, SagaState state) {
    const auto lease = store_.Acquire("another", "another:1", absl::Seconds(15));
    ASSERT_TRUE(lease.ok()) << lease.status();
    Saga saga = SampleSaga(absl::StrCat("saga-", version));
    saga.definition_version = version;
    saga.state = state;
    saga.owner = "another";
    const auto results = store_.Commit(*lease, {InsertOf(saga)});
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->front(), WriteResult::kStored);
  }

  // Not by Find, which would miss it.
  bool Knows(int version) const {
    const auto versions = catalog_.Versions();
    return std::find(versions.begin(), versions.end(), std::pair<std::string, int>("place-order", version)) !=
           versions.end();
  }

  FaultyStore store_;
  DefinitionCatalog catalog_;
  DefinitionLearner learner_{store_, catalog_, {{"shop.order.v1.OrderService", "127.0.0.1:1"}}};
};

TEST_F(DefinitionLearnerTest, LearnsWhatUnfinishedSagasUseWhoeverOwnsThem) {
  for (const int version : {1, 2, 3}) Store(version, Yaml(version));
  StoreSaga(1, SagaState::kRunning);
  StoreSaga(2, SagaState::kCompleted);
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(1));
  EXPECT_FALSE(Knows(2)) << "its sagas are finished";
  EXPECT_FALSE(Knows(3)) << "it has none";
  StoreSaga(3, SagaState::kParked);
  EXPECT_EQ(learner_.Learn(), 1) << "it is met later";
  EXPECT_TRUE(Knows(3));
}

// A caller may ask for the answer of a finished saga that another version's instance ended.
TEST_F(DefinitionLearnerTest, LearnsWhatWasMissedInTheCatalog) {
  Store(2, Yaml(2));
  StoreSaga(2, SagaState::kCompleted);
  EXPECT_EQ(learner_.Learn(), 0);
  EXPECT_EQ(catalog_.Find("place-order", 2), nullptr);
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(2));
}

// So that an instance with very many sagas drives its own.
TEST_F(DefinitionLearnerTest, WhatWasMissedIsLearntThoughTheSagasAreTooManyToBeAsked) {
  for (const int version : {1, 2}) Store(version, Yaml(version));
  for (const int version : {1, 2}) StoreSaga(version, SagaState::kRunning);
  store_.SetScansFail(true);
  EXPECT_EQ(learner_.Learn(), 0);
  EXPECT_EQ(catalog_.Find("place-order", 2), nullptr);
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(2));
  EXPECT_FALSE(Knows(1));
  store_.SetScansFail(false);
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(1));
}

TEST_F(DefinitionLearnerTest, WhatCannotBeLearntStopsNothingElse) {
  Store(1, "saga: broken");
  Store(3, Yaml(3));
  for (const int version : {1, 2, 3}) StoreSaga(version, SagaState::kRunning);
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_FALSE(Knows(1)) << "it does not load any more";
  EXPECT_FALSE(Knows(2)) << "it is not stored";
  EXPECT_NE(catalog_.WhyNotDriven("place-order", 2).find("not stored"), std::string::npos);
  EXPECT_TRUE(Knows(3));
}

// A right that was taken away comes back, and a statement that took too long does not the next time.
TEST_F(DefinitionLearnerTest, AnErrorOfTheStoreIsTheFaultOfNoDefinition) {
  Store(1, Yaml(1));
  StoreSaga(1, SagaState::kRunning);
  for (const absl::Status& why : {absl::InternalError("permission denied"), absl::DeadlineExceededError("too long"),
                                  absl::UnavailableError("away")}) {
    store_.SetDefinitionsFail(why);
    EXPECT_EQ(learner_.Learn(), 0);
    EXPECT_EQ(catalog_.Find("place-order", 1), nullptr);
    EXPECT_FALSE(catalog_.TakeMissed().empty()) << "it may still be learnt after " << why;
  }
  store_.SetDefinitionsFail(absl::OkStatus());
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(1));
}

TEST_F(DefinitionLearnerTest, WhatIsStoredLaterIsLearnt) {
  StoreSaga(1, SagaState::kRunning);
  EXPECT_EQ(learner_.Learn(), 0);
  Store(1, Yaml(1));
  EXPECT_EQ(learner_.Learn(), 1);
  EXPECT_TRUE(Knows(1));
}

// An instance that claims a saga whose participants it cannot reach only uses up the attempts.
TEST_F(DefinitionLearnerTest, ADefinitionWithoutARouteIsLeftToOthers) {
  Store(1, Yaml(1));
  StoreSaga(1, SagaState::kRunning);
  DefinitionLearner without_routes(store_, catalog_, {});
  EXPECT_EQ(without_routes.Learn(), 0);
  EXPECT_FALSE(Knows(1));
}

// Its finished sagas have an answer, which their callers would else be told to come back for without end.
TEST_F(DefinitionLearnerTest, ADefinitionWithoutARouteIsLearntToBeRead) {
  Store(2, Yaml(2));
  StoreSaga(2, SagaState::kCompleted);
  Saga saga = SampleSaga("saga-2");
  saga.definition_version = 2;
  saga.steps.resize(1);
  DefinitionLearner without_routes(store_, catalog_, {});
  EXPECT_EQ(catalog_.Of(saga), nullptr);
  EXPECT_EQ(without_routes.Learn(), 0);
  EXPECT_NE(catalog_.Of(saga), nullptr);
  EXPECT_EQ(catalog_.ToDrive(saga), nullptr);
  EXPECT_NE(catalog_.WhyNotDriven("place-order", 2).find("shop.order.v1.OrderService"), std::string::npos);
  EXPECT_TRUE(catalog_.TakeMissed().empty());
}

TEST_F(DefinitionLearnerTest, WhatCannotBeLearntIsNotMissedAgain) {
  Store(1, "saga: broken");
  for (const int version : {1, 2}) EXPECT_EQ(catalog_.Find("place-order", version), nullptr);
  EXPECT_EQ(learner_.Learn(), 0);
  for (const int version : {1, 2}) EXPECT_EQ(catalog_.Find("place-order", version), nullptr);
  EXPECT_TRUE(catalog_.TakeMissed().empty());
}

}  // namespace
}  // namespace unwind
