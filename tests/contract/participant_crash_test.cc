// A participant's process dies before each of its statements and commits, and after each commit, in turn. Whatever it
// had answered must hold, whatever it had not must be undecided or whole, and all calls, sent again to a new process,
// must get the answers of a life without a crash.
#include <string>
#include <vector>

#include "common/participant/participant.h"
#include "common/rpc/error.h"
#include "gtest/gtest.h"
#include "tests/contract/participant_harness.h"

namespace unwind {
namespace {

using barrier::Phase;
using Reply = Participant::Reply;

// Calls of one element are sent together, and so are one batch.
using Script = std::vector<std::vector<CallSpec>>;

CallSpec Undo(const std::string& saga) {
  return {.method = kPutBack, .saga = saga, .phase = Phase::kCompensation, .sticky = false};
}
CallSpec Resolve(const std::string& saga) { return {.method = kResolvePay, .saga = saga, .phase = Phase::kResolve}; }

Script Story() {
  const CallSpec taken = {.method = kTake, .saga = "taken"};
  const CallSpec refused = {.method = kTake, .saga = "refused", .request = "none"};
  const CallSpec undone = {.method = kTake, .saga = "undone"};
  const CallSpec late = {.method = kTake, .saga = "late"};
  const CallSpec paid = {.method = kPay, .saga = "paid"};
  const CallSpec unpaid = {.method = kPay, .saga = "unpaid"};
  const CallSpec shipped = {.method = kShip, .saga = "shipped", .sticky = false};
  return {{taken},
          {taken, undone, refused, taken},
          {Undo("undone"), Undo("late"), shipped},
          {late, Undo("undone")},
          {paid},
          {Resolve("paid"), Resolve("unpaid")},
          {unpaid, paid}};
}

std::string Describe(const Reply& reply) {
  return SerializeStatus(reply.status) + "|" + reply.response + "|" + (reply.effect_free ? "free" : "");
}

std::vector<std::vector<std::string>> Play(ParticipantHarness& shop, const Script& script) {
  std::vector<std::vector<std::string>> told;
  for (const std::vector<CallSpec>& batch : script) {
    told.emplace_back();
    for (const Reply& reply : shop.CallTogether(batch)) {
      const bool answered = GetErrorInfo(reply.status).reason != "STORE_UNAVAILABLE";
      told.back().push_back(answered ? Describe(reply) : "");
    }
  }
  return told;
}

// An effect without its barrier row, or a row without its effect, is a torn transaction.
void ExpectWhole(ParticipantHarness& shop) {
  EXPECT_EQ(
      shop.Lines("SELECT saga || ' ' || what FROM effect WHERE NOT EXISTS (SELECT 1 FROM saga_barrier"
                 " WHERE saga_id = saga AND outcome = 1 AND phase = CASE what WHEN 'put back' THEN 2 ELSE 1 END)"),
      "");
  EXPECT_EQ(shop.Lines("SELECT saga_id || ' ' || phase FROM saga_barrier WHERE outcome = 1 AND phase = 1"
                       " AND NOT EXISTS (SELECT 1 FROM effect WHERE saga = saga_id AND what <> 'put back')"),
            "");
  EXPECT_EQ(shop.Lines("SELECT saga || ' ' || what FROM effect GROUP BY saga, what HAVING"
                       " count(*) > 1"),
            "");
  EXPECT_EQ(shop.Lines("SELECT saga_id FROM saga_barrier b WHERE phase = 3 AND NOT EXISTS (SELECT 1"
                       " FROM saga_barrier a WHERE a.saga_id = b.saga_id AND a.phase = 1 AND a.outcome = 3)"),
            "");
}

// Plays the story with a death set by `arm(faults, n)` for n = 1, 2, ... until one is lived through without it. How
// many died.
template <class Arm>
int DieEverywhere(Arm arm) {
  ParticipantHarness untouched;
  const auto expected = Play(untouched, Story());
  for (int n = 1;; ++n) {
    SCOPED_TRACE(n);
    ParticipantHarness shop;
    arm(*shop.faults, n);
    const auto told = Play(shop, Story());
    shop.Stop();
    if (!shop.faults->died()) return n - 1;
    ExpectWhole(shop);
    for (std::size_t i = 0; i < told.size(); ++i) {
      for (std::size_t j = 0; j < told[i].size(); ++j) {
        EXPECT_TRUE(told[i][j].empty() || told[i][j] == expected[i][j])
            << "call " << i << "." << j << ": " << told[i][j];
      }
    }
    shop.Start();
    EXPECT_EQ(Play(shop, Story()), expected);
    ExpectWhole(shop);
    EXPECT_EQ(shop.Barriers(), untouched.Barriers());
    EXPECT_EQ(shop.Effects(), untouched.Effects());
    EXPECT_EQ(shop.bank.paid(), 1);
    if (::testing::Test::HasFailure()) return n;
  }
}

TEST(ParticipantCrashTest, BeforeEachStatementAndCommit) {
  EXPECT_GT(DieEverywhere([](Faults& faults, int n) { faults.DieBefore(n); }), 60);
}

TEST(ParticipantCrashTest, AfterEachCommit) {
  EXPECT_GT(DieEverywhere([](Faults& faults, int n) { faults.DieAfterCommit(n); }), 10);
}

}  // namespace
}  // namespace unwind
