// Targets that stand for several addresses: names, by a name server of the test's own, and lists.
#include "common/rpc/channel.h"

#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/target.h"
#include "common/rpc/port.h"
#include "common/rpc/renewed_channel.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/support/name_server.h"
#include "tests/support/poll.h"
#include "tests/unit/common/rpc/live_server.h"

namespace unwind {
namespace {

using testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(60);
const std::string kFirst = "127.0.0.1", kSecond = "127.0.0.2", kThird = "127.0.0.3";

// One service at three addresses, with the same port at each, as a name's copies have it.
class Copies {
 public:
  Copies() {
    services_.services = {{kStock, &stock_}};
    while (ports_.size() < 3) {
      ports_.clear();
      ports_[kFirst] = *Port::Listen(absl::StrCat(kFirst, ":0"), "listen");
      number_ = ports_[kFirst]->number();
      for (const std::string& host : {kSecond, kThird}) {
        if (auto port = Port::Listen(At(host), "listen"); port.ok()) ports_[host] = *std::move(port);
      }
    }
  }

  int number() const { return number_; }
  std::string At(const std::string& host) const { return absl::StrCat(host, ":", number_); }
  void Serve(const std::string& host) { CHECK(ports_[host]->Serve(services_, 100, nullptr).ok()); }
  void Stop(const std::string& host) { ports_[host]->Drain(absl::ZeroDuration()); }

 private:
  EchoStock stock_;
  PortServices services_;
  std::map<std::string, std::unique_ptr<Port>> ports_;
  int number_ = 0;
};

// The address that answered a call; empty if none did.
std::string Call(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  shop::stock::v1::ReserveRequest request;
  request.set_reservation_id("r");
  auto& item = *request.add_items();
  item.set_product_id("lamp");
  item.set_quantity(1);
  shop::stock::v1::ReserveResponse response;
  std::promise<grpc::Status> ended;
  const auto stub = shop::stock::v1::StockService::NewStub(channel);
  stub->async()->Reserve(&context, &request, &response, [&](const grpc::Status& status) { ended.set_value(status); });
  return ended.get_future().get().ok() ? context.peer() : "";
}

// How many of `calls` each address answered.
std::map<std::string, int> Answered(const std::shared_ptr<grpc::Channel>& channel, int calls) {
  std::map<std::string, int> answered;
  for (int i = 0; i < calls; ++i) ++answered[Call(channel)];
  return answered;
}

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    copies_.Serve(kFirst);
    copies_.Serve(kSecond);
  }
  std::string Name() const { return absl::StrCat("dns://", names_.address(), "/stock.test:", copies_.number()); }
  std::string Peer(const std::string& host) const { return absl::StrCat("ipv4:", copies_.At(host)); }
  // Whether the addresses that answer are these, each in its turn.
  bool AnswerBy(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& hosts) const {
    std::map<std::string, int> wanted;
    for (const std::string& host : hosts) wanted[Peer(host)] = 4;
    return Answered(channel, 4 * static_cast<int>(hosts.size())) == wanted;
  }

  NameServer names_;
  Copies copies_;
};

TEST_F(ChannelTest, CallsTakeTurnsBetweenTheAddressesOfANameAndGoOnWhenOneIsLost) {
  names_.Set({kFirst, kSecond});
  ASSERT_TRUE(CheckTarget(Name()).ok());
  const auto channel = NewChannel(Name());
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kFirst, kSecond}); }));
  copies_.Stop(kFirst);
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kSecond}); }));
}

TEST_F(ChannelTest, CallsTakeTurnsBetweenTheAddressesOfAListAndGoOnWhenOneIsLost) {
  const std::string list = absl::StrCat("ipv4:", copies_.At(kFirst), ",", copies_.At(kSecond));
  const auto channel = NewChannel(list);
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kFirst, kSecond}); }));
  copies_.Stop(kFirst);
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kSecond}); }));
}

// Not before: gRPC asks when it lost a connection, and not every time.
TEST_F(ChannelTest, ANameIsLookedUpAgainOnceOneOfItsAddressesIsLost) {
  names_.Set({kFirst, kSecond});
  const auto channel = NewChannel(Name());
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kFirst, kSecond}); }));
  EXPECT_EQ(names_.asked(), 1);
  copies_.Serve(kThird);
  names_.Set({kSecond, kThird});
  copies_.Stop(kFirst);
  EXPECT_TRUE(Eventually(kPatience, [&] { return AnswerBy(channel, {kSecond, kThird}); }));
}

// gRPC alone asks for an unknown name six times in the first twenty seconds, and then ever more seldom.
TEST_F(ChannelTest, ANameThatIsUnknownForLongIsAskedForAgainAndAgain) {
  RenewedChannel channel(
      Name(), [this] { return NewChannel(Name()); }, absl::Milliseconds(50));
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    EXPECT_THAT(Call(channel.Get()), IsEmpty());
    return names_.asked() >= 20;
  }));
  names_.Set({kFirst});
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return Call(channel.Get()) == Peer(kFirst); }));
}

// As when the only copy of a service went elsewhere, after its name was gone for a while.
TEST_F(ChannelTest, ANameThatWasLostIsFoundWhereItIsNow) {
  names_.Set({kFirst});
  RenewedChannel channel(
      Name(), [this] { return NewChannel(Name()); }, absl::Milliseconds(50));
  EXPECT_EQ(Call(channel.Get()), Peer(kFirst));
  names_.Set({});
  copies_.Stop(kFirst);
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] {
    Call(channel.Get());
    return names_.asked() >= 20;
  }));
  names_.Set({kSecond});
  EXPECT_TRUE(Eventually(absl::Seconds(20), [&] { return Call(channel.Get()) == Peer(kSecond); }));
}

TEST_F(ChannelTest, AChannelThatIsConnectedOrHasOneAddressIsNotMadeAnew) {
  names_.Set({kFirst});
  RenewedChannel by_name(
      Name(), [this] { return NewChannel(Name()); }, absl::ZeroDuration());
  const auto first = by_name.Get();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Call(by_name.Get()), Peer(kFirst));
  EXPECT_EQ(by_name.Get(), first);

  const std::string address = copies_.At(kThird);  // where nobody answers
  copies_.Stop(kThird);
  RenewedChannel by_address(
      address, [&] { return NewChannel(address); }, absl::ZeroDuration());
  const auto only = by_address.Get();
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Call(by_address.Get()), IsEmpty());
  EXPECT_EQ(by_address.Get(), only);
}

}  // namespace
}  // namespace unwind
