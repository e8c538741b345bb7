#include "common/participant/barrier.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace unwind::barrier {
namespace {

constexpr char kHash[] = "aa";

std::optional<Row> Make(Outcome outcome, const char* hash) { return Row{outcome, hash, "reply"}; }

// Every row there can be, by a name: = is this request's hash, ! another's.
const std::map<std::string, std::optional<Row>>& AllRows() {
  static const std::map<std::string, std::optional<Row>> rows = {{"none", std::nullopt},
                                                                 {"ok=", Make(Outcome::kOk, kHash)},
                                                                 {"ok!", Make(Outcome::kOk, "bb")},
                                                                 {"refused=", Make(Outcome::kRefused, kHash)},
                                                                 {"refused!", Make(Outcome::kRefused, "bb")},
                                                                 {"pending=", Make(Outcome::kPending, kHash)},
                                                                 {"pending!", Make(Outcome::kPending, "bb")},
                                                                 {"settling=", Make(Outcome::kSettling, kHash)},
                                                                 {"settling!", Make(Outcome::kSettling, "bb")},
                                                                 {"tombstone", Make(Outcome::kTombstone, "")}};
  return rows;
}

std::string Name(const Decision& decision) {
  std::string mark;
  if (decision.mark.has_value()) mark = decision.mark == Outcome::kTombstone ? "+tombstone" : "+settling";
  switch (decision.verdict) {
    case Verdict::kExecute:
      return "execute" + mark;
    case Verdict::kReplayOwn:
      return "replay own" + mark;
    case Verdict::kReplayAction:
      return "replay action" + mark;
    case Verdict::kNeverHappened:
      return "never happened" + mark;
    case Verdict::kNothingToUndo:
      return "nothing to undo" + mark;
    case Verdict::kForgotten:
      return "forgotten" + mark;
    case Verdict::kFenced:
      return "fenced" + mark;
    case Verdict::kTooOld:
      return "too old" + mark;
    case Verdict::kKeyReused:
      return "key reused" + mark;
  }
  return "?";
}

// By the action's row, while the call's own phase has none.
using Table = std::map<std::string, std::string>;

const Table kAction = {{"none", "execute"},        {"ok=", "replay own"},      {"ok!", "key reused"},
                       {"refused=", "replay own"}, {"refused!", "key reused"}, {"pending=", "execute"},
                       {"pending!", "key reused"}, {"settling=", "fenced"},    {"settling!", "fenced"},
                       {"tombstone", "fenced"}};
const Table kCompensation = {{"none", "nothing to undo+tombstone"},
                             {"ok=", "execute"},
                             {"ok!", "execute"},  // a compensation's request is another one
                             {"refused=", "nothing to undo"},
                             {"refused!", "nothing to undo"},
                             {"pending=", "execute+settling"},
                             {"pending!", "execute+settling"},
                             {"settling=", "execute+settling"},
                             {"settling!", "execute+settling"},
                             {"tombstone", "nothing to undo"}};
const Table kResolve = {
    {"none", "never happened+tombstone"}, {"ok=", "replay action"},          {"ok!", "key reused"},
    {"refused=", "never happened"},       {"refused!", "key reused"},        {"pending=", "execute"},
    {"pending!", "key reused"},           {"settling=", "execute+settling"}, {"settling!", "key reused"},
    {"tombstone", "never happened"}};

std::string Decided(const Call& call, const std::optional<Row>& action, const std::optional<Row>& own) {
  return Name(Decide(call, action, own));
}

Call Of(Phase phase, Memory memory = Memory::kWhole) {
  return {.phase = phase, .payload_hash = kHash, .memory = memory};
}

TEST(BarrierTest, AnActionIsDecidedByItsRow) {
  ASSERT_EQ(kAction.size(), AllRows().size());
  for (const auto& [name, row] : AllRows()) EXPECT_EQ(Decided(Of(Phase::kAction), row, row), kAction.at(name)) << name;
}

TEST(BarrierTest, ACallWithoutARowIsDecidedByTheActions) {
  for (const auto& [name, row] : AllRows()) {
    EXPECT_EQ(Decided(Of(Phase::kCompensation), row, std::nullopt), kCompensation.at(name)) << name;
    EXPECT_EQ(Decided(Of(Phase::kResolve), row, std::nullopt), kResolve.at(name)) << name;
  }
}

TEST(BarrierTest, ADecidingResolveIsAsAnotherButFencesAPendingAction) {
  Call call = Of(Phase::kResolve);
  call.decides = true;
  for (const auto& [name, row] : AllRows()) {
    const std::string expected = name == "pending=" ? "execute+settling" : kResolve.at(name);
    EXPECT_EQ(Decided(call, row, std::nullopt), expected) << name;
  }
}

TEST(BarrierTest, OnlyAnActionWithoutARowIsTooOld) {
  for (const Memory memory : {Memory::kWhole, Memory::kMayLackRows}) {
    for (const auto& [name, row] : AllRows()) {
      Call call = Of(Phase::kAction, memory);
      call.too_old = true;
      EXPECT_EQ(Decided(call, row, row), name == "none" ? "too old" : kAction.at(name)) << name;
    }
  }
  for (const Phase phase : {Phase::kCompensation, Phase::kResolve}) {
    for (const auto& [name, row] : AllRows()) {
      Call call = Of(phase);
      call.too_old = true;
      EXPECT_EQ(Decided(call, row, std::nullopt), Decided(Of(phase), row, std::nullopt)) << name;
    }
  }
}

TEST(BarrierTest, ACallWithARowIsDecidedByThatAlone) {
  for (const Phase phase : {Phase::kCompensation, Phase::kResolve}) {
    for (const auto& [action_name, action] : AllRows()) {
      for (const auto& [own_name, own] : AllRows()) {
        if (!own.has_value()) continue;
        const std::string expected = own->payload_hash == kHash ? "replay own" : "key reused";
        for (const Memory memory : {Memory::kWhole, Memory::kMayLackRows}) {
          EXPECT_EQ(Decided(Of(phase, memory), action, own), expected) << action_name << " and " << own_name;
        }
      }
    }
  }
}

TEST(BarrierTest, NoRowMeansNothingOnceRowsMayBeGone) {
  for (const auto& [name, row] : AllRows()) {
    const auto expected = [&, name = name](const Table& table) {
      return name == "none" ? "forgotten" : table.at(name);
    };
    const bool may_be_undone = row.has_value() && row->outcome == Outcome::kOk;
    const auto decide = [&, row = row](Phase phase, const std::optional<Row>& own) {
      return Decided(Of(phase, Memory::kMayLackRows), row, own);
    };
    EXPECT_EQ(decide(Phase::kAction, row), expected(kAction)) << name;
    EXPECT_EQ(decide(Phase::kCompensation, std::nullopt), may_be_undone ? "forgotten" : expected(kCompensation))
        << name;
    EXPECT_EQ(decide(Phase::kResolve, std::nullopt), expected(kResolve)) << name;
  }
}

}  // namespace
}  // namespace unwind::barrier
