#include "common/base/host_port.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

constexpr int kPortMax = 65535;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, "; write HOST:PORT, as in 127.0.0.1:7000, orders.internal:7000 or [::1]:7000"));
}

bool IsIn(absl::string_view text, absl::string_view punctuation) {
  return std::all_of(text.begin(), text.end(), [punctuation](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || punctuation.find(c) != absl::string_view::npos;
  });
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Malformed("has no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  HostPort address;
  const bool digits = !port.empty() && std::all_of(port.begin(), port.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (!digits || !absl::SimpleAtoi(port, &address.port) || address.port > kPortMax) {
    return Malformed("has no port from 0 to 65535");
  }
  if (host.empty()) return Malformed("has no host");
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]") || host.empty() || !IsIn(host, ":.%")) {
      return Malformed("has no IPv6 address in its brackets");
    }
  } else if (!IsIn(host, "-._")) {
    return Malformed("has a host with characters other than letters, digits, '.', '-' and '_'");
  }
  address.host = std::string(host);
  return address;
}

absl::Status CheckListenAddress(const std::string& text) { return ParseHostPort(text).status(); }

absl::Status CheckListenAddressOrNone(const std::string& text) {
  return text.empty() ? absl::OkStatus() : CheckListenAddress(text);
}

}  // namespace unwind
