#include "common/rpc/policy.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "common/rpc/policy_file.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "shop/stock/v1/stock_service.pb.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kReserve[] = "/shop.stock.v1.StockService/Reserve";
constexpr char kRelease[] = "/shop.stock.v1.StockService/Release";
constexpr char kGetProduct[] = "/shop.stock.v1.StockService/GetProduct";
constexpr char kListProducts[] = "/shop.stock.v1.StockService/ListProducts";

constexpr char kRules[] = R"(rules:
  - callers: [orchestrator, backup.internal]
    methods: [shop.stock.v1.StockService/Reserve, shop.stock.v1.StockService/Release]
    saga_metadata: allowed
  - callers: [gateway]
    methods: [shop.stock.v1.StockService/GetProduct]
    member: allowed
  - callers: ["*"]
    methods: [shop.stock.v1.StockService/ListProducts]
  - callers: [gateway]
    methods: [shop.stock.v1.StockService/Restock]
    member: required
  - callers: []
    methods: [shop.stock.v1.StockService/ResetStock]
)";

ServedNames Nothing() {
  shop::stock::v1::ReserveRequest::descriptor();  // linked in
  return {};
}

absl::StatusOr<Policy> Parse(const std::string& yaml, const ServedNames& served = Nothing()) {
  return ParsePolicy("shop.yaml", yaml, served);
}

std::string Errors(const std::string& yaml, const ServedNames& served = Nothing()) {
  const absl::StatusOr<Policy> policy = Parse(yaml, served);
  EXPECT_NE(policy.status().code(), absl::StatusCode::kOk) << yaml;
  return std::string(policy.status().message());
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What the rules above say of a call: the principal, or the reason it is refused for.
std::string Told(const std::string& path, const std::string& service, const Pairs& metadata = {}) {
  const absl::StatusOr<Policy> policy = Parse(kRules);
  if (!policy.ok()) return std::string(policy.status().message());
  Policy::Metadata sent;
  for (const auto& [name, value] : metadata) sent.emplace(name, value);
  const Admission admission = policy->Decide(path, service, sent);
  if (admission.status.ok()) return absl::StrCat(admission.principal.member, "@", admission.principal.service);
  const ErrorInfo info = GetErrorInfo(admission.status);
  const auto denied = info.metadata.find("denied");
  return absl::StrCat(absl::StatusCodeToString(admission.status.code()), " ", info.reason,
                      denied == info.metadata.end() ? "" : absl::StrCat(" ", denied->second));
}

TEST(Policy, LetsThoseCallWhomARuleNamesAndNobodyElse) {
  EXPECT_EQ(Told(kReserve, "orchestrator"), "@orchestrator");
  EXPECT_EQ(Told(kRelease, "backup.internal"), "@backup.internal");
  EXPECT_EQ(Told(kReserve, "gateway"), "PERMISSION_DENIED CALLER_NOT_ALLOWED method");
  EXPECT_EQ(Told(kReserve, "Orchestrator"), "PERMISSION_DENIED CALLER_NOT_ALLOWED method");
  EXPECT_EQ(Told(kGetProduct, "orchestrator"), "PERMISSION_DENIED CALLER_NOT_ALLOWED method");
}

TEST(Policy, AStarIsEverybodyWithAnIdentityAndAnEmptyListNobody) {
  EXPECT_EQ(Told(kListProducts, "anyone"), "@anyone");
  EXPECT_EQ(Told(kListProducts, ""), "UNAUTHENTICATED CALLER_UNKNOWN");
  EXPECT_EQ(Told("/shop.stock.v1.StockService/ResetStock", "orchestrator"),
            "PERMISSION_DENIED CALLER_NOT_ALLOWED method");
  EXPECT_EQ(Told("/shop.stock.v1.StockService/ResetStock", "*"), "PERMISSION_DENIED CALLER_NOT_ALLOWED method");
}

TEST(Policy, WhoHasNoIdentityMayNothingNotEvenAsk) {
  EXPECT_EQ(Told(kReserve, ""), "UNAUTHENTICATED CALLER_UNKNOWN");
  EXPECT_EQ(Told("/no.such.Service/Method", ""), "UNAUTHENTICATED CALLER_UNKNOWN");
}

TEST(Policy, AMethodThatNoRuleIsAboutIsNotServed) {
  EXPECT_EQ(Told("/no.such.Service/Method", "orchestrator"), "UNIMPLEMENTED METHOD_UNKNOWN");
  EXPECT_EQ(Told("/shop.stock.v1.StockService/ReturnSold", "orchestrator"), "UNIMPLEMENTED METHOD_UNKNOWN");
}

TEST(Policy, AMemberIsBelievedOnlyOfThoseWhoMaySayIt) {
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"x-member-id", "mina"}}), "mina@gateway");
  EXPECT_EQ(Told(kGetProduct, "gateway"), "@gateway");
  EXPECT_EQ(Told(kReserve, "orchestrator", {{"x-member-id", "mina"}}),
            "PERMISSION_DENIED CALLER_NOT_ALLOWED x-member-id");
  EXPECT_EQ(Told(kListProducts, "anyone", {{"x-member-id", "mina"}}),
            "PERMISSION_DENIED CALLER_NOT_ALLOWED x-member-id");
}

