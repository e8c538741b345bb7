// Steps that may wait: what a definition says of them, and what may be read of them.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "common/base/findings.h"
#include "orchestrator/core/reading.h"
#include "orchestrator/definition/mapping_compiler.h"
#include "orchestrator/definition/message_types.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

constexpr char kShipping[] = R"(
saga: lab
version: 1
serves: lab.v1.Lab/Run
deadline: 30s
steps:
  - name: make
    action: lab.v1.Parts/Copy
    request: { until: saga.make.wait_until }
    compensation: lab.v1.Parts/Unmake
    compensation_request: { id: saga.id }
    pending: { for: 30s }
  - name: ship
    kind: pivot
    action: lab.v1.Parts/Ship
    request: { id: saga.id, until: saga.ship.wait_until }
    resolve: lab.v1.Parts/AskShip
    pending: { poll: 1s, cap: 10s, for: 15m }
  - name: copy
    kind: retriable
    action: lab.v1.Parts/Copy
    request: { until: { first_of: [saga.ship.wait_until] } }
    pending: {}
response: { id: ship.parcel_id, all: { until: saga.ship.wait_until } }
)";

TEST(Pending, IsReadWithItsDefaults) {
  const auto definition = LoadText(kShipping);
  ASSERT_NE(definition, nullptr);
  const std::vector<StepPlan>& steps = definition->plan().steps;
  ASSERT_TRUE(steps[0].pending.has_value() && steps[1].pending.has_value() && steps[2].pending.has_value());
  EXPECT_EQ(steps[0].pending->poll, absl::Seconds(30));
  EXPECT_EQ(steps[0].pending->cap, absl::Minutes(5));
  EXPECT_EQ(steps[0].pending->wait, absl::Seconds(30));
  EXPECT_EQ(steps[1].pending->poll, absl::Seconds(1));
  EXPECT_EQ(steps[1].pending->cap, absl::Seconds(10));
  EXPECT_EQ(steps[1].pending->wait, absl::Minutes(15));
  EXPECT_EQ(steps[2].pending->wait, absl::InfiniteDuration());
  EXPECT_FALSE(LoadShop("place_order.yaml")->plan().steps[4].pending.has_value());
}

TEST(Pending, TheEndOfAWaitIsATimestamp) {
  const auto definition = LoadText(kShipping);
  ASSERT_NE(definition, nullptr);
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.steps[1].wait_until = absl::FromUnixNanos(1'700'000'000'123'456'789);
  const std::string request = "id: \"0190-saga\" until { seconds: 1700000000 nanos: 123456789 }";
  EXPECT_EQ(texts.Text("lab.v1.ShipRequest", *definition->Request(saga, 1, Phase::kAction)), request);
  EXPECT_EQ(texts.Text("lab.v1.ShipRequest", *definition->Request(saga, 1, Phase::kResolve)), request);
  EXPECT_EQ(texts.Text("lab.v1.Everything", *definition->Request(saga, 2, Phase::kAction)),
            "until { seconds: 1700000000 nanos: 123456789 }");
  EXPECT_EQ(texts.Text("lab.v1.Everything", *definition->Request(saga, 0, Phase::kAction)), "")
      << "a step that was not sent waits for nothing";
  EXPECT_EQ(texts.Text("lab.v1.RunResponse", *definition->Response(saga)),
            "all { until { seconds: 1700000000 nanos: 123456789 } }");
}

std::string ShippingAnsweredBy(const std::string& response) {
  return absl::StrCat(kShipping, "answer: { after: ship, response: { id: ", response, " } }\n");
}

// Nothing was due, so that it succeeded at once and there is no pending answer.
TEST(Pending, TheFirstPendingAnswerAnswersForNowAndSoDoesASuccess) {
  const auto definition = LoadText(ShippingAnsweredBy("{ first_of: [ship.parcel_id, ship.pending.parcel_id] }"));
  ASSERT_NE(definition, nullptr);
  Texts texts;
  Saga saga = NewSaga(*definition);
  saga.steps[1].state = StepState::kInFlight;
  EXPECT_FALSE(IsAnsweredEarly(definition->plan(), saga));
  Saga paid = saga;
  saga.steps[1].state = StepState::kWaiting;
  saga.steps[1].pending_reply = texts.Bytes("lab.v1.ShipResponse", "parcel_id: 'pay here'");
  EXPECT_TRUE(IsAnsweredEarly(definition->plan(), saga));
  EXPECT_EQ(texts.Text("lab.v1.RunResponse", *definition->EarlyResponse(saga)), "id: \"pay here\"");
  paid.steps[1].state = StepState::kSucceeded;
  paid.steps[1].reply = texts.Bytes("lab.v1.ShipResponse", "parcel_id: 'done'");
  EXPECT_TRUE(IsAnsweredEarly(definition->plan(), paid));
  EXPECT_EQ(texts.Text("lab.v1.RunResponse", *definition->EarlyResponse(paid)), "id: \"done\"");
  saga.backward = true;
  EXPECT_FALSE(IsAnsweredEarly(definition->plan(), saga));
}

