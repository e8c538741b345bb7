#include "orchestrator/participants/routes.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/target.h"

namespace unwind {
namespace {

bool IsServiceName(absl::string_view name) {
  if (name.empty() || name.find('.') == absl::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; });
}

// The entries of `text`. A piece without '=' is one more address of the list, ipv4: or ipv6:, that the entry before it
// has.
std::vector<std::string> EntriesOf(absl::string_view text) {
  std::vector<std::string> entries;
  for (absl::string_view piece : absl::StrSplit(text, ',')) {
    piece = absl::StripAsciiWhitespace(piece);
    const bool goes_on = !entries.empty() &&
                         (absl::StrContains(entries.back(), "=ipv4:") || absl::StrContains(entries.back(), "=ipv6:"));
    if (goes_on && !piece.empty() && !absl::StrContains(piece, '=')) {
      absl::StrAppend(&entries.back(), ",", piece);
    } else if (!piece.empty()) {
      entries.emplace_back(piece);
    }
  }
  return entries;
}

// Empty if the entry is good, else what is wrong with it.
std::string AddEntry(absl::string_view entry, Routes& routes) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(entry, absl::MaxSplits('=', 1));
  const absl::string_view service = absl::StripAsciiWhitespace(parts.first);
  const absl::string_view target = absl::StripAsciiWhitespace(parts.second);
  if (!IsServiceName(service)) return absl::StrCat("\"", entry, "\": no full service name before '='");
  if (target.empty()) return absl::StrCat("\"", entry, "\": no target after '='");
  if (const absl::Status status = CheckTarget(target); !status.ok()) {
    return absl::StrCat("\"", entry, "\": ", status.message());
  }
  if (!routes.emplace(std::string(service), std::string(target)).second) {
    return absl::StrCat("\"", entry, "\": ", service, " has a target already");
  }
  return "";
}

}  // namespace

absl::StatusOr<Routes> ParseRoutes(absl::string_view text) {
  Routes routes;
  std::vector<std::string> errors;
  for (const std::string& entry : EntriesOf(text)) {
    if (std::string error = AddEntry(entry, routes); !error.empty()) {
      errors.push_back(absl::StrCat("--participants: ", error, "; write package.Service=HOST:PORT,..."));
    }
  }
  if (!errors.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  return routes;
}

absl::string_view ServiceOf(absl::string_view path) {
  if (path.empty() || path.front() != '/') return "";
  const std::size_t slash = path.find('/', 1);
  return slash == absl::string_view::npos ? "" : path.substr(1, slash - 1);
}

absl::Status CheckRoutes(const Definition& definition, const Routes& routes) {
  const Plan& plan = definition.plan();
  std::vector<std::string> errors;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    std::set<std::string> missing;  // a step's RPCs mostly share one service: name it once
    for (const Phase phase : {Phase::kAction, Phase::kCompensation, Phase::kResolve}) {
      const std::string& path = definition.methods(static_cast<int>(i)).path(phase);
      if (!path.empty() && routes.find(ServiceOf(path)) == routes.end()) missing.emplace(ServiceOf(path));
    }
    for (const std::string& service : missing) {
      errors.push_back(absl::StrCat("saga ", plan.name, " version ", plan.version, ", step ", plan.steps[i].name,
                                    ": --participants does not say where ", service, " is; add ", service,
                                    "=HOST:PORT to --participants"));
    }
  }
  return errors.empty() ? absl::OkStatus() : absl::NotFoundError(absl::StrJoin(errors, "\n"));
}

}  // namespace unwind
