// Breadth-first search of everything that can happen: so the first world that breaks a rule is at the end of a shortest
// way to it.
#ifndef UNWIND_TESTS_MODEL_SEARCH_H_
#define UNWIND_TESTS_MODEL_SEARCH_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tests/model/model.h"
#include "tests/model/moves.h"
#include "tests/model/world.h"

namespace unwind::model {

struct Leg {
  Move move;
  World world;  // after it
};

struct Found {
  std::string broken;      // the rule; empty: none
  std::vector<Leg> trace;  // to the world that broke it, or that is stuck
  bool closed = false;     // every reachable world was seen
  std::size_t worlds = 0;
  std::size_t moves = 0;
  std::size_t rows = 0;                     // distinct, each under every law
  std::size_t stuck = 0;                    // worlds from which no end can be reached without further trouble
  std::map<std::string, std::size_t> seen;  // how many worlds: completed, aborted, ...; how many moves: fenced, ...
  double seconds = 0;
};

// Ends at the first broken rule, or beyond `worlds_max`, not closed.
Found Search(const Model& model, std::size_t worlds_max);

}  // namespace unwind::model

#endif  // UNWIND_TESTS_MODEL_SEARCH_H_
