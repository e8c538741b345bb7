// What a chaos run must have come by, or it proves nothing of it.
#ifndef UNWIND_TESTS_CHAOS_HAPPENED_H_
#define UNWIND_TESTS_CHAOS_HAPPENED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/chaos/havoc.h"
#include "tests/support/books.h"

namespace unwind {

struct Happening {
  std::string what;  // a sentence
  std::int64_t times = 0;
  double per_minute = 0;  // the least
};

// To the processes and their links.
std::vector<Happening> HappenedTo(const HavocReport& havoc);

// To the buyers and their orders. `books` come from OpenBooks; their shop need not be at rest.
absl::StatusOr<std::vector<Happening>> HappenedIn(Books& books);

// Which of `happenings` did not come up to `minutes`, whatever the machine had to do besides: each a sentence.
std::vector<std::string> TooLittle(const std::vector<Happening>& happenings, double minutes);

// Of the orders that nobody refused, the share that was paid: the others were lost by faults. `books` as above.
absl::StatusOr<double> PaidShare(Books& books);

}  // namespace unwind

#endif  // UNWIND_TESTS_CHAOS_HAPPENED_H_
