#include "tests/support/short_waits.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace unwind {
namespace {

constexpr char kFile[] = "/checkout.yaml";
constexpr char kPending[] = "\n    pending: {";

std::string Millis(absl::Duration duration) { return absl::StrCat(absl::ToInt64Milliseconds(duration), "ms"); }

}  // namespace

absl::Status WriteWithWaits(const std::string& source, const std::string& folder, const Waits& waits) {
  std::error_code error;
  std::filesystem::copy(source, folder, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot copy ", source, " to ", folder, ": ", error.message()));
  std::ostringstream read;
  read << std::ifstream(source + kFile).rdbuf();
  std::string text = read.str();
  const std::size_t begin = text.find(kPending);
  const std::size_t end = text.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos || text.find(kPending, end) != std::string::npos) {
    return absl::FailedPreconditionError(absl::StrCat(source, kFile, " has not one step with `pending: {...}`"));
  }
  text.replace(begin + std::strlen(kPending), end - begin - std::strlen(kPending),
               absl::StrCat(" poll: ", Millis(waits.poll), ", cap: ", Millis(waits.cap),
                            ", for: ", Millis(waits.patience), " "));
  std::ofstream(folder + kFile) << text;
  return absl::OkStatus();
}

}  // namespace unwind
