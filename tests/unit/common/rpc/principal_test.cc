#include "common/rpc/principal.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/grpc_security_constants.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using Properties = std::vector<std::pair<std::string, std::string>>;

// A peer whose certificate has shown `properties`; nobody without any.
class Peer final : public grpc::AuthContext {
 public:
  explicit Peer(Properties properties) : properties_(std::move(properties)) {}

  bool IsPeerAuthenticated() const override { return !properties_.empty(); }
  std::vector<grpc::string_ref> GetPeerIdentity() const override { return {}; }
  std::string GetPeerIdentityPropertyName() const override { return ""; }
  std::vector<grpc::string_ref> FindPropertyValues(const std::string& name) const override {
    std::vector<grpc::string_ref> found;
    for (const auto& [key, value] : properties_) {
      if (key == name) found.emplace_back(value.data(), value.size());
    }
    return found;
  }
  grpc::AuthPropertyIterator begin() const override { return Nowhere(); }
  grpc::AuthPropertyIterator end() const override { return Nowhere(); }
  void AddProperty(const std::string&, const grpc::string_ref&) override {}
  bool SetPeerIdentityPropertyName(const std::string&) override { return false; }

 private:
  struct Nowhere : grpc::AuthPropertyIterator {};

  const Properties properties_;
};

constexpr char kUri[] = GRPC_PEER_URI_PROPERTY_NAME;
constexpr char kDns[] = GRPC_PEER_DNS_PROPERTY_NAME;
constexpr char kName[] = GRPC_X509_CN_PROPERTY_NAME;

std::string Identity(Properties properties) { return PeerIdentity(Peer(std::move(properties))); }

TEST(PrincipalTest, ASpiffeIdCountsBeforeNamesAndByItsLastSegment) {
  EXPECT_EQ(Identity({{kName, "cn"}, {kDns, "dns.internal"}, {kUri, "spiffe://shop.example/ns/prod/sa/orchestrator"}}),
            "orchestrator");
  EXPECT_EQ(Identity({{kUri, "spiffe://shop.example/order_svc"}}), "order_svc");
}

TEST(PrincipalTest, ElseItIsTheFirstDnsNameInLowerCaseElseTheCommonName) {
  EXPECT_EQ(Identity({{kName, "cn"}, {kDns, "Order.Internal"}, {kDns, "other.internal"}}), "order.internal");
  EXPECT_EQ(Identity({{kName, "cn"}, {kUri, "https://shop.example/x"}, {kDns, "order.internal"}}), "order.internal");
  EXPECT_EQ(Identity({{kName, "Jane-Doe_1@shop.example"}}), "Jane-Doe_1@shop.example");
}

TEST(PrincipalTest, NobodyIsEmpty) {
  EXPECT_EQ(Identity({}), "");
  EXPECT_EQ(Identity({{GRPC_X509_SUBJECT_PROPERTY_NAME, "CN=order_svc"}}), "");
}

// Each is picked by the order and is no identity: what comes after it in the order must not take its place.
TEST(PrincipalTest, WhatIsNoIdentityIsNobodyAndNotTheNextName) {
  const std::vector<Properties> picked = {
      {{kUri, "spiffe://shop.example"}},
      {{kUri, "spiffe://shop.example/"}},
      {{kUri, "spiffe://shop.example/sa/order svc"}},
      {{kUri, "spiffe://shop.example/sa/order%20svc"}},
      {{kUri, "spiffe://shop.example/order_svc"}, {kUri, "spiffe://shop.example/stock_svc"}},
      {{kUri, "https://shop.example/order_svc"}, {kUri, "spiffe://shop.example/stock_svc"}},
      {{kUri, absl::StrCat("spiffe://shop.example/", std::string(kIdentityBytesMax + 1, 'a'))}},
      {{kDns, "*.shop.example"}},
      {{kDns, ""}},
      {{kDns, std::string("order\0.evil", 11)}},
  };
  for (Properties properties : picked) {
    const std::string what = properties.front().second;
    properties.emplace_back(kName, "stock_svc");
    EXPECT_EQ(Identity(properties), "") << what;
  }
  EXPECT_EQ(Identity({{kName, "Jane Doe"}}), "");
  EXPECT_EQ(Identity({{kName, "J\xc3\xa4ne"}}), "");
  EXPECT_EQ(Identity({{kName, "a\nb"}}), "");
}

TEST(PrincipalTest, TheLongestIdentityIsTaken) {
  const std::string longest(kIdentityBytesMax, 'a');
  EXPECT_EQ(Identity({{kName, longest}}), longest);
}

}  // namespace
}  // namespace unwind