TEST(Pending, AnAnswerForNowReadsNoReplyThatMayNotBeThere) {
  const auto loaded = LoadDefinition("t.yaml", ShippingAnsweredBy("ship.parcel_id"), AllDescriptors());
  EXPECT_THAT(loaded.status().message(),
              testing::HasSubstr(
                  "t.yaml:25: the early response reads 'ship.parcel_id', but the step may be waiting still; write "
                  "first_of: [ship.parcel_id]"));
}

// What an early answer may read of the step that it is given after.
class EarlyAnswerTest : public testing::Test {
 protected:
  EarlyAnswerTest() {
    scope_.place = "the early answer";
    scope_.input = Type("lab.v1.RunRequest");
    scope_.steps = {{"ship", Type("lab.v1.MakeResponse"), /*waits=*/true, /*wait_ends=*/true}};
    scope_.reach = {Reach::kMaySkip};
    scope_.pending_of = 0;
  }

  const google::protobuf::Descriptor* Type(const std::string& name) {
    return types_->pool().FindMessageTypeByName(name);
  }

  std::shared_ptr<const Mapping> Compile(const ValueText& id) {
    MappingText text;
    text.line = 1;
    text.fields = {{Text{"id", 1}, id}};
    return CompileMapping(text, 1, /*is_request=*/false, *Type("lab.v1.RunResponse"), scope_, *types_, findings_)
        .mapping;
  }

  std::shared_ptr<const Mapping> CompileFirstOf(std::vector<Text> alternatives) {
    ValueText id;
    id.line = 1;
    id.first_of = std::move(alternatives);
    return Compile(id);
  }

  std::string Found() { return std::string(findings_.ToStatus().message()); }

  std::shared_ptr<MessageTypes> types_ = std::make_shared<MessageTypes>(AllDescriptors());
  Findings findings_{"answer.yaml", Origin::kFile};
  Scope scope_;
  Texts texts_;
};

TEST_F(EarlyAnswerTest, ReadsTheFirstPendingAnswerAndElseTheReply) {
  const auto mapping = CompileFirstOf({Text{"ship.pending.part_id", 1}, Text{"ship.part_id", 1}});
  ASSERT_EQ(Found(), "");
  Saga saga;
  saga.steps.resize(1);
  EXPECT_EQ(texts_.Text("lab.v1.RunResponse", *mapping->Build(saga)), "");
  saga.steps[0].reply = texts_.Bytes("lab.v1.MakeResponse", "part_id: 'done'");
  EXPECT_EQ(texts_.Text("lab.v1.RunResponse", *mapping->Build(saga)), "id: \"done\"");
  saga.steps[0].pending_reply = texts_.Bytes("lab.v1.MakeResponse", "part_id: 'pay here'");
  EXPECT_EQ(texts_.Text("lab.v1.RunResponse", *mapping->Build(saga)), "id: \"pay here\"");
}

TEST_F(EarlyAnswerTest, ReadsItUnderFirstOfAlone) {
  ValueText id;
  id.line = 1;
  id.text = Text{"ship.pending.part_id", 1};
  Compile(id);
  EXPECT_THAT(Found(), testing::HasSubstr("answer.yaml:1: the early answer reads 'ship.pending.part_id', but the step "
                                          "may have succeeded at once; write first_of: [ship.pending.part_id]"));
}

TEST_F(EarlyAnswerTest, ReadsNoFieldThatIsNotThere) {
  CompileFirstOf({Text{"ship.pending.part_ids", 1}});
  EXPECT_THAT(Found(), testing::HasSubstr(
                           "answer.yaml:1: 'ship.pending.part_ids': lab.v1.MakeResponse has no field 'part_ids'"));
}

}  // namespace
}  // namespace unwind
