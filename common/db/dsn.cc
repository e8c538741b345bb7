#include "common/db/dsn.h"

#include <libpq-fe.h>

#include <array>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace unwind {
namespace {

constexpr char kPrefix[] = "postgres:";

// A peer that is gone is noticed, whatever the kernel's own defaults are. Seconds; tcp_user_timeout: milliseconds.
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"connect_timeout", "5"},       {"keepalives", "1"},        {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},   {"keepalives_count", "3"},  {"tcp_user_timeout", "15000"},
    {"application_name", "unwind"}, {"client_encoding", "UTF8"}};

using Pairs = std::map<std::string, std::string>;

// The value at the front of `rest`, which it is taken off: bare up to a space, or in single quotes; a backslash takes
// the next character as it is.
absl::StatusOr<std::string> TakeValue(const std::string& key, absl::string_view& rest) {
  const bool quoted = absl::ConsumePrefix(&rest, "'");
  std::string value;
  while (!rest.empty()) {
    const char c = rest.front();
    if (quoted ? c == '\'' : absl::ascii_isspace(static_cast<unsigned char>(c))) break;
    rest.remove_prefix(1);
    if (c != '\\') {
      value.push_back(c);
    } else if (!rest.empty()) {
      value.push_back(rest.front());
      rest.remove_prefix(1);
    }
  }
  if (quoted && !absl::ConsumePrefix(&rest, "'")) {
    return absl::InvalidArgumentError(absl::StrCat("--db: the value of ", key, " has no closing quote"));
  }
  return value;
}

absl::StatusOr<Pairs> Split(absl::string_view text) {
  Pairs pairs;
  for (text = absl::StripLeadingAsciiWhitespace(text); !text.empty(); text = absl::StripLeadingAsciiWhitespace(text)) {
    const std::size_t end = text.find_first_of("= \t\n");
    if (end == absl::string_view::npos || text[end] != '=' || end == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--db: after postgres: there must be KEY=VALUE pairs, such as "
                       "host=db1 dbname=shop user=me, but pair ",
                       pairs.size() + 1, " is none"));  // it may be a password
    }
    const std::string key(text.substr(0, end));
    text.remove_prefix(end + 1);
    ASSIGN_OR_RETURN(std::string value, TakeValue(key, text));
    if (!pairs.emplace(key, std::move(value)).second) {
      return absl::InvalidArgumentError(absl::StrCat("--db: ", key, " is there twice"));
    }
  }
  return pairs;
}

std::set<std::string> LibpqKeys() {
  std::set<std::string> keys;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(PQconndefaults(), PQconninfoFree);
  for (const PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
    keys.insert(option->keyword);
  }
  return keys;
}

// Takes `key` out of `pairs`, if it is there, into `timeout`.
absl::Status TakeTimeout(Pairs& pairs, const std::string& key, absl::Duration& timeout) {
  const auto found = pairs.extract(key);
  if (found.empty()) return absl::OkStatus();
  if (!absl::ParseDuration(found.mapped(), &timeout) || timeout < absl::Milliseconds(1) || timeout > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--db: ", key, "=", found.mapped(), " must be a time of 1ms to 24h, such as 10s"));
  }
  return absl::OkStatus();
}

std::string Encode(absl::string_view value) {
  std::string encoded;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte)) {
      encoded.push_back(c);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", byte);
    }
  }
  return encoded;
}

// Of what stands in `pairs` or, else, in the environment.
std::string NameOf(const Pairs& pairs) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(PQconndefaults(), PQconninfoFree);
  const auto value = [&](const char* key) -> std::string {
    if (const auto found = pairs.find(key); found != pairs.end()) return found->second;
    for (const PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr; ++option) {
      if (absl::string_view(option->keyword) == key && option->val != nullptr) return option->val;
    }
    return "";
  };
  const std::string user = value("user"), database = value("dbname"), host = value("host");
  return absl::StrCat("database ", database.empty() ? user : database, " at ", host.empty() ? "the local socket" : host,
                      ":", value("port"), " as ", user);
}

}  // namespace

bool IsPostgres(absl::string_view database) { return absl::StartsWith(database, kPrefix); }

bool LooksLikeDsn(absl::string_view database) {
  const absl::string_view first_part = database.substr(0, database.find('/'));
  const std::size_t colon = first_part.find(':');
  if (colon != absl::string_view::npos && colon > 0) return !IsPostgres(database);
  const std::set<std::string> known = LibpqKeys();
  for (const absl::string_view word : absl::StrSplit(first_part, ' ')) {
    const std::size_t equals = word.find('=');
    if (equals != absl::string_view::npos && known.count(std::string(word.substr(0, equals))) > 0) return true;
  }
  return false;
}

absl::StatusOr<Dsn> ParseDsn(absl::string_view database) {
  absl::ConsumePrefix(&database, kPrefix);
  if (absl::StartsWith(database, "//")) {
    return absl::InvalidArgumentError(
        "--db: a URI is not read; give postgres: and KEY=VALUE pairs, such as postgres:host=db1 dbname=shop user=me");
  }
  Dsn dsn;
  ASSIGN_OR_RETURN(Pairs pairs, Split(database));
  if (pairs.count("password") > 0) {
    return absl::InvalidArgumentError(
        "--db: password= could be read by every user of this machine; name a file with password_file= or passfile=");
  }
  RETURN_IF_ERROR(TakeTimeout(pairs, "statement_timeout", dsn.statement_timeout));
  RETURN_IF_ERROR(TakeTimeout(pairs, "lock_timeout", dsn.lock_timeout));
  RETURN_IF_ERROR(TakeTimeout(pairs, "idle_in_transaction_session_timeout", dsn.idle_in_transaction_session_timeout));
  if (const auto file = pairs.extract("password_file"); !file.empty()) dsn.password_file = file.mapped();
  const std::set<std::string> known = LibpqKeys();
  for (const auto& [key, value] : pairs) {
    if (known.count(key) == 0) return absl::InvalidArgumentError(absl::StrCat("--db: there is no setting ", key, "="));
  }
  for (const auto& [key, value] : kDefaults) pairs.emplace(key, value);
  dsn.name = NameOf(pairs);
  dsn.libpq = std::move(pairs);
  RETURN_IF_ERROR(dsn.ReadPassword());
  return dsn;
}

absl::Status Dsn::ReadPassword() {
  if (password_file.empty()) return absl::OkStatus();
  std::ifstream file(password_file);
  std::string password;
  if (!file || !std::getline(file, password) || password.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--db: password_file=", password_file, " cannot be read, or has no password in its first line"));
  }
  libpq["password"] = password;
  return absl::OkStatus();
}

std::string Dsn::Uri() const {
  std::string uri = "postgresql:///";
  char separator = '?';
  for (const auto& [key, value] : libpq) {
    absl::StrAppend(&uri, std::string(1, separator), key, "=", Encode(value));
    separator = '&';
  }
  return uri;
}

}  // namespace unwind
