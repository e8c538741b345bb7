// Breaks a definition file at random, as a slip of the hand, a bad merge or a hostile author would.
#ifndef UNWIND_TESTS_FUZZ_MUTATION_H_
#define UNWIND_TESTS_FUZZ_MUTATION_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace unwind {

// The same draws on every machine, which the standard distributions do not promise.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}

  std::size_t Below(std::size_t count) { return count == 0 ? 0 : static_cast<std::size_t>(random_() % count); }
  bool Chance(int percent) { return Below(100) < static_cast<std::size_t>(percent); }
  template <class Element>
  const Element& Of(const std::vector<Element>& elements) {
    return elements[Below(elements.size())];
  }

 private:
  std::mt19937_64 random_;
};

// One to four mutations of `yaml`: of its bytes, lines, values or nodes. What is put in comes from `words`, from what a
// parser may stumble over, and from the file itself.
std::string Mutate(const std::string& yaml, const std::vector<std::string>& words, Draws& draws);

// The keys, values and paths of a definition file.
std::vector<std::string> WordsOf(const std::string& yaml);

}  // namespace unwind

#endif  // UNWIND_TESTS_FUZZ_MUTATION_H_
