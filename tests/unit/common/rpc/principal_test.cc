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

constexpr char kPrefix[] = "spiffe://shop.example/ns/prod/sa/";

std::string Identity(Properties properties, const char* prefix = "") {
  return PeerIdentity(Peer(std::move(properties)), prefix);
}

TEST(PrincipalTest, ASpiffeIdBelowThePrefixIsItsLastSegmentAndNamesCountForNothing) {
  EXPECT_EQ(Identity({{kName, "cn"}, {kDns, "dns.internal"}, {kUri, absl::StrCat(kPrefix, "orchestrator")}}, kPrefix),
            "orchestrator");
  EXPECT_EQ(Identity({{kName, "operator"}, {kDns, "operator"}}, kPrefix), "");
  EXPECT_EQ(Identity({{kUri, "https://shop.example/operator"}, {kDns, "operator"}}, kPrefix), "");
}

// The same name of anybody else's is nobody.
TEST(PrincipalTest, ASpiffeIdOfAnotherTrustDomainOrNamespaceIsNobody) {
  for (const char* const foreign :
       {"spiffe://shop.example/ns/test/sa/operator", "spiffe://evil.example/ns/prod/sa/operator",
        "spiffe://shop.example/ns/prod/sa/team/operator", "spiffe://shop.example/ns/prod/sa//operator",
        "spiffe://shop.example/ns/prod/operator", "SPIFFE://shop.example/ns/prod/sa/operator",
        "x-spiffe://shop.example/ns/prod/sa/operator", "spiffe://shop.example/ns/prod/sa"}) {
    EXPECT_EQ(Identity({{kUri, foreign}}, kPrefix), "") << foreign;
  }
}

TEST(PrincipalTest, WithoutAPrefixACertificateWithASpiffeIdIsNobody) {
  EXPECT_EQ(Identity({{kDns, "operator"}, {kUri, absl::StrCat(kPrefix, "operator")}}), "");
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
      {{kUri, kPrefix}},
      {{kUri, absl::StrCat(kPrefix, "order svc")}},
      {{kUri, absl::StrCat(kPrefix, "order%20svc")}},
      {{kUri, absl::StrCat(kPrefix, "order_svc")}, {kUri, absl::StrCat(kPrefix, "stock_svc")}},
      {{kUri, "https://shop.example/order_svc"}, {kUri, absl::StrCat(kPrefix, "stock_svc")}},
      {{kUri, absl::StrCat(kPrefix, std::string(kIdentityBytesMax + 1, 'a'))}},
      {{kDns, "*.shop.example"}},
      {{kDns, ""}},
      {{kDns, std::string("order\0.evil", 11)}},
  };
  for (Properties properties : picked) {
    const std::string what = properties.front().second;
    properties.emplace_back(kName, "stock_svc");
    EXPECT_EQ(Identity(properties, properties.front().first == kUri ? kPrefix : ""), "") << what;
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
