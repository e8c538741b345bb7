// The shop's sagas with another text of place-order.
#ifndef UNWIND_TESTS_E2E_CHANGED_DEFINITIONS_H_
#define UNWIND_TESTS_E2E_CHANGED_DEFINITIONS_H_

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/support/shop.h"

namespace unwind {

// A new folder with the sagas of the shop where in place-order each first text of a pair is replaced by its second one.
inline std::string ChangedDefinitions(const std::vector<std::pair<std::string, std::string>>& replacements) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("definitions-", NewKey());
  std::filesystem::create_directories(folder);
  std::filesystem::copy("orchestrator/sagas", folder);
  std::ostringstream text;
  text << std::ifstream(folder / "place_order.yaml").rdbuf();
  std::ofstream(folder / "place_order.yaml") << absl::StrReplaceAll(text.str(), replacements);
  return folder.string();
}

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_CHANGED_DEFINITIONS_H_
