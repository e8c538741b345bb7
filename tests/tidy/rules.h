// Rules about the code itself, each over one file: a path relative to the root, and the file's text.
#ifndef UNWIND_TESTS_TIDY_RULES_H_
#define UNWIND_TESTS_TIDY_RULES_H_

#include <string>
#include <vector>

namespace unwind {

// "path:line: what breaks which rule" for every #include that a file's layer may not have:
//   core <- definition <- engine <- {store, participants, api} <- host <- main in the orchestrator, where store,
//   participants and api do not know each other; domain <- store, service <- main in a service; common includes no
//   service; a service includes no other; the product includes no test.
std::vector<std::string> CheckIncludes(const std::string& path, const std::string& text);

// The same for words that are banned where the file stands, such as a sleep in a test.
std::vector<std::string> CheckWords(const std::string& path, const std::string& text);

// The same for flags of the product that are numbers or durations and have no range (common/base/checked_flag.h).
std::vector<std::string> CheckFlags(const std::string& path, const std::string& text);

// The same for words that this project no longer uses in comments, documents, logs and errors, with what to say instead
// (see the glossary in docs/ARCHITECTURE.md).
std::vector<std::string> CheckRetiredWords(const std::string& path, const std::string& text);

}  // namespace unwind

#endif  // UNWIND_TESTS_TIDY_RULES_H_
