// Searches the named configurations and shows what was found; --large: the larger ones too. Exit 1: a rule is broken.
#include <cstdio>
#include <cstring>
#include <vector>

#include "tests/model/configurations.h"
#include "tests/model/search.h"

int main(int argc, char** argv) {
  using namespace unwind::model;
  const bool large = argc > 1 && std::strcmp(argv[1], "--large") == 0;
  if (argc > 2 || (argc > 1 && !large)) {
    std::fprintf(stderr, "usage: unwind_model [--large]\n");
    return 2;
  }
  std::vector<Configuration> configurations = SmallConfigurations();
  if (large) {
    for (Configuration& each : LargeConfigurations()) configurations.push_back(std::move(each));
  }
  std::size_t worlds = 0, moves = 0;
  int broken = 0;
  std::fputs(TableHead().c_str(), stdout);
  for (const Configuration& configuration : configurations) {
    const Found found = Search(configuration.model, 200'000'000);
    worlds += found.worlds;
    moves += found.moves;
    std::fputs(TableRow(configuration, found).c_str(), stdout);
    if (const std::string wrong = Judge(configuration, found); !wrong.empty()) {
      std::fprintf(stdout, "%s\n", wrong.c_str());
      ++broken;
    }
    std::fflush(stdout);
  }
  std::printf("{\"model\":{\"configurations\":%zu,\"states\":%zu,\"moves\":%zu,\"violations\":%d}}\n",
              configurations.size(), worlds, moves, broken);
  return broken == 0 ? 0 : 1;
}