TEST(Policy, AMemberMayBeRequired) {
  constexpr char kRestock[] = "/shop.stock.v1.StockService/Restock";
  EXPECT_EQ(Told(kRestock, "gateway", {{"x-member-id", "mina"}}), "mina@gateway");
  EXPECT_EQ(Told(kRestock, "gateway"), "UNAUTHENTICATED CALLER_UNKNOWN");
}

TEST(Policy, AMemberIsSaidOnceAndIsAnIdentifier) {
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"x-member-id", "mina"}, {"x-member-id", "mina"}}),
            "INVALID_ARGUMENT INVALID_REQUEST");
  for (const std::string& bad : {std::string(), std::string("mi na"), std::string("m/"), std::string(65, 'm')}) {
    EXPECT_EQ(Told(kGetProduct, "gateway", {{"x-member-id", bad}}), "INVALID_ARGUMENT INVALID_REQUEST") << bad;
  }
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"x-member-id", std::string(64, 'm')}}), std::string(64, 'm') + "@gateway");
}

TEST(Policy, SagaMetadataIsTakenOnlyFromThoseWhoMaySendIt) {
  EXPECT_EQ(Told(kReserve, "orchestrator", {{"saga-id", "s"}, {"saga-step", "t"}}), "@orchestrator");
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"saga-id", "s"}}), "PERMISSION_DENIED CALLER_NOT_ALLOWED saga-id");
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"saga-", ""}}), "PERMISSION_DENIED CALLER_NOT_ALLOWED saga-");
  EXPECT_EQ(Told(kGetProduct, "gateway", {{"x-saga-id", "s"}, {"idempotency-key", "k"}}), "@gateway");
}

TEST(PolicyFile, SaysEverythingThatIsWrongWithItsLine) {
  const std::string errors = Errors(R"(rules:
  - callers: [gateway, gateway]
    methods: [shop.stock.v1.StockService/Reserve]
    membr: allowed
  - callers: [x]
    methods: [shop.stok.v1.StockService/Reserve, shop.stock.v1.StockService/Reserv]
    saga_metadata: yes
  - methods: shop.stock.v1.StockService/Release
  - callers: ["*", x]
    methods: []
    methods: [shop.stock.v1.StockService/GetProduct]
  - nothing
more: 1
)");
  for (const char* const line : {
           "shop.yaml:2: callers names 'gateway' twice; keep one of them",
           "shop.yaml:4: a rule has no key 'membr'; its keys are callers, member, methods, saga_metadata",
           "shop.yaml:6: 'shop.stok.v1.StockService/Reserve' names no service that this program knows;",
           "shop.yaml:6: 'shop.stock.v1.StockService/Reserv' names no method of shop.stock.v1.StockService; it has ",
           "shop.yaml:7: saga_metadata cannot be 'yes'; write allowed,",
           "shop.yaml:8: the rule needs callers; add them as a list",
           "shop.yaml:8: methods must be a list; write methods: [...]",
           "shop.yaml:9: '*' stands beside other callers; leave it alone",
           "shop.yaml:10: methods is empty;",
           "shop.yaml:11: a rule gives 'methods' twice; keep one of them",
           "shop.yaml:12: a rule must be a map;",
           "shop.yaml:13: a policy has no key 'more'; its keys are rules",
       }) {
    EXPECT_THAT(errors, HasSubstr(line));
  }
}

