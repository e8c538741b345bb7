// What comes to PaymentWebhookService over the wire: only what the gateway has signed lately, and what fits to its key,
// moves anything.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/hmac.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "payment_svc/webhook_event.h"
#include "pg/v1/event.pb.h"
#include "soci/soci.h"
#include "tests/contract/collect_shop.h"

namespace unwind {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

class PaymentWebhookTest : public CollectShop {
 protected:
  // Of payment `id` the first attempt is open, and the gateway says nothing of it for an hour.
  void Open(const std::string& id) {
    Play(Async(absl::Hours(1)));
    Collect(id);
    EXPECT_EQ(StateOf(Pay(id, absl::StrCat("try-", id))), Attempt::STATE_PENDING);
  }

  static ::pg::v1::Event EventOf(const std::string& id) {
    ::pg::v1::Event event;
    event.set_event_id(absl::StrCat("evt-", id));
    event.mutable_transaction()->set_idempotency_key(absl::StrCat("pay-1-", id));
    event.mutable_transaction()->set_transaction_id(absl::StrCat("tx-", id));
    event.mutable_transaction()->set_kind(Transaction::KIND_CAPTURE);
    event.mutable_transaction()->set_amount_minor(1000);
    event.mutable_transaction()->set_currency_code("KRW");
    return event;
  }
  static std::string BodyOf(const ::pg::v1::Event& event) {
    std::string body;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(event, &body).ok());
    return body;
  }
  std::int64_t Seconds() { return absl::ToUnixSeconds(payment_.clock().Now()); }
  std::string Sign(const std::string& body, std::int64_t seconds, const std::string& secret = kWebhookSecret) {
    return absl::StrCat("t=", seconds, ",v1=", HexHmacSha256(secret, absl::StrCat(seconds, ".", body)));
  }
  CallResult Send(const std::string& body, const Headers& headers) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    for (const auto& [name, value] : headers) context.AddMetadata(name, value);
    google::api::HttpBody request;
    request.set_content_type("application/json");
    request.set_data(body);
    ::shop::payment::v1::ReceiveResponse response;
    CallResult result;
    result.status = FromGrpc(payment_.webhook_stub().Receive(&context, request, &response));
    return result;
  }
  CallResult Send(const std::string& body, const std::string& signature) {
    return Send(body, Headers{{"pg-signature", signature}});
  }
  CallResult Send(const ::pg::v1::Event& event) { return Send(BodyOf(event), Sign(BodyOf(event), Seconds())); }

  // Those that were taken.
  long long Events() {
    long long count = -1;
    EXPECT_TRUE(payment_.Open()
                    ->Read([&](soci::session& session) {
                      session << "SELECT COUNT(*) FROM webhook_events", soci::into(count);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }

  void ExpectForged(const CallResult& result, const std::string& what) {
    EXPECT_EQ(result.status.code(), absl::StatusCode::kUnauthenticated) << what;
    EXPECT_EQ(result.reason(), "SIGNATURE_INVALID") << what;
  }
  void ExpectNothingMoved(const std::string& id, const std::string& what = "") {
    EXPECT_EQ(Get(id).state(), Payment::STATE_PENDING) << what;
    EXPECT_EQ(Get(id).attempts(0).state(), Attempt::STATE_PENDING) << what;
  }
};

TEST_F(PaymentWebhookTest, WhatIsNotProvedMovesNothing) {
  Open("p1");
  payment_.clock().Hold();
  const std::string body = BodyOf(EventOf("p1"));
  const std::string good = Sign(body, Seconds());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '0' ? '1' : '0';
    ExpectForged(Send(body, bad), absl::StrCat("byte ", i, " of the header"));
  }
  for (std::size_t i = 0; i < body.size(); ++i) {
    std::string bad = body;
    bad[i] = static_cast<char>(bad[i] ^ (1 << i % 8));
    ExpectForged(Send(bad, good), absl::StrCat("a bit of byte ", i, " of the body"));
  }
  ExpectForged(Send(body, Headers{}), "no header");
  ExpectForged(Send(body, Headers{{"pg-signature", good}, {"pg-signature", good}}), "twice");
  ExpectForged(Send(body, ""), "an empty header");
  ExpectForged(Send(body, "t=" + absl::AsciiStrToUpper(good.substr(2))), "upper-case");
  const std::size_t hex = good.size() - 64;
  ExpectForged(Send(body, good.substr(0, hex) + absl::AsciiStrToUpper(good.substr(hex))), "upper-case hex");
  for (const int age : {-301, 301}) {
    ExpectForged(Send(body, Sign(body, Seconds() + age)), absl::StrCat(age, " s from now"));
  }
  ExpectForged(Send(body, Sign(body, Seconds(), "another secret of 16 bytes")), "another secret");
  ExpectNothingMoved("p1");
  EXPECT_EQ(Events(), 0);
  EXPECT_TRUE(Send(body, good).status.ok()) << "as it should be it is taken";
  EXPECT_EQ(Get("p1").state(), Payment::STATE_SUCCESS);
  EXPECT_EQ(Events(), 1);
}

TEST_F(PaymentWebhookTest, FiveMinutesAreEnough) {
  Open("early");
  Open("late");
  payment_.clock().Hold();
  for (const int age : {-300, 300}) {
    const std::string id = age < 0 ? "early" : "late";
    const std::string body = BodyOf(EventOf(id));
    EXPECT_TRUE(Send(body, Sign(body, Seconds() + age)).status.ok()) << age;
    EXPECT_EQ(Get(id).state(), Payment::STATE_SUCCESS);
  }
}

TEST_F(PaymentWebhookTest, AfterARotationTheOldSecretIsWorthNothing) {
  Open("p1");
  const std::string body = BodyOf(EventOf("p1"));
  const std::string other = "the next secret of the shop";
  payment_.WriteSecret(other);
  // Of no payment, so that nothing moves while the old one still holds.
  const std::string probe = BodyOf(EventOf("nobody"));
  ASSERT_TRUE(Eventually([&] { return !Send(probe, Sign(probe, Seconds())).status.ok(); }));
  ExpectForged(Send(body, Sign(body, Seconds())), "the old secret");
  ExpectNothingMoved("p1");
  ASSERT_EQ(Send(body, Sign(body, Seconds(), other)).status, absl::OkStatus());
  EXPECT_EQ(Get("p1").state(), Payment::STATE_SUCCESS);
}

// It is signed, and cannot be true.
TEST_F(PaymentWebhookTest, WhatDoesNotFitToItsKeyMovesNothing) {
  Open("p1");
  Open("p2");
  std::vector<::pg::v1::Event> events(4, EventOf("p1"));
  events[0].mutable_transaction()->set_amount_minor(999);
  events[1].mutable_transaction()->set_currency_code("USD");
  events[2].mutable_transaction()->set_kind(Transaction::KIND_REFUND);
  events[3].mutable_transaction()->set_captured_transaction_id("tx-0");
  for (std::size_t i = 0; i < events.size(); ++i) {
    const CallResult result = Send(events[i]);
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << i;
    EXPECT_EQ(result.reason(), "EVENT_MISMATCH") << i;
    ExpectNothingMoved("p1", absl::StrCat(i));
  }
  ASSERT_TRUE(Send(EventOf("p2")).status.ok());
  ::pg::v1::Event stolen = EventOf("p1");
  stolen.mutable_transaction()->set_transaction_id("tx-p2");
  EXPECT_EQ(Send(stolen).reason(), "EVENT_MISMATCH") << "another payment's transaction";
  ExpectNothingMoved("p1");
  EXPECT_EQ(Events(), 1) << "that of p2";
  EXPECT_TRUE(Send(EventOf("p1")).status.ok()) << "a refused event is not remembered";
  EXPECT_EQ(Get("p1").state(), Payment::STATE_SUCCESS);
}

TEST_F(PaymentWebhookTest, AnotherPaymentsKeyIsThatPayments) {
  Open("p1");
  Open("p2");
  ::pg::v1::Event event = EventOf("p1");
  event.mutable_transaction()->set_idempotency_key("pay-1-p2");
  const std::string signature = Sign(BodyOf(EventOf("p1")), Seconds());
  ExpectForged(Send(BodyOf(event), signature), "the signature of the other");
  ExpectNothingMoved("p1");
  ExpectNothingMoved("p2");
}

TEST_F(PaymentWebhookTest, WhatIsNoEventIsSaidSo) {
  for (const char* body : {"", "{}", "no json", "[1]"}) {
    EXPECT_EQ(Send(body, Sign(body, Seconds())).reason(), "EVENT_INVALID") << body;
  }
  const std::string long_body(payment::kEventBytesMax + 1, ' ');
  EXPECT_EQ(Send(long_body, "").reason(), "EVENT_INVALID") << "signed or not";
}

TEST_F(PaymentWebhookTest, TheSameEventAgainChangesNothing) {
  Open("p1");
  ASSERT_TRUE(Send(EventOf("p1")).status.ok());
  const std::string paid = Get("p1").SerializeAsString();
  EXPECT_TRUE(Send(EventOf("p1")).status.ok());
  ::pg::v1::Event declined = EventOf("p1");
  declined.mutable_transaction()->set_kind(Transaction::KIND_DECLINE);
  EXPECT_TRUE(Send(declined).status.ok()) << "its id is known";
  declined.set_event_id("evt-other");
  EXPECT_EQ(Send(declined).reason(), "EVENT_MISMATCH") << "states go only upward";
  EXPECT_EQ(Get("p1").SerializeAsString(), paid);
}

// It may have overtaken the transaction that makes the attempt, or that of a database that was put back.
TEST_F(PaymentWebhookTest, AnEventThatComesBeforeItsAttemptIsKept) {
  ASSERT_TRUE(Send(EventOf("p1")).status.ok());
  EXPECT_TRUE(Send(EventOf("p1")).status.ok()) << "twice";
  payment_.Stop();
  payment_.Start();
  Play(Async(absl::Hours(1)));
  // A store that is slow may refuse a call, which is made again.
  ASSERT_TRUE(Eventually([this] { return Collect("p1").pending; }));
  ASSERT_TRUE(Eventually([this] {
    Pay("p1", "try-1");
    return Get("p1").attempts_size() == 1;
  }));
  EXPECT_TRUE(Becomes("p1", Payment::STATE_SUCCESS)) << Get("p1").ShortDebugString();
}

TEST_F(PaymentWebhookTest, AnEventOfAnotherShopIsTakenAndMovesNothing) {
  Open("p1");
  for (const char* key : {"process-o1", "pay-9-p1", "pay-1-nobody", "charge-p1", "nonsense"}) {
    ::pg::v1::Event event = EventOf("p1");
    event.set_event_id(absl::StrCat("evt-", key));
    event.mutable_transaction()->set_idempotency_key(key);
    EXPECT_TRUE(Send(event).status.ok()) << key;
  }
  ExpectNothingMoved("p1");
  long long kept = 0;
  EXPECT_TRUE(payment_.Open()
                  ->Read([&](soci::session& session) {
                    session << "SELECT count(*) FROM webhook_events WHERE body <> ''", soci::into(kept);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(kept, 3) << "those whose key may be a payment's yet";
}

TEST_F(PaymentWebhookTest, WithoutSecretsNothingIsTaken) {
  const auto secrets = payment::WebhookSecrets::Open("");
  payment::WebhookService service(**secrets, payment_.settler(), payment_.clock());
  const std::string address = "unix:" + folder_.File("disabled.sock");
  const std::unique_ptr<grpc::Server> server = Listen(address, {&service});
  const auto stub = ::shop::payment::v1::PaymentWebhookService::NewStub(NewChannel(address));
  ::shop::payment::v1::ReceiveResponse response;
  const CallResult result = Invoke(*stub, &PaymentProcess::WebhookStub::Receive, google::api::HttpBody(), &response);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(result.reason(), "WEBHOOKS_DISABLED");
  server->Shutdown();
}

}  // namespace
}  // namespace unwind
