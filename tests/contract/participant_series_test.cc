// What a participant exports of its calls and its store.
#include "common/participant/participant_series.h"

#include <map>
#include <string>

#include "common/metrics/registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/contract/participant_harness.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

using barrier::Phase;
using Counts = std::map<std::string, double>;

constexpr absl::Duration kPatience = absl::Seconds(20);

// participant_calls_total, by "phase verdict", above 0.
Counts Answered() {
  Counts counts;
  for (const auto& family : ProcessRegistry()->Collect()) {
    if (family.name != "participant_calls_total") continue;
    for (const auto& metric : family.metric) {
      std::map<std::string, std::string> labels;
      for (const auto& label : metric.label) labels[label.name] = label.value;
      counts[labels.at("phase") + " " + labels.at("verdict")] = metric.counter.value;
    }
  }
  return counts;
}

class ParticipantSeriesTest : public testing::Test {
 protected:
  // What was counted since the last time.
  Counts News() {
    Counts now = Answered(), news;
    for (const auto& [name, count] : now) {
      if (count != before_[name]) news[name] = count - before_[name];
    }
    before_ = std::move(now);
    return news;
  }

  double Transactions() { return static_cast<double>(series_.commit_seconds.Collect().histogram.sample_count); }

  void Call(int method, const std::string& saga, Phase phase = Phase::kAction, const std::string& item = "pen") {
    shop_.Call({.method = method, .saga = saga, .phase = phase, .request = item, .sticky = phase == Phase::kAction});
  }

  ParticipantHarness shop_;
  ParticipantSeries& series_ = ParticipantSeries::Get();
  Counts before_ = Answered();
};

TEST_F(ParticipantSeriesTest, CallsAreCountedByWhatTheBarrierSays) {
  Call(kTake, "s1");
  EXPECT_EQ(News(), (Counts{{"action executed", 1}}));
  Call(kTake, "s1");
  EXPECT_EQ(News(), (Counts{{"action replayed", 1}}));
  Call(kTake, "s1", Phase::kAction, "none");
  EXPECT_EQ(News(), (Counts{{"action key_reused", 1}}));
  Call(kPutBack, "s1", Phase::kCompensation);
  EXPECT_EQ(News(), (Counts{{"compensation executed", 1}}));
  Call(kPutBack, "s2", Phase::kCompensation);
  EXPECT_EQ(News(), (Counts{{"compensation nothing_to_undo", 1}}));
  Call(kTake, "s2");
  EXPECT_EQ(News(), (Counts{{"action fenced", 1}}));
  Call(kResolvePay, "s3", Phase::kResolve);
  EXPECT_EQ(News(), (Counts{{"resolve never_happened", 1}}));
  shop_.Call({.method = kTake, .saga = "s4", .issued_at = shop_.clock.Now() - absl::Hours(1)});
  EXPECT_EQ(News(), (Counts{{"action too_old", 1}}));
}

// It has two transactions.
TEST_F(ParticipantSeriesTest, AStepThatContinuesIsCountedOnce) {
  const double before = Transactions();
  Call(kPay, "s1");
  EXPECT_EQ(News(), (Counts{{"action executed", 1}}));
  EXPECT_EQ(Transactions(), before + 2);
}

TEST_F(ParticipantSeriesTest, ATransactionIsTimedIfItIsCommittedAndElseCountedAsFailed) {
  const double committed = Transactions(), failed = series_.commit_failures.Value();
  Call(kTake, "s1");
  EXPECT_EQ(Transactions(), committed + 1);
  EXPECT_EQ(series_.commit_failures.Value(), failed);
  shop_.faults->DieAfterCommit(1);
  Call(kTake, "s2");
  EXPECT_EQ(Transactions(), committed + 1);
  EXPECT_EQ(series_.commit_failures.Value(), failed + 1);
  EXPECT_EQ(News(), (Counts{{"action executed", 1}})) << "that of s1";
}

TEST_F(ParticipantSeriesTest, CallsThatAreNotAnsweredAreGauged) {
  const double before = series_.calls_open.Value();
  shop_.faults->Close();
  auto first = shop_.Send({.method = kTake, .saga = "s1", .request = "pen"});
  auto second = shop_.Send({.method = kTake, .saga = "s2", .request = "pen"});
  EXPECT_TRUE(Eventually(kPatience, [&] { return series_.calls_open.Value() == before + 2; }));
  shop_.faults->Open();
  ParticipantHarness::Await(std::move(first));
  ParticipantHarness::Await(std::move(second));
  EXPECT_EQ(series_.calls_open.Value(), before);
}

}  // namespace
}  // namespace unwind
