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
                                                                 {"tombstone", Make(Outcome::kTombstone, "")}};
  return rows;
}

std::string Name(const Decision& decision) {
  const std::string tombstone = decision.tombstone ? "+tombstone" : "";
  switch (decision.verdict) {
    case Verdict::kExecute:
      return "execute" + tombstone;
    case Verdict::kReplayOwn:
      return "replay own" + tombstone;
    case Verdict::kReplayAction:
      return "replay action" + tombstone;
    case Verdict::kNeverHappened:
      return "never happened" + tombstone;
    case Verdict::kNothingToUndo:
      return "nothing to undo" + tombstone;
    case Verdict::kForgotten:
      return "forgotten" + tombstone;
    case Verdict::kFenced:
      return "fenced" + tombstone;
    case Verdict::kKeyReused:
      return "key reused" + tombstone;
  }
  return "?";
}

// By the action's row, while the call's own phase has none.
using Table = std::map<std::string, std::string>;

const Table kAction = {{"none", "execute"},        {"ok=", "replay own"},      {"ok!", "key reused"},
                       {"refused=", "replay own"}, {"refused!", "key reused"}, {"pending=", "execute"},
                       {"pending!", "key reused"}, {"tombstone", "fenced"}};
const Table kCompensation = {{"none", "nothing to undo+tombstone"},
                             {"ok=", "execute"},
                             {"ok!", "execute"},  // a compensation's request is another one
                             {"refused=", "nothing to undo"},
                             {"refused!", "nothing to undo"},
                             {"pending=", "execute"},
                             {"pending!", "execute"},
                             {"tombstone", "nothing to undo"}};
const Table kResolve = {{"none", "never happened+tombstone"}, {"ok=", "replay action"},       {"ok!", "key reused"},
                        {"refused=", "never happened"},       {"refused!", "key reused"},     {"pending=", "execute"},
                        {"pending!", "key reused"},           {"tombstone", "never happened"}};

TEST(BarrierTest, AnActionIsDecidedByItsRow) {
  ASSERT_EQ(kAction.size(), AllRows().size());
  for (const auto& [name, row] : AllRows())
    EXPECT_EQ(Name(Decide(Phase::kAction, row, row, kHash, Memory::kWhole)), kAction.at(name)) << name;
}

TEST(BarrierTest, ACallWithoutARowIsDecidedByTheActions) {
  for (const auto& [name, row] : AllRows()) {
    EXPECT_EQ(Name(Decide(Phase::kCompensation, row, std::nullopt, kHash, Memory::kWhole)), kCompensation.at(name))
        << name;
    EXPECT_EQ(Name(Decide(Phase::kResolve, row, std::nullopt, kHash, Memory::kWhole)), kResolve.at(name)) << name;
  }
}

TEST(BarrierTest, ACallWithARowIsDecidedByThatAlone) {
  for (const Phase phase : {Phase::kCompensation, Phase::kResolve}) {
    for (const auto& [action_name, action] : AllRows()) {
      for (const auto& [own_name, own] : AllRows()) {
        if (!own.has_value()) continue;
        const std::string expected = own->payload_hash == kHash ? "replay own" : "key reused";
        for (const Memory memory : {Memory::kWhole, Memory::kMayLackRows}) {
          EXPECT_EQ(Name(Decide(phase, action, own, kHash, memory)), expected) << action_name << " and " << own_name;
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
      return Name(Decide(phase, row, own, kHash, Memory::kMayLackRows));
    };
    EXPECT_EQ(decide(Phase::kAction, row), expected(kAction)) << name;
    EXPECT_EQ(decide(Phase::kCompensation, std::nullopt), may_be_undone ? "forgotten" : expected(kCompensation))
        << name;
    EXPECT_EQ(decide(Phase::kResolve, std::nullopt), expected(kResolve)) << name;
  }
}

}  // namespace
}  // namespace unwind::barrier
