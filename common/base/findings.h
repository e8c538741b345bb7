// What a check of a file that people write found: every fault, not only the first, each with its line and what to do.
#ifndef UNWIND_COMMON_BASE_FINDINGS_H_
#define UNWIND_COMMON_BASE_FINDINGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace unwind {

// A stored file was accepted by this release or an earlier one, and may be in use: what was not refused then, and can
// still be run, is a warning.
enum class Origin { kFile, kStored };

// Lines count from 1. Each finding reads as one sentence: "file:line: <what>; <todo>". Words of the file that appear in
// one may be of any length and hold any byte: control characters are escaped and long texts cut in the middle. The
// first 100 errors and the first 100 warnings are kept, the others are counted.
class Findings {
 public:
  explicit Findings(const std::string& file, Origin origin = Origin::kFile);

  // An error: the file is not taken.
  void Add(int line, absl::string_view what, absl::string_view todo);

  // An error in a file; a warning in a stored one.
  void Refuse(int line, absl::string_view what, absl::string_view todo);

  // It can run, but is likely not what was meant.
  void Warn(int line, absl::string_view what, absl::string_view todo);

  // "did you mean 'x'?" with the candidate closest to `word`, or `otherwise` if none is close.
  std::string Suggest(absl::string_view word, const std::vector<std::string>& candidates,
                      absl::string_view otherwise) const;

  // "file:line".
  std::string Place(int line) const;

  bool has_errors() const { return !errors_.kept.empty(); }

  // OK if there are no errors, else INVALID_ARGUMENT with errors and warnings in the order of their lines, one a line.
  absl::Status ToStatus() const;

  std::vector<std::string> warnings() const;

 private:
  struct Finding {
    int line = 0;
    std::string text;
  };
  struct List {
    std::vector<Finding> kept;
    int left_out = 0;
  };

  void Keep(List& list, int line, absl::string_view severity, absl::string_view what, absl::string_view todo) const;
  static std::vector<std::string> Sorted(std::vector<Finding> findings);

  const std::string file_;
  const Origin origin_;
  List errors_;
  List warnings_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_BASE_FINDINGS_H_
