// The models that are searched, and what a search of each must find.
#ifndef UNWIND_TESTS_MODEL_CONFIGURATIONS_H_
#define UNWIND_TESTS_MODEL_CONFIGURATIONS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tests/model/model.h"

namespace unwind::model {

struct Configuration {
  Model model;
  std::size_t worlds_least = 0;    // fewer: it explored next to nothing
  std::vector<std::string> kinds;  // of Found::seen, each of which must occur
};

std::vector<Configuration> SmallConfigurations();  // a minute together
std::vector<Configuration> LargeConfigurations();  // some minutes and some GB

struct SeededBug {
  Model model;
  std::size_t events;  // of the shortest trace
};
std::vector<SeededBug> SeededBugs();

// What the search of `configuration` shows wrong, one sentence with its story; empty: all is as it must be.
struct Found;
std::string Judge(const Configuration& configuration, const Found& found);

// A line of the table of searches, and its head.
std::string TableHead();
std::string TableRow(const Configuration& configuration, const Found& found);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_CONFIGURATIONS_H_