TEST(PolicyFile, OneCallerHasOneRuleAboutAMethod) {
  const std::string errors = Errors(R"(rules:
  - callers: [a, b]
    methods: [shop.stock.v1.StockService/Reserve]
  - callers: [b]
    methods: [shop.stock.v1.StockService/*]
  - callers: ["*"]
    methods: [shop.stock.v1.StockService/Release]
  - callers: []
    methods: [shop.stock.v1.StockService/Confirm]
)");
  EXPECT_THAT(errors,
              HasSubstr("shop.yaml:5: shop.stock.v1.StockService/Reserve is given to b here and to b on line 3"));
  EXPECT_THAT(errors,
              HasSubstr("shop.yaml:7: shop.stock.v1.StockService/Release is given to * here and to b on line 5"));
  EXPECT_THAT(errors,
              HasSubstr("shop.yaml:9: shop.stock.v1.StockService/Confirm is given to nobody here and to b on line 5"));
}

TEST(PolicyFile, AMethodThatIsServedNeedsARule) {
  const ServedNames served{.services = {"shop.stock.v1.StockService", "depot.v1.DepotService"}, .pools = {}};
  const std::string errors = Errors(kRules, served);
  EXPECT_THAT(errors, AllOf(HasSubstr("shop.yaml:1: no rule is about shop.stock.v1.StockService/ReturnSold, which is "
                                      "served here; add it to a rule, with 'callers: []' if nobody may call it"),
                            HasSubstr("depot.v1.DepotService is served here and described nowhere"),
                            Not(HasSubstr("StockService/ResetStock"))));
}

TEST(PolicyFile, WhatIsNoPolicyIsSaidSo) {
  EXPECT_THAT(Errors(""), HasSubstr("shop.yaml:1: the file is no policy; write 'rules:'"));
  EXPECT_THAT(Errors("- a"), HasSubstr("shop.yaml:1: the file is no policy"));
  EXPECT_THAT(Errors("rules: 7"), HasSubstr("shop.yaml:1: rules must be a list"));
  EXPECT_THAT(Errors("rules:\n  - [a\n"), HasSubstr(": this is not YAML: "));
  EXPECT_THAT(ReadPolicyFile("/no/such/file", Nothing()).status().message(),
              HasSubstr("/no/such/file cannot be read; give --policy a file"));
  EXPECT_THAT(ReadPolicyFile("/", Nothing()).status().message(), HasSubstr("/ cannot be read; give --policy a file"));
}

TEST(PolicyFile, AliasesAreCountedAsOftenAsTheyAreUsed) {
  std::string yaml = "rules:\n  - callers: &all [c0";
  for (int i = 1; i < 200; ++i) absl::StrAppend(&yaml, ", c", i);
  absl::StrAppend(&yaml, "]\n    methods: [shop.stock.v1.StockService/Reserve]\n");
  for (int i = 0; i < 200; ++i) absl::StrAppend(&yaml, "  - {callers: *all, methods: [a.B/C]}\n");
  EXPECT_THAT(Errors(yaml), HasSubstr("with its aliases written out the file has more than 20000 entries"));
}

TEST(PolicyFile, NamesThatAreNoIdentityAreRefused) {
  const std::string head = "rules:\n  - methods: [shop.stock.v1.StockService/Reserve]\n    callers: ";
  EXPECT_THAT(Errors(absl::StrCat(head, "[\"a\\nb\"]")), HasSubstr("'a\\x0ab' can be nobody's identity"));
  EXPECT_THAT(Errors(absl::StrCat(head, "[", std::string(300, 'a'), "]")), HasSubstr("can be nobody's identity"));
  EXPECT_THAT(Errors(absl::StrCat(head, "[order svc]")), HasSubstr("'order svc' can be nobody's identity"));
}

TEST(Caller, AMemberAndAServiceOfOneNameHaveKeysOfTheirOwn) {
  EXPECT_EQ(KeyScopeOf({}), "");
  EXPECT_EQ(KeyScopeOf({.service = "gateway", .member = ""}), "service/gateway");
  EXPECT_EQ(KeyScopeOf({.service = "gateway", .member = "mina"}), "member/mina");
  EXPECT_EQ(KeyScopeOf({.service = "other", .member = "mina"}), "member/mina");
  EXPECT_LE(KeyScopeOf({.service = std::string(253, 'a'), .member = ""}).size(), 200U);
  EXPECT_NE(KeyScopeOf({.service = std::string(253, 'a'), .member = ""}),
            KeyScopeOf({.service = std::string(252, 'a'), .member = ""}));
}

TEST(Caller, WhoActsIsTheServiceOrTheMemberThroughIt) {
  EXPECT_EQ(ActorOf({}), "");
  EXPECT_EQ(ActorOf({.service = "jane", .member = ""}), "jane");
  EXPECT_EQ(ActorOf({.service = "gateway_admin", .member = "jane"}), "jane via gateway_admin");
}

TEST(PolicyFile, SaysWhoseSpiffeIdsCount) {
  const auto policy = Parse(absl::StrCat("spiffe: spiffe://shop.example/ns/prod/sa/\n", kRules), Nothing());
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->spiffe_prefix(), "spiffe://shop.example/ns/prod/sa/");
  EXPECT_EQ(Parse(kRules, Nothing())->spiffe_prefix(), "");
}

TEST(PolicyFile, RefusesAPrefixThatIsNoSpiffeIdsOrEndsWithinASegment) {
  for (const char* const bad : {"shop.example/", "spiffe://", "spiffe:///sa/", "spiffe://shop.example",
                                "spiffe://shop.example/sa", "spiffe://shop.example//sa/", "[a]", "''"}) {
    EXPECT_THAT(std::string(Parse(absl::StrCat("spiffe: ", bad, "\n", kRules), Nothing()).status().message()),
                AllOf(HasSubstr("shop.yaml:1: spiffe cannot be '"), HasSubstr("to the last slash")))
        << bad;
  }
}

}  // namespace
}  // namespace unwind
