// What saga.v1 says, in the words of the tables.
#ifndef UNWIND_SAGACTL_WORDS_H_
#define UNWIND_SAGACTL_WORDS_H_

#include <string>

#include "absl/time/time.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind::sagactl {

// Without the enum's prefix; its number if this program does not know it.
std::string Word(saga::v1::Saga::State state);
std::string Word(saga::v1::Step::State state);
std::string Word(saga::v1::Phase phase);      // in lower case; empty: unspecified
std::string Word(saga::v1::Outcome outcome);  // empty: unspecified

// RUNNING, or PARKED going backward: which way, where the state does not tell.
std::string Standing(const saga::v1::Saga& saga);

// STOCK_NOT_ENOUGH (stock.shop.unwind, FAILED_PRECONDITION): 3 left {left: 3}
std::string Words(const saga::v1::Failure& failure);

// "since 2026-11-27 10:00:00Z by kim: the price is wrong".
std::string Words(const saga::v1::Pause& pause, absl::TimeZone zone);

// What the saga waits for or why it failed, in a few words: of its parked and stuck steps, else of itself, else of its
// waiting steps.
std::string Why(const saga::v1::Saga& saga);

// "place-order 1".
std::string Version(const std::string& definition, int version);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_WORDS_H_
