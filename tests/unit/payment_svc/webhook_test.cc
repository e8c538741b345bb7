// Webhooks up to their meaning: who sent them, and what they say.
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/hmac.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "payment_svc/webhook_event.h"
#include "payment_svc/webhook_secrets.h"
#include "payment_svc/webhook_signature.h"
#include "tests/support/temp_dir.h"

namespace unwind::payment {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'795'727'275);
constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";
constexpr char kOther[] = "fedcba9876543210fedcba9876543210";
constexpr char kBody[] = R"({"eventId":"evt-1"})";

std::string Sign(const std::string& secret, std::int64_t seconds, const std::string& body) {
  return absl::StrCat("t=", seconds, ",v1=", HexHmacSha256(secret, absl::StrCat(seconds, ".", body)));
}
std::string Sign(const std::string& body = kBody) { return Sign(kSecret, absl::ToUnixSeconds(kNow), body); }

bool Holds(const std::string& signature, const std::string& body = kBody, absl::Time now = kNow) {
  return IsSigned(signature, body, {kSecret}, now);
}

// As openssl says: printf '1795727275.{"eventId":"evt-1"}' | openssl dgst -sha256 -hmac
// 0123456789abcdef0123456789abcdef
TEST(IsSigned, TakesWhatOpensslSigns) {
  EXPECT_TRUE(Holds("t=1795727275,v1=07855a79efb56348c4712cb3f0d0953dd1eec18e176b969d190125e901512377"));
}

TEST(IsSigned, EveryByteCounts) {
  const std::string good = Sign();
  ASSERT_TRUE(Holds(good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int change : {1, 0x20, 0x80}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ change);
      EXPECT_FALSE(Holds(bad)) << bad;
    }
    EXPECT_FALSE(Holds(good.substr(0, i))) << "cut at " << i;
    EXPECT_FALSE(Holds(good.substr(0, i) + good.substr(i + 1))) << "without " << i;
    EXPECT_FALSE(Holds(good.substr(0, i) + " " + good.substr(i))) << "with a space at " << i;
  }
  EXPECT_FALSE(Holds(good + "0"));
  EXPECT_FALSE(Holds(""));
}

TEST(IsSigned, EveryBitOfTheBodyCounts) {
  const std::string good = Sign();
  const std::string body = kBody;
  for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
    std::string bad = body;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(Holds(good, bad)) << bit;
  }
  EXPECT_FALSE(Holds(good, body + " "));
  EXPECT_FALSE(Holds(good, ""));
}

TEST(IsSigned, OnlyTheOneFormIsTaken) {
  const std::string hex = Sign().substr(Sign().size() - 64);
  EXPECT_TRUE(Holds("t=1795727275,v1=" + hex));
  for (const std::string& signature :
       {"t=1795727275,v1=" + absl::AsciiStrToUpper(hex), "v1=" + hex + ",t=1795727275", "t=01795727275,v1=" + hex,
        "t=+1795727275,v1=" + hex, "t=1795727275,v0=" + hex, "t=1795727275,v1=" + hex + ",v1=" + hex,
        "t=1795727275, v1=" + hex, "T=1795727275,v1=" + hex, "t=,v1=" + hex, "t=1795727275.0,v1=" + hex,
        "t=99999999999999999999,v1=" + hex}) {
    EXPECT_FALSE(Holds(signature)) << signature;
  }
}

TEST(IsSigned, ForFiveMinutesOnly) {
  for (const int age : {-300, -1, 0, 1, 300}) EXPECT_TRUE(Holds(Sign(), kBody, kNow + absl::Seconds(age))) << age;
  for (const int age : {-301, 301, 100000}) EXPECT_FALSE(Holds(Sign(), kBody, kNow + absl::Seconds(age))) << age;
  EXPECT_FALSE(Holds(Sign(), kBody, kNow + absl::Seconds(300) + absl::Nanoseconds(1)));
}

TEST(IsSigned, DuringARotationUnderEitherSecret) {
  const std::string by_old = Sign(kSecret, absl::ToUnixSeconds(kNow), kBody);
  const std::string by_new = Sign(kOther, absl::ToUnixSeconds(kNow), kBody);
  for (const std::vector<std::string>& both : {std::vector<std::string>{kSecret, kOther}, {kOther, kSecret}}) {
    EXPECT_TRUE(IsSigned(by_old, kBody, both, kNow));
    EXPECT_TRUE(IsSigned(by_new, kBody, both, kNow));
  }
  EXPECT_FALSE(IsSigned(by_old, kBody, {kOther}, kNow)) << "after it the old one is worth nothing";
  EXPECT_FALSE(IsSigned(by_new, kBody, {}, kNow));
}

