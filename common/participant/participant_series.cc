#include "common/participant/participant_series.h"

#include <cstdlib>

#include "common/metrics/registry.h"
#include "prometheus/family.h"
#include "prometheus/registry.h"

namespace unwind {
namespace {

using barrier::Phase;
using barrier::Verdict;
using Buckets = prometheus::Histogram::BucketBoundaries;

const char* NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kExecute:
      return "executed";
    case Verdict::kReplayOwn:
    case Verdict::kReplayAction:
      return "replayed";
    case Verdict::kNeverHappened:
      return "never_happened";
    case Verdict::kNothingToUndo:
      return "nothing_to_undo";
    case Verdict::kForgotten:
      return "forgotten";
    case Verdict::kFenced:
      return "fenced";
    case Verdict::kTooOld:
      return "too_old";
    case Verdict::kKeyReused:
      return "key_reused";
  }
  std::abort();
}

prometheus::Counter& Counter(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*ProcessRegistry()).Add({});
}

prometheus::Histogram& Histogram(const char* name, const char* help, const Buckets& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*ProcessRegistry()).Add({}, buckets);
}

}  // namespace

ParticipantSeries& ParticipantSeries::Get() {
  static auto* const series = new ParticipantSeries();  // as long as the registry
  return *series;
}

ParticipantSeries::ParticipantSeries()
    : calls_open(prometheus::BuildGauge()
                     .Name("participant_calls_open")
                     .Help("Calls that were accepted and are not answered.")
                     .Register(*ProcessRegistry())
                     .Add({})),
      batch_calls(Histogram("participant_batch_calls", "Calls that one round of the writer took together.",
                            {1, 2, 4, 8, 16, 32, 64, 128, 256})),
      commit_seconds(Histogram("participant_commit_seconds", "Time of one transaction that was committed.",
                               {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1})),
      commit_failures(Counter("participant_commit_failures_total",
                              "Transactions that were not committed, or of which that is not known.")),
      too_old(Counter("participant_too_old_total", "Actions refused because they were issued too long ago.")) {
  auto& family = prometheus::BuildCounter()
                     .Name("participant_calls_total")
                     .Help("Calls that were answered, by what their barrier rows said.")
                     .Register(*ProcessRegistry());
  for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
    for (const Verdict verdict :
         {Verdict::kExecute, Verdict::kReplayOwn, Verdict::kReplayAction, Verdict::kNeverHappened,
          Verdict::kNothingToUndo, Verdict::kForgotten, Verdict::kFenced, Verdict::kTooOld, Verdict::kKeyReused}) {
      calls_[phase][verdict] = &family.Add({{"phase", barrier::NameOf(phase)}, {"verdict", NameOf(verdict)}});
    }
  }
}

void ParticipantSeries::Answered(Phase phase, Verdict verdict) { calls_.at(phase).at(verdict)->Increment(); }

}  // namespace unwind
