// How many webhooks are on their way, and wait, at once.
#include "mock_pg/webhook_sender.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/rpc/channel.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/support/poll.h"

namespace unwind::pg {
namespace {

namespace v1 = ::shop::payment::v1;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr std::size_t kUnderWayMax = WebhookSender::kUnderWayMax;

// The shop's side: answers nothing until it is released.
class Receiver final : public v1::PaymentWebhookService::CallbackService {
 public:
  Receiver() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~Receiver() override { server_->Shutdown(); }

  grpc::ServerUnaryReactor* Receive(grpc::CallbackServerContext* context, const google::api::HttpBody*,
                                    v1::ReceiveResponse*) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    std::lock_guard lock(mutex_);
    ++got_;
    if (released_) {
      reactor->Finish(grpc::Status::OK);
    } else {
      held_.push_back(reactor);
    }
    return reactor;
  }
  void ReleaseOne() {
    std::lock_guard lock(mutex_);
    held_.front()->Finish(grpc::Status::OK);
    held_.pop_front();
  }
  // And holds no more.
  void ReleaseAll() {
    std::lock_guard lock(mutex_);
    released_ = true;
    for (grpc::ServerUnaryReactor* const reactor : held_) reactor->Finish(grpc::Status::OK);
    held_.clear();
  }

  const std::string& address() const { return address_; }
  std::size_t got() const {
    std::lock_guard lock(mutex_);
    return got_;
  }
  bool Got(std::size_t count) const {
    return Eventually(kPatience, [&] { return got() >= count; });
  }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  mutable std::mutex mutex_;
  std::deque<grpc::ServerUnaryReactor*> held_;
  std::size_t got_ = 0;
  bool released_ = false;
};

class WebhookSenderTest : public testing::Test {
 protected:
  ~WebhookSenderTest() override {
    receiver_.ReleaseAll();
    sender_.Stop();
  }

  void Send(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Entry end;
      end.transaction_id = absl::StrCat(++sent_);
      sender_.Send(end, {}, [this, number = sent_] {
        std::lock_guard lock(mutex_);
        ++tried_[number];
      });
    }
  }
  // Of how many it was said that they were tried, or will not be.
  std::size_t Tried() const {
    std::lock_guard lock(mutex_);
    return tried_.size();
  }
  // How often it was said of the one of which it was most.
  int TriedMost() const {
    std::lock_guard lock(mutex_);
    int most = 0;
    for (const auto& [number, times] : tried_) most = std::max(most, times);
    return most;
  }

  Receiver receiver_;
  const SystemClock clock_;
  std::size_t sent_ = 0;
  mutable std::mutex mutex_;
  std::map<std::size_t, int> tried_;  // guarded by mutex_
  WebhookSender sender_{NewChannel(receiver_.address()), "a secret of the shop", clock_, /*timeout=*/absl::Minutes(10)};
};

TEST_F(WebhookSenderTest, OnlySoManyAreUnderWayAtOnce) {
  constexpr std::size_t kMany = 2 * kUnderWayMax + 1;
  Send(kMany);
  for (std::size_t released = 0; released < kMany - kUnderWayMax; ++released) {
    ASSERT_TRUE(receiver_.Got(kUnderWayMax + released));
    ASSERT_EQ(receiver_.got(), kUnderWayMax + released);
    receiver_.ReleaseOne();
  }
  receiver_.ReleaseAll();
  EXPECT_TRUE(Eventually(kPatience, [&] { return Tried() == kMany; }));
  EXPECT_EQ(TriedMost(), 1);
  EXPECT_EQ(receiver_.got(), kMany);
}

TEST_F(WebhookSenderTest, WhatWaitsIsBoundedAndAStopGivesItUp) {
  constexpr std::size_t kTooMany = 10;
  Send(kUnderWayMax);
  ASSERT_TRUE(receiver_.Got(kUnderWayMax));
  Send(WebhookSender::kWaitingMax + kTooMany);
  EXPECT_TRUE(Eventually(kPatience, [&] { return Tried() >= kTooMany; })) << "what is given up is told at once";
  std::thread stop([this] { sender_.Stop(); });
  EXPECT_TRUE(Eventually(kPatience, [&] { return Tried() == sent_ - kUnderWayMax; })) << "but those under way";
  receiver_.ReleaseAll();
  stop.join();
  EXPECT_EQ(Tried(), sent_);
  EXPECT_EQ(TriedMost(), 1);
  EXPECT_EQ(receiver_.got(), kUnderWayMax);
}

}  // namespace
}  // namespace unwind::pg
