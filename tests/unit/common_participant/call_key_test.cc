#include "common/participant/call_key.h"

#include <string>
#include <utility>
#include <vector>

#include "common/rpc/error.h"
#include "gtest/gtest.h"

namespace unwind {
namespace {

using barrier::Phase;
using Pairs = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<CallKey> Read(const Pairs& pairs, Phase phase = Phase::kAction) {
  CallMetadata metadata;
  for (const auto& [name, value] : pairs) metadata.emplace(name, grpc::string_ref(value.data(), value.size()));
  return ReadCallKey(metadata, phase, "test.unwind");
}

Pairs Saga(const std::string& phase, const std::string& kind) {
  return {{"saga-id", "s-1"},
          {"saga-step", "reserve"},
          {"saga-phase", phase},
          {"saga-kind", kind},
          {"idempotency-key", "s-1/reserve/" + phase},
          {"saga-issued-at", "1700000000123"},
          {"saga-expires-at", "1700000060123"}};
}

Pairs With(Pairs pairs, const std::string& name, const std::string& value) {
  for (auto& [key, old] : pairs) {
    if (key == name) old = value;
  }
  return pairs;
}

Pairs Without(Pairs pairs, const std::string& name) {
  std::erase_if(pairs, [&](const auto& pair) { return pair.first == name; });
  return pairs;
}

TEST(ReadCallKeyTest, TakesTheSagasOwnNames) {
  const auto key = Read(Saga("action", "compensatable"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->saga_id, "s-1");
  EXPECT_EQ(key->step, "reserve");
  EXPECT_EQ(key->phase, Phase::kAction);
  EXPECT_EQ(key->issued_at, absl::FromUnixMillis(1700000000123));
  EXPECT_EQ(key->expires_at, absl::FromUnixMillis(1700000060123));
  EXPECT_EQ(Read(Without(Saga("action", "pivot"), "saga-expires-at"))->expires_at, absl::InfinitePast());
  EXPECT_EQ(Read(Without(Saga("action", "pivot"), "saga-issued-at"))->issued_at, absl::InfiniteFuture());
}

TEST(ReadCallKeyTest, TheTraceIsKeptForWhatIsCalledNext) {
  const std::string traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Pairs pairs = Saga("action", "pivot");
  EXPECT_EQ(Read(pairs)->trace, TraceContext());
  pairs.insert(pairs.end(), {{"traceparent", traceparent}, {"tracestate", "vendor=1"}, {"baggage", "tenant=a"}});
  EXPECT_EQ(Read(pairs)->trace, (TraceContext{traceparent, "vendor=1", "tenant=a"}));
}

TEST(ReadCallKeyTest, TheSagasPhaseCounts) {
  EXPECT_EQ(Read(Saga("compensation", "compensatable"), Phase::kAction)->phase, Phase::kCompensation);
  EXPECT_EQ(Read(Saga("action", "retriable"), Phase::kCompensation)->phase, Phase::kAction);
  EXPECT_EQ(Read(Saga("resolve", "pivot"), Phase::kResolve)->phase, Phase::kResolve);
}

TEST(ReadCallKeyTest, RefusalsOfRetriableActionsAndCompensationsAreNotSticky) {
  EXPECT_TRUE(Read(Saga("action", "compensatable"))->sticky);
  EXPECT_TRUE(Read(Saga("action", "pivot"))->sticky);
  EXPECT_FALSE(Read(Saga("action", "retriable"))->sticky);
  EXPECT_FALSE(Read(Saga("compensation", "compensatable"), Phase::kCompensation)->sticky);
  EXPECT_TRUE(Read(Saga("resolve", "pivot"), Phase::kResolve)->sticky);
}

TEST(ReadCallKeyTest, AnIdempotencyKeyAloneIsEnough) {
  const auto key = Read({{"idempotency-key", "k 1"}}, Phase::kCompensation);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->saga_id, "k 1");
  EXPECT_EQ(key->step, "");
  EXPECT_EQ(key->phase, Phase::kCompensation);
  EXPECT_FALSE(key->sticky);
  EXPECT_TRUE(Read({{"idempotency-key", "k"}})->sticky);
  EXPECT_TRUE(Read({{"idempotency-key", std::string(200, 'k')}}).ok());
}

TEST(ReadCallKeyTest, OnlyASagaIsToldThatItsCallIsPending) {
  Pairs pairs = Saga("action", "pivot");
  EXPECT_FALSE(Read(pairs)->accepts_pending);
  pairs.emplace_back("saga-accepts", "pending");
  EXPECT_TRUE(Read(pairs)->accepts_pending);
  EXPECT_FALSE(Read({{"idempotency-key", "k"}, {"saga-accepts", "pending"}})->accepts_pending);
}

TEST(ReadCallKeyTest, AResolveMayDecide) {
  Pairs pairs = Saga("resolve", "pivot");
  EXPECT_FALSE(Read(pairs, Phase::kResolve)->decides);
  pairs.emplace_back("saga-decide", "now");
  EXPECT_TRUE(Read(pairs, Phase::kResolve)->decides);
}

// The reason and the name in it, and that the message has it too.
std::string Refusal(const absl::StatusOr<CallKey>& key) {
  if (key.ok()) return "OK";
  EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
  ErrorInfo info = GetErrorInfo(key.status());
  EXPECT_EQ(info.domain, "test.unwind");
  EXPECT_NE(key.status().message().find(info.metadata["name"]), absl::string_view::npos) << key.status();
  return info.reason + " " + info.metadata["name"];
}

TEST(ReadCallKeyTest, NamesWhatIsMissing) {
  EXPECT_EQ(Refusal(Read({})), "METADATA_MISSING idempotency-key");
  for (const char* name : {"saga-id", "saga-step", "saga-phase", "saga-kind"}) {
    EXPECT_EQ(Refusal(Read(Without(Saga("action", "pivot"), name))), std::string("METADATA_MISSING ") + name);
  }
}

TEST(ReadCallKeyTest, NamesWhatIsMalformed) {
  const Pairs saga = Saga("action", "pivot");
  for (const char* name :
       {"saga-id", "saga-step", "saga-phase", "saga-kind", "saga-issued-at", "saga-expires-at", "idempotency-key"}) {
    SCOPED_TRACE(name);
    const std::string invalid = std::string("METADATA_INVALID ") + name;
    EXPECT_EQ(Refusal(Read(With(saga, name, ""))), invalid);
    EXPECT_EQ(Refusal(Read(With(saga, name, std::string(201, '1')))), invalid);
    EXPECT_EQ(Refusal(Read(With(saga, name, "a\xff"))), invalid);
    EXPECT_EQ(Refusal(Read(With(saga, name, "a\n"))), invalid);
    Pairs twice = saga;
    twice.emplace_back(name, "1");
    EXPECT_EQ(Refusal(Read(twice)), invalid);
  }
  EXPECT_EQ(Refusal(Read(With(saga, "saga-phase", "ACTION"))), "METADATA_INVALID saga-phase");
  EXPECT_EQ(Refusal(Read(With(saga, "saga-kind", "other"))), "METADATA_INVALID saga-kind");
  EXPECT_EQ(Refusal(Read(With(saga, "saga-issued-at", "-1"))), "METADATA_INVALID saga-issued-at");
  EXPECT_EQ(Refusal(Read(With(saga, "saga-expires-at", "soon"))), "METADATA_INVALID saga-expires-at");
  EXPECT_EQ(Refusal(Read({{"idempotency-key", std::string(201, 'k')}})), "METADATA_INVALID idempotency-key");
}

TEST(ReadCallKeyTest, NamesAWordThatMeansNothing) {
  for (const auto& [name, value] : Pairs{{"saga-accepts", "later"}, {"saga-accepts", ""}, {"saga-decide", "soon"}}) {
    Pairs pairs = Saga("resolve", "pivot");
    pairs.emplace_back(name, value);
    EXPECT_EQ(Refusal(Read(pairs, Phase::kResolve)), "METADATA_INVALID " + name) << value;
  }
  for (const char* phase : {"action", "compensation"}) {
    Pairs pairs = Saga(phase, "pivot");
    pairs.emplace_back("saga-decide", "now");
    EXPECT_EQ(Refusal(Read(pairs)), "METADATA_INVALID saga-decide") << phase;
  }
}

TEST(ReadCallKeyTest, OnlyAResolvingMethodResolves) {
  EXPECT_EQ(Refusal(Read(Saga("resolve", "pivot"), Phase::kAction)), "METADATA_INVALID saga-phase");
  EXPECT_EQ(Refusal(Read(Saga("action", "pivot"), Phase::kResolve)), "METADATA_INVALID saga-phase");
}

}  // namespace
}  // namespace unwind
