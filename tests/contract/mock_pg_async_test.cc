// mock_pg's captures that are finished later, and the webhooks that tell of it, over real gRPC and real databases.
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/base/hmac.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "pg/v1/event.pb.h"
#include "shop/payment/v1/payment_webhook_service.grpc.pb.h"
#include "tests/contract/payment_harness.h"

namespace unwind {
namespace {

namespace v1 = ::shop::payment::v1;
using ::pg::v1::Transaction;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kSecret[] = "a secret of the shop and the gateway";

struct Delivery {
  std::string signature;
  std::string body;

  ::pg::v1::Event event() const {
    ::pg::v1::Event event;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(body, &event).ok()) << body;
    return event;
  }
  // By what pg/v1/event.proto says.
  bool IsSignedUnder(const std::string& secret) const {
    const std::vector<std::string> parts = absl::StrSplit(signature, ",v1=");
    if (parts.size() != 2 || !absl::StartsWith(parts[0], "t=")) return false;
    return parts[1] == HexHmacSha256(secret, parts[0].substr(2) + "." + body);
  }
};

// The shop's side: takes everything, or refuses as often as it is told to.
class Receiver final : public v1::PaymentWebhookService::Service {
 public:
  grpc::Status Receive(grpc::ServerContext* context, const google::api::HttpBody* request,
                       v1::ReceiveResponse*) override {
    const auto signature = context->client_metadata().find(pg::kSignatureHeader);
    std::lock_guard lock(mutex_);
    deliveries_.push_back({signature == context->client_metadata().end()
                               ? ""
                               : std::string(signature->second.data(), signature->second.size()),
                           request->data()});
    if (refusals_ == 0) return grpc::Status::OK;
    --refusals_;
    return {grpc::StatusCode::UNAVAILABLE, "not now"};
  }
  void RefuseNext(int count) {
    std::lock_guard lock(mutex_);
    refusals_ = count;
  }
  std::vector<Delivery> deliveries() const {
    std::lock_guard lock(mutex_);
    return deliveries_;
  }
  bool Got(std::size_t count) const {
    return Eventually([&] { return deliveries().size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Delivery> deliveries_;
  int refusals_ = 0;
};

class MockPgAsyncTest : public testing::Test {
 protected:
  MockPgAsyncTest() {
    pg_.Stop();
    pg_.TellTo(receiver_address_, kSecret);
    pg_.Start();
    scenario_.async_percent = 100;
  }
  ~MockPgAsyncTest() override {
    pg_.Stop();
    receiver_server_->Shutdown();
  }

  void Play() { pg_.gateway().SetScenario(scenario_); }
  Transaction Confirm(const std::string& key) {
    const CallResult result = pg_.Confirm(key);
    EXPECT_TRUE(result.status.ok()) << result.status;
    ::pg::v1::ConfirmResponse response;
    EXPECT_TRUE(response.ParseFromString(result.response));
    return response.transaction();
  }
  Transaction Fence(const std::string& key) {
    ::pg::v1::FenceResponse response;
    EXPECT_TRUE(response.ParseFromString(pg_.Fence(key).response));
    return response.transaction();
  }
  bool EndsAs(const std::string& key, Transaction::Kind kind) {
    return Eventually([&] {
      const absl::StatusOr<Transaction> now = pg_.Get(key);
      return now.ok() && now->kind() == kind && !now->may_change();
    });
  }

  ScratchFolder folder_;
  const std::string receiver_address_ = "unix:" + folder_.File("receiver.sock");
  Receiver receiver_;
  const std::unique_ptr<grpc::Server> receiver_server_ = Listen(receiver_address_, {&receiver_});
  PgProcess pg_{folder_};
  pg::Scenario scenario_;
};

TEST_F(MockPgAsyncTest, ACaptureIsFinishedLaterAndTold) {
  scenario_.async_delay = absl::Milliseconds(200);
  Play();
  const Transaction pending = Confirm("k");
  EXPECT_EQ(pending.kind(), Transaction::KIND_PENDING);
  EXPECT_TRUE(pending.may_change());
  EXPECT_EQ(pending.amount_minor(), 1000);
  EXPECT_EQ(pg_.Get("k")->kind(), Transaction::KIND_PENDING);
  EXPECT_EQ(Confirm("k").kind(), Transaction::KIND_PENDING) << "a repeat";
  EXPECT_EQ(pg_.Confirm("k", 1001).reason(), "KEY_REUSED");
  EXPECT_THAT(pg_.List(), IsEmpty()) << "no money has moved";
  ASSERT_TRUE(EndsAs("k", Transaction::KIND_CAPTURE));
  EXPECT_EQ(pg_.Get("k")->transaction_id(), pending.transaction_id());
  EXPECT_EQ(pg_.Balance(), 1000);
  ASSERT_TRUE(receiver_.Got(1));
  const Delivery delivery = receiver_.deliveries().front();
  EXPECT_TRUE(delivery.IsSignedUnder(kSecret)) << delivery.signature;
  EXPECT_EQ(delivery.event().transaction().SerializeAsString(), pg_.Get("k")->SerializeAsString());
  EXPECT_NE(delivery.event().event_id(), "");
}

TEST_F(MockPgAsyncTest, ADeclineIsFinishedLaterToo) {
  scenario_.fail_first = 1;
  Play();
  EXPECT_EQ(Confirm("k").kind(), Transaction::KIND_PENDING);
  ASSERT_TRUE(EndsAs("k", Transaction::KIND_DECLINE));
  EXPECT_EQ(pg_.Confirm("k").reason(), "CARD_DECLINED");
  ASSERT_TRUE(receiver_.Got(1));
  EXPECT_EQ(receiver_.deliveries().front().event().transaction().decline_reason(), "CARD_DECLINED");
}

TEST_F(MockPgAsyncTest, AFencedKeyNeverCaptures) {
  scenario_.async_delay = absl::Milliseconds(200);
  Play();
  Confirm("fenced");
  EXPECT_EQ(Fence("fenced").kind(), Transaction::KIND_FENCE);
  Confirm("other");  // due after it
  ASSERT_TRUE(EndsAs("other", Transaction::KIND_CAPTURE));
  EXPECT_EQ(pg_.Get("fenced")->kind(), Transaction::KIND_FENCE);
  EXPECT_EQ(pg_.Confirm("fenced").reason(), "KEY_FENCED");
  ASSERT_TRUE(receiver_.Got(1));
  EXPECT_EQ(receiver_.deliveries().front().event().transaction().idempotency_key(), "other");
}

TEST_F(MockPgAsyncTest, AGatewayThatLiesCapturesAfterTheFence) {
  scenario_.async_delay = absl::Hours(1);
  scenario_.after_fence_percent = 100;
  scenario_.after_fence = absl::Milliseconds(200);
  Play();
  const Transaction pending = Confirm("k");
  const Transaction fence = Fence("k");
  EXPECT_EQ(fence.kind(), Transaction::KIND_FENCE);
  EXPECT_TRUE(fence.may_change());
  EXPECT_TRUE(pg_.Get("k")->may_change());
  EXPECT_EQ(pg_.Confirm("k").reason(), "KEY_FENCED");
  ASSERT_TRUE(EndsAs("k", Transaction::KIND_CAPTURE));
  EXPECT_EQ(Fence("k").transaction_id(), pending.transaction_id());
  EXPECT_EQ(pg_.List().size(), 1u);
  EXPECT_TRUE(receiver_.Got(1));
}

TEST_F(MockPgAsyncTest, ADeclineLeavesTheFence) {
  scenario_.async_delay = absl::Hours(1);
  scenario_.after_fence_percent = 100;
  scenario_.after_fence = absl::Milliseconds(100);
  scenario_.fail_first = 1;
  Play();
  Confirm("k");
  EXPECT_TRUE(Fence("k").may_change());
  EXPECT_TRUE(EndsAs("k", Transaction::KIND_FENCE));
}

TEST_F(MockPgAsyncTest, AWebhookMayComeBeforeTheAnswer) {
  scenario_.webhook_early_percent = 100;
  Play();
  EXPECT_EQ(Confirm("k").kind(), Transaction::KIND_PENDING);
  EXPECT_THAT(receiver_.deliveries(), SizeIs(1)) << "when the answer is here";
  EXPECT_EQ(pg_.Get("k")->kind(), Transaction::KIND_CAPTURE);
}

TEST_F(MockPgAsyncTest, AnEarlyWebhookThatNobodyTakesDoesNotKeepTheAnswer) {
  scenario_.webhook_early_percent = 100;
  Play();
  receiver_.RefuseNext(1);
  EXPECT_EQ(Confirm("k").kind(), Transaction::KIND_PENDING);
  receiver_server_->Shutdown();
  EXPECT_EQ(Confirm("k2").kind(), Transaction::KIND_PENDING);
}

TEST_F(MockPgAsyncTest, AWebhookMayBeLost) {
  scenario_.webhook_lost_percent = 100;
  Play();
  Confirm("lost");
  ASSERT_TRUE(EndsAs("lost", Transaction::KIND_CAPTURE));
  scenario_.webhook_lost_percent = 0;
  Play();
  Confirm("told");
  ASSERT_TRUE(receiver_.Got(1));
  EXPECT_EQ(receiver_.deliveries().front().event().transaction().idempotency_key(), "told");
}

TEST_F(MockPgAsyncTest, AWebhookMayComeTwice) {
  scenario_.webhook_twice_percent = 100;
  Play();
  Confirm("k");
  ASSERT_TRUE(receiver_.Got(2));
  const std::vector<Delivery> deliveries = receiver_.deliveries();
  EXPECT_EQ(deliveries[0].body, deliveries[1].body);
  EXPECT_TRUE(deliveries[1].IsSignedUnder(kSecret));
}

TEST_F(MockPgAsyncTest, AWebhookMayBeForged) {
  scenario_.webhook_forged_percent = 100;
  Play();
  receiver_.RefuseNext(1);
  Confirm("k");
  ASSERT_TRUE(receiver_.Got(2)) << "a refused one is sent again";
  for (const Delivery& delivery : receiver_.deliveries()) EXPECT_FALSE(delivery.IsSignedUnder(kSecret));
}

TEST_F(MockPgAsyncTest, AWebhookIsSentUntilItIsTaken) {
  receiver_.RefuseNext(2);
  Play();
  Confirm("k");
  ASSERT_TRUE(receiver_.Got(3));
  for (const Delivery& delivery : receiver_.deliveries()) {
    EXPECT_TRUE(delivery.IsSignedUnder(kSecret));
    EXPECT_EQ(delivery.body, receiver_.deliveries().front().body);
  }
}

TEST_F(MockPgAsyncTest, AWebhookMayComeLongAfterTheEnd) {
  scenario_.webhook_delay = absl::Milliseconds(300);
  Play();
  Confirm("k");
  ASSERT_TRUE(EndsAs("k", Transaction::KIND_CAPTURE));
  EXPECT_THAT(receiver_.deliveries(), IsEmpty());
  EXPECT_TRUE(receiver_.Got(1));
}

TEST_F(MockPgAsyncTest, WhatIsPendingSurvivesARestart) {
  scenario_.async_delay = absl::Milliseconds(400);
  Play();
  Confirm("k");
  pg_.Stop();
  pg_.Start();
  EXPECT_TRUE(EndsAs("k", Transaction::KIND_CAPTURE));
  EXPECT_TRUE(receiver_.Got(1));
}

TEST_F(MockPgAsyncTest, AResetForgetsWhatIsPending) {
  scenario_.async_delay = absl::Hours(1);
  Play();
  Confirm("k");
  ::pg::v1::ResetResponse response;
  ASSERT_TRUE(Invoke(pg_.control(), &::pg::v1::MockControl::Stub::Reset, {}, &response).status.ok());
  EXPECT_EQ(GetErrorInfo(pg_.Get("k").status()).reason, "TRANSACTION_NOT_FOUND");
}

TEST_F(MockPgAsyncTest, AStopDoesNotWaitForWebhooks) {
  scenario_.webhook_early_percent = 100;
  scenario_.webhook_delay = absl::Minutes(1);
  Play();
  std::thread caller([this] { pg_.Confirm("k", 1000, "KRW", absl::Minutes(1)); });
  EXPECT_TRUE(Eventually([this] { return pg_.Get("k").ok(); }));
  const absl::Time began = absl::Now();
  pg_.Stop();
  EXPECT_LT(absl::Now() - began, absl::Seconds(4));
  caller.join();
}

TEST_F(MockPgAsyncTest, AProcessedOrderThatIsNotFinishedIsAskedForAgain) {
  scenario_.async_delay = absl::Milliseconds(100);
  Play();
  CallResult result;
  pg_.Process("o-1", 1000, &result);
  EXPECT_EQ(result.reason(), "PENDING");
  EXPECT_TRUE(
      Eventually([&] { return pg_.Process("o-1", 1000).result() == ::pg::v1::ProcessResponse::RESULT_SUCCESS; }));
}

}  // namespace
}  // namespace unwind
