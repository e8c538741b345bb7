// What is copied of a parent, byte for byte; and which ends have which children. Each store does the rest, by its
// contract.
#include "orchestrator/engine/births.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/definition/field_copy.h"
#include "saga/stored/v1/rows.pb.h"
#include "saga/v1/saga_service.pb.h"
#include "shop/checkout/v1/checkout_service.pb.h"

namespace unwind {
namespace {

using google::protobuf::Message;
using shop::checkout::v1::PlaceOrderRequest;

std::string Copied(const std::string& from, const std::vector<int>& source, const std::vector<int>& target) {
  std::string to;
  EXPECT_TRUE(CopyFieldBytes(from, source, target, to));
  return to;
}

saga::stored::v1::Progress Nested() {
  saga::stored::v1::Progress message;
  message.set_deadline(-5);
  message.mutable_failure()->set_reason("WHY");
  message.mutable_failure()->set_code(9);
  for (const int sends : {1, 2, 3}) message.add_steps()->add_sends(sends);
  return message;
}

TEST(FieldCopy, CopiesTheFieldOfAnyTypeUnderAnotherNumber) {
  const std::string from = Nested().SerializeAsString();
  saga::stored::v1::Progress to;
  ASSERT_TRUE(to.ParseFromString(Copied(from, {1}, {1})));
  EXPECT_EQ(to.deadline(), -5);
  ASSERT_TRUE(to.ParseFromString(Copied(from, {4}, {4})));
  EXPECT_EQ(to.steps_size(), 3) << "a repeated field whole";
  EXPECT_EQ(to.steps(2).sends(0), 3);
  saga::stored::v1::Definition other;
  ASSERT_TRUE(other.ParseFromString(Copied(from, {5, 1}, {2})));
  EXPECT_EQ(other.descriptors(), "WHY");
}

TEST(FieldCopy, BuildsTheMessagesOnTheWayAndMergesThem) {
  const std::string from = Nested().SerializeAsString();
  std::string bytes;
  ASSERT_TRUE(CopyFieldBytes(from, {5, 1}, {5, 4}, bytes));
  ASSERT_TRUE(CopyFieldBytes(from, {5, 3}, {5, 3}, bytes));
  saga::stored::v1::Progress to;
  ASSERT_TRUE(to.ParseFromString(bytes));
  EXPECT_EQ(to.failure().message(), "WHY");
  EXPECT_EQ(to.failure().code(), 9);
}

// As a parser would: what comes last counts, and several of a message are one.
TEST(FieldCopy, ReadsASingularMessageThatComesInPieces) {
  saga::stored::v1::Progress first, second;
  first.mutable_failure()->set_reason("OLD");
  first.mutable_failure()->set_code(9);
  second.mutable_failure()->set_reason("NEW");
  const std::string from = first.SerializeAsString() + second.SerializeAsString();
  saga::stored::v1::Failure to;
  ASSERT_TRUE(to.ParseFromString(Copied(from, {5, 1}, {1}) + Copied(from, {5, 3}, {3})));
  EXPECT_EQ(to.reason(), "NEW");
  EXPECT_EQ(to.code(), 9);
}

TEST(FieldCopy, LeavesOutWhatIsNotSet) {
  const std::string from = Nested().SerializeAsString();
  EXPECT_EQ(Copied(from, {9}, {1}), "");
  EXPECT_EQ(Copied(from, {5, 5}, {1}), "");
  EXPECT_EQ(Copied(from, {9, 1}, {1, 1}), "");
  EXPECT_EQ(Copied("", {1}, {1}), "");
}

TEST(FieldCopy, SaysOfWhatIsNoMessageThatItIsNone) {
  std::string to;
  for (const std::string& from : {std::string("\xff"), std::string("\x0a\x7f"), std::string("\x00", 1)}) {
    EXPECT_FALSE(CopyFieldBytes(from, {1}, {1}, to));
  }
  EXPECT_EQ(to, "");
}

Saga Parent() {
  Saga parent;
  parent.id = "0190a1b2-0000-7000-8000-000000000001";
  parent.definition = "place-order";
  parent.definition_version = 1;
  parent.update_time = absl::FromUnixSeconds(1'700'000'000);
  parent.state = SagaState::kCompleted;
  parent.steps.resize(1);
  parent.steps[0].reply = Nested().SerializeAsString();
  PlaceOrderRequest input;
  input.set_member_id("kim");
  parent.input = input.SerializeAsString();
  return parent;
}

std::vector<SagaWrite> Births(const Follower& follower, const Saga& parent) {
  return BirthsOf({.generation = 1, .followers = {follower}}, {.seen_version = 7, .saga = parent, .events = {}});
}

Follower Rewards() {
  Follower follower;
  follower.parent = {"place-order", 1};
  follower.definition = {"rewards", 2};
  follower.steps = 1;
  return follower;
}

// The input of a follower, as if its type were that of saga.v1.
saga::v1::Saga InputOf(const SagaWrite& birth) {
  saga::v1::Saga input;
  EXPECT_TRUE(input.ParseFromString(birth.saga.input));
  return input;
}

TEST(Births, TakeTheirInputFromThePartsOfTheParent) {
  Follower follower = Rewards();
  const int member = PlaceOrderRequest::descriptor()->FindFieldByName("member_id")->number();
  follower.copies = {{.root = kParentFacts, .source = {1}, .target = {1}},
                     {.root = kParentInput, .source = {member}, .target = {4}},
                     {.root = 0, .source = {5, 1}, .target = {10, 5}}};
  const std::vector<SagaWrite> births = Births(follower, Parent());
  ASSERT_EQ(births.size(), 1u);
  EXPECT_EQ(InputOf(births[0]).saga_id(), Parent().id);
  EXPECT_EQ(InputOf(births[0]).key(), "kim");
  EXPECT_EQ(InputOf(births[0]).failure().step(), "WHY");
}

TEST(Births, OfAnAbortedParentHaveItsFailure) {
  Follower follower = Rewards();
  follower.on = SagaState::kAborted;
  follower.copies = {{.root = kParentFacts, .source = {2, 1}, .target = {10, 1}},
                     {.root = kParentFacts, .source = {2, 3}, .target = {10, 5}}};
  Saga parent = Parent();
  EXPECT_TRUE(Births(follower, parent).empty());
  parent.state = SagaState::kAborted;
  parent.failure.reason = "STOCK_NOT_ENOUGH";
  parent.failure.step = "reserve_stock\xff";  // from outside: no text that a message may hold
  const saga::v1::Failure failure = InputOf(Births(follower, parent).at(0)).failure();
  EXPECT_EQ(failure.reason(), "STOCK_NOT_ENOUGH");
  EXPECT_EQ(failure.step(), "reserve_stock?");
}

// The definition may name the reason that callers are told, as `errors:` may.
TEST(Births, KnowAFailureByTheReasonThatIsTold) {
  Follower follower = Rewards();
  follower.on = SagaState::kAborted;
  follower.reasons = {"STEP_FAILED"};
  Saga parent = Parent();
  parent.state = SagaState::kAborted;
  parent.backward = true;
  parent.failure.reason = "OUTCOME_UNKNOWN";
  EXPECT_EQ(Births(follower, parent).size(), 1u);
  parent.failure.reason = "NO";
  EXPECT_TRUE(Births(follower, parent).empty());
}

TEST(Births, HaveIdsOfTheirOwnThatSortByTheTime) {
  Follower other = Rewards();
  other.definition.name = "notify";
  const std::string id = Births(Rewards(), Parent()).at(0).saga.id;
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id, Births(Rewards(), Parent()).at(0).saga.id);
  EXPECT_NE(id, Births(other, Parent()).at(0).saga.id);
  Saga later = Parent();
  later.update_time += absl::Seconds(1);
  EXPECT_LT(id, Births(Rewards(), later).at(0).saga.id);
}

TEST(Births, AreTheRowThatAdvanceMakes) {
  Plan plan;
  plan.steps.resize(1);
  Follower unfit = Rewards();
  unfit.why_not_built = "why";
  for (const Follower& follower : {Rewards(), unfit}) {
    const SagaWrite birth = Births(follower, Parent()).at(0);
    Saga before = birth.saga;
    before.version = 0;
    before.state = SagaState::kRunning;
    before.failure = {};
    before.steps.assign(1, Step());
    before.create_time = before.update_time = absl::UnixEpoch();
    ASSERT_EQ(birth.events.size(), 1u);
    const Decision decision = Advance(plan, before, birth.events[0].event, birth.events[0].moment);
    EXPECT_FALSE(decision.stale);
    EXPECT_EQ(decision.next, birth.saga);
    EXPECT_EQ(birth.saga.due_at, follower.why_not_built.empty() ? Parent().update_time : absl::InfiniteFuture());
  }
}

}  // namespace
}  // namespace unwind
