#include <algorithm>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "sagactl/commands.h"
#include "sagactl/ending.h"
#include "sagactl/signing_key.h"

namespace unwind::sagactl {
namespace {

constexpr std::size_t kMemberBytesMax = 64;
constexpr std::size_t kKeyBytesMax = 64 << 10;  // what is larger is no key
constexpr absl::Duration kExpiresMin = absl::Seconds(1), kExpiresMax = absl::Hours(24);

struct Options {
  std::string member, key;
  std::string audience = "shop";
  std::string issuer = "https://identity.shop.example";
  std::string expires_in = "15m";
};

bool IsMember(const std::string& text) {
  return !text.empty() && text.size() <= kMemberBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_-", c);
  });
}

bool IsPrintable(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

absl::StatusOr<SigningKey> ReadKey(const std::string& path) {
  std::ifstream file(path);
  std::string pem(kKeyBytesMax, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) return CalledWrongly(absl::StrCat("--key=", path, " cannot be read"));
  absl::StatusOr<SigningKey> key = SigningKey::Read(pem);
  if (!key.ok()) return CalledWrongly(absl::StrCat("--key=", path, " ", key.status().message()));
  return key;
}

absl::StatusOr<nlohmann::json> ClaimsOf(const Options& options) {
  if (!IsMember(options.member)) {
    return CalledWrongly(absl::StrCat("--member=", options.member, " must match [A-Za-z0-9_-]{1,64}"));
  }
  for (const auto& [name, value] : {std::pair("audience", &options.audience), {"issuer", &options.issuer}}) {
    if (!IsPrintable(*value)) {
      return CalledWrongly(absl::StrCat("--", name, "=", *value, " must be printable ASCII without spaces"));
    }
  }
  absl::Duration lifetime;
  if (!absl::ParseDuration(options.expires_in, &lifetime) || lifetime < kExpiresMin || lifetime > kExpiresMax) {
    return CalledWrongly(
        absl::StrCat("--expires_in=", options.expires_in, " must be a duration of 1s to 24h, such as 15m"));
  }
  const absl::Time now = absl::Now();
  return nlohmann::json{{"iss", options.issuer},
                        {"aud", options.audience},
                        {"sub", options.member},
                        {"iat", absl::ToUnixSeconds(now)},
                        {"exp", absl::ToUnixSeconds(now + lifetime)}};
}

absl::Status Token(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const nlohmann::json claims, ClaimsOf(options));
  ASSIGN_OR_RETURN(const SigningKey key, ReadKey(options.key));
  const std::string token = key.Sign(claims);
  session.out << (session.json ? nlohmann::json{{"token", token}}.dump() : token) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddToken(CLI::App& app, Command& chosen) {
  CLI::App& token = AddCommand(
      app, "token",
      "Signs a token by which a member buys at the REST gateway of `./run up --secure`. It is good there and nowhere "
      "else: the key is that shop's own, made when it starts and gone when it ends; of any other shop an identity "
      "provider signs the tokens, and has the key. No orchestrator is asked.",
      "sagactl token --member minsu --key /tmp/unwind-abc/tls/signing.key");
  const auto options = std::make_shared<Options>();
  token.add_option("--member", options->member, "who buys")->required();
  token.add_option("--key", options->key, "PEM file: the private key, which ./run up --secure makes and names")
      ->required();
  token.add_option("--audience", options->audience, "for whom the token is")->capture_default_str();
  token.add_option("--issuer", options->issuer, "the identity provider that it names")->capture_default_str();
  token.add_option("--expires_in", options->expires_in, "how long it is good, 24h at most")->capture_default_str();
  token.callback([options, &chosen] { chosen = [options](Session& session) { return Token(session, *options); }; });
}

}  // namespace unwind::sagactl
