#include "orchestrator/participants/routes.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

bool IsServiceName(absl::string_view name) {
  if (name.empty() || name.find('.') == absl::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; });
}

bool IsPort(absl::string_view text) {
  int port = 0;
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && absl::SimpleAtoi(text, &port) && port >= 1 && port <= 65535;
}

bool IsHost(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
}

bool IsIpv6(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
  });
}

std::string WrongWithAddress(absl::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return absl::StrCat("\"", address, "\" has no port");
  const absl::string_view host = address.substr(0, colon), port = address.substr(colon + 1);
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (bracketed ? !IsIpv6(host.substr(1, host.size() - 2)) : !IsHost(host)) {
    return absl::StrCat("\"", host, "\" is not a host; an IPv6 address stands in brackets");
  }
  return IsPort(port) ? "" : absl::StrCat("\"", port, "\" is not a port of 1 to 65535");
}

// Empty if gRPC can connect to it.
std::string WrongWithTarget(absl::string_view target) {
  if (target.empty()) return "no target after '='";
  const bool printable = std::all_of(target.begin(), target.end(),
                                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
  if (!printable) return "a space or a character that is not printable in the target";
  for (const absl::string_view scheme : {"unix:", "unix-abstract:"}) {
    if (absl::StartsWith(target, scheme)) return target.size() > scheme.size() ? "" : "no path after 'unix:'";
  }
  for (const absl::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&target, scheme)) return WrongWithAddress(target);
  }
  const std::size_t scheme_end = target.find("://");
  if (absl::StartsWith(target, "dns://")) {
    const std::size_t slash = target.find('/', scheme_end + 3);  // after the name server's address, mostly empty
    if (slash == absl::string_view::npos) return "no '/' before the host: dns:///HOST:PORT";
    return WrongWithAddress(target.substr(slash + 1));
  }
  if (scheme_end != absl::string_view::npos) {
    return absl::StrCat("the scheme \"", target.substr(0, scheme_end), "\" is not one of gRPC's; leave it away");
  }
  absl::ConsumePrefix(&target, "dns:");
  return WrongWithAddress(target);
}

// Empty if the entry is good, else what is wrong with it.
std::string AddEntry(absl::string_view entry, Routes& routes) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(entry, absl::MaxSplits('=', 1));
  const absl::string_view service = absl::StripAsciiWhitespace(parts.first);
  const absl::string_view target = absl::StripAsciiWhitespace(parts.second);
  if (!IsServiceName(service)) return absl::StrCat("\"", entry, "\": no full service name before '='");
  if (const std::string wrong = WrongWithTarget(target); !wrong.empty()) {
    return absl::StrCat("\"", entry, "\": ", wrong);
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
  for (const absl::string_view piece : absl::StrSplit(text, ',')) {
    const absl::string_view entry = absl::StripAsciiWhitespace(piece);
    if (entry.empty()) continue;
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
