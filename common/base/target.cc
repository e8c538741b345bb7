#include "common/base/target.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

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

std::string WrongWithAddresses(absl::string_view addresses) {
  for (const absl::string_view address : absl::StrSplit(addresses, ',')) {
    if (std::string wrong = WrongWithAddress(address); !wrong.empty()) return wrong;
  }
  return "";
}

// Empty if gRPC can connect to it.
std::string WrongWith(absl::string_view target) {
  const bool printable = std::all_of(target.begin(), target.end(),
                                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
  if (!printable) return "a space or a character that is not printable in the target";
  for (const absl::string_view scheme : {"unix:", "unix-abstract:"}) {
    if (absl::StartsWith(target, scheme)) return target.size() > scheme.size() ? "" : "no path after 'unix:'";
  }
  for (const absl::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&target, scheme)) return WrongWithAddresses(target);
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

bool IsPath(absl::string_view target) {
  return absl::StartsWith(target, "unix:") || absl::StartsWith(target, "unix-abstract:");
}

// Of one that is no path.
std::vector<absl::string_view> HostsOf(absl::string_view target) {
  for (const absl::string_view scheme : {"ipv4:", "ipv6:", "dns:"}) absl::ConsumePrefix(&target, scheme);
  target = target.substr(target.rfind('/') + 1);  // dns://NAME_SERVER/HOST:PORT
  std::vector<absl::string_view> hosts;
  for (const absl::string_view address : absl::StrSplit(target, ',')) {
    hosts.push_back(address.substr(0, address.rfind(':')));
  }
  return hosts;
}

}  // namespace

absl::Status CheckTarget(absl::string_view target) {
  const std::string wrong = WrongWith(target);
  return wrong.empty() ? absl::OkStatus() : absl::InvalidArgumentError(wrong);
}

bool IsOneAddress(absl::string_view target) {
  if (IsPath(target)) return true;
  const std::vector<absl::string_view> hosts = HostsOf(target);
  const auto is_name = [](absl::string_view host) {
    return !absl::StartsWith(host, "[") && host.find_first_not_of("0123456789.") != absl::string_view::npos;
  };
  return hosts.size() == 1 && !is_name(hosts.front());
}

bool IsLoopbackTarget(absl::string_view target) {
  if (IsPath(target)) return true;
  const std::vector<absl::string_view> hosts = HostsOf(target);
  return std::all_of(hosts.begin(), hosts.end(), [](absl::string_view host) {
    return host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.");
  });
}

absl::Status CheckTargetOrNone(const std::string& target) {
  return target.empty() ? absl::OkStatus() : CheckTarget(target);
}

}  // namespace unwind
