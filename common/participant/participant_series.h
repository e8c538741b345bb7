// What a participant measures of its calls and its store, in the process's registry.
#ifndef UNWIND_COMMON_PARTICIPANT_PARTICIPANT_SERIES_H_
#define UNWIND_COMMON_PARTICIPANT_PARTICIPANT_SERIES_H_

#include <map>
#include <string>

#include "common/participant/barrier.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"

namespace unwind {

// Thread-safe. All its series are there from the start, with 0.
class ParticipantSeries {
 public:
  // Of the process, made when first asked for.
  static ParticipantSeries& Get();

  // A call was answered as its barrier row says.
  void Answered(barrier::Phase phase, barrier::Verdict verdict);

  prometheus::Gauge& calls_open;          // accepted and not answered
  prometheus::Histogram& batch_calls;     // that one round of the writer took together
  prometheus::Histogram& commit_seconds;  // of a transaction that was committed
  prometheus::Counter& commit_failures;
  prometheus::Counter& too_old;

 private:
  ParticipantSeries();

  std::map<barrier::Phase, std::map<barrier::Verdict, prometheus::Counter*>> calls_;  // whole once constructed
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_PARTICIPANT_SERIES_H_