class WebhookSecretsTest : public testing::Test {
 protected:
  void Put(const std::string& name, const std::string& text) { std::ofstream(folder_.File(name)) << text; }

  const TempDir folder_;
};

TEST_F(WebhookSecretsTest, FollowTheirFiles) {
  Put("now", std::string(kSecret) + "\n");
  Put("next", std::string(kOther) + "\n");
  auto secrets = WebhookSecrets::Open(folder_.File("now") + "," + folder_.File("next"), absl::Hours(1));
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  EXPECT_THAT((*secrets)->Get(), ElementsAre(kSecret, kOther));
  Put("now", std::string(kOther) + "\n");
  (*secrets)->Reload();
  EXPECT_THAT((*secrets)->Get(), ElementsAre(kOther, kOther));
}

TEST_F(WebhookSecretsTest, WhatCannotBeReadLeavesThemAsTheyAre) {
  Put("now", kSecret);
  auto secrets = WebhookSecrets::Open(folder_.File("now"), absl::Hours(1));
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  Put("now", "short");
  testing::internal::CaptureStderr();
  (*secrets)->Reload();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("stay as they are"));
  EXPECT_THAT((*secrets)->Get(), ElementsAre(kSecret));
}

TEST_F(WebhookSecretsTest, NoFilesAreNoSecrets) {
  auto secrets = WebhookSecrets::Open("");
  ASSERT_TRUE(secrets.ok());
  EXPECT_THAT((*secrets)->Get(), IsEmpty());
  EXPECT_FALSE(WebhookSecrets::Open(folder_.File("none")).ok());
}

TEST(CheckSecretFiles, TakesOneOrTwoOrNone) {
  for (const char* good : {"", "a", "a,b"}) EXPECT_TRUE(CheckSecretFiles(good).ok()) << good;
  for (const char* bad : {",", "a,", ",b", "a,b,c"}) EXPECT_FALSE(CheckSecretFiles(bad).ok()) << bad;
}

constexpr char kCapture[] = R"({"eventId":"evt-1","transaction":{"transactionId":"tx-1","idempotencyKey":"charge-p1",
    "kind":"KIND_CAPTURE","amountMinor":"1000","currencyCode":"KRW"},"createTime":"2026-11-27T11:00:00Z"})";

TEST(ReadWebhookEvent, ReadsACapture) {
  const absl::StatusOr<WebhookEvent> event = ReadWebhookEvent(kCapture);
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->event_id, "evt-1");
  EXPECT_EQ(event->key, "charge-p1");
  EXPECT_EQ(event->word.kind, GatewayAnswer::Kind::kMoved);
  EXPECT_EQ(event->word.transaction_id, "tx-1");
  EXPECT_EQ(event->word.amount, (Money{1000, "KRW"}));
  EXPECT_TRUE(event->word.is_final);
  const absl::StatusOr<WebhookEvent> again = ReadWebhookEvent(event->body);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->body, event->body);
}

TEST(ReadWebhookEvent, LeavesOutWhatItDoesNotKnow) {
  EXPECT_TRUE(ReadWebhookEvent(absl::StrCat(R"({"livemode":true,)", absl::string_view(kCapture).substr(1))).ok());
}

TEST(ReadWebhookEvent, AKindThatCannotBeIsAContradiction) {
  std::string refund = kCapture;
  refund.replace(refund.find("KIND_CAPTURE"), 12, "KIND_REFUND");
  EXPECT_NE(ReadWebhookEvent(refund)->word.contradiction, "");
}

TEST(ReadWebhookEvent, RefusesWhatIsNoEvent) {
  const std::string long_id(201, 'x');
  for (const std::string& body :
       {std::string(""), std::string("{}"), std::string("[]"), std::string("null"), std::string("{\"eventId\":\"a\"}"),
        std::string("\0{}", 3), std::string(kEventBytesMax + 1, ' '),
        absl::StrCat(R"({"eventId":")", long_id, R"(","transaction":{"idempotencyKey":"k"}})"),
        std::string(R"({"eventId":"e\n","transaction":{"idempotencyKey":"k"}})"),
        std::string(R"({"eventId":"e","transaction":{"idempotencyKey":"k","amountMinor":"x"}})")}) {
    const absl::Status status = ReadWebhookEvent(body).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << body;
    EXPECT_EQ(GetErrorInfo(status).reason, "EVENT_INVALID") << body;
  }
}

}  // namespace
}  // namespace unwind::payment
