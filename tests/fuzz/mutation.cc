#include "tests/fuzz/mutation.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

constexpr std::size_t kNodesMax = 4000;  // of a file that mutations have made large, or that holds itself

const std::vector<std::string>& Bytes() {
  static const auto* const bytes = new std::vector<std::string>{std::string(1, '\0'),
                                                                "\x01",
                                                                "\x7f",
                                                                "\xff",
                                                                "\xc3",
                                                                "\xed\xa0\x80",
                                                                "\xf4\x90\x80\x80",
                                                                "\xef\xbb\xbf",
                                                                "\t",
                                                                "\r",
                                                                "\n",
                                                                " ",
                                                                "  ",
                                                                "'",
                                                                "\"",
                                                                ":",
                                                                ": ",
                                                                "-",
                                                                "- ",
                                                                "?",
                                                                "#",
                                                                " #",
                                                                "&a ",
                                                                "*a",
                                                                "!!str ",
                                                                "!<tag:x> ",
                                                                "|",
                                                                ">",
                                                                "%",
                                                                "@",
                                                                "`",
                                                                "[",
                                                                "]",
                                                                "{",
                                                                "}",
                                                                ",",
                                                                "---",
                                                                "...",
                                                                "<<: ",
                                                                "\\",
                                                                "\xe2\x80\xa8",
                                                                "\xea\xb0\x80"};
  return *bytes;
}

const std::vector<std::string>& Values() {
  static const auto* const values = new std::vector<std::string>{"",
                                                                 "\"\"",
                                                                 "~",
                                                                 "null",
                                                                 "true",
                                                                 "False",
                                                                 "0",
                                                                 "-1",
                                                                 "1",
                                                                 "007",
                                                                 "1e400",
                                                                 "-1e400",
                                                                 "nan",
                                                                 ".inf",
                                                                 "0x1F",
                                                                 "1_000",
                                                                 "2147483648",
                                                                 "-2147483649",
                                                                 "9223372036854775808",
                                                                 "18446744073709551616",
                                                                 "1ns",
                                                                 "0s",
                                                                 "-5s",
                                                                 "24h",
                                                                 "25h",
                                                                 "601h",
                                                                 "999999999h",
                                                                 "1e9s",
                                                                 "inf",
                                                                 "-inf",
                                                                 "500",
                                                                 "1h1h",
                                                                 "[]",
                                                                 "{}",
                                                                 "[a, b]",
                                                                 "{a: b}",
                                                                 "[[[[[]]]]]",
                                                                 "input",
                                                                 "saga",
                                                                 "input.",
                                                                 ".",
                                                                 "..",
                                                                 "input..id",
                                                                 "saga.id",
                                                                 "saga.key",
                                                                 "saga.failure.reason",
                                                                 "saga.failure",
                                                                 "saga.nothing",
                                                                 "none",
                                                                 "pivot",
                                                                 "retriable",
                                                                 "compensatable",
                                                                 "decided",
                                                                 "done",
                                                                 "REFUSED",
                                                                 "UNKNOWN",
                                                                 "ABORTED",
                                                                 "OK",
                                                                 "UNAVAILABLE",
                                                                 "\"quoted\"",
                                                                 "'single'",
                                                                 "\"\\xff\"",
                                                                 "\"\\0\"",
                                                                 "\"\\u0000\"",
                                                                 "\"\\ud800\"",
                                                                 "\"${input.x}\"",
                                                                 "2026-01-01",
                                                                 "a b",
                                                                 "a\\nb",
                                                                 "*a",
                                                                 "&a x",
                                                                 "!!binary aGk=",
                                                                 "!!int x",
                                                                 "| text",
                                                                 "> text",
                                                                 "google.protobuf.Empty",
                                                                 "grpc.health.v1.Health/Check",
                                                                 "saga.v1.SagaService/GetSaga",
                                                                 "/a/b",
                                                                 "a/b/c",
                                                                 "a.b.C/D"};
  return *values;
}

std::string Long(Draws& draws) { return std::string(std::size_t{1} << draws.Below(16), draws.Chance(50) ? 'a' : '['); }

std::string Value(const std::vector<std::string>& words, Draws& draws) {
  if (draws.Chance(3)) return Long(draws);
  return draws.Chance(50) && !words.empty() ? draws.Of(words) : draws.Of(Values());
}

// ---- bytes

void MutateBytes(std::string& yaml, Draws& draws) {
  const std::size_t at = draws.Below(yaml.size() + 1);
  const std::size_t length = std::min(draws.Below(draws.Chance(80) ? 4 : 200), yaml.size() - at);
  switch (draws.Below(5)) {
    case 0:
      if (at < yaml.size()) yaml[at] = static_cast<char>(yaml[at] ^ (1 << draws.Below(8)));
      return;
    case 1:
      yaml.erase(at, length);
      return;
    case 2:
      yaml.insert(at, draws.Of(Bytes()));
      return;
    case 3:
      yaml.insert(at, yaml.substr(draws.Below(yaml.size() + 1), length));
      return;
    default:
      if (draws.Chance(20)) yaml.resize(at);
  }
}

// ---- lines

void MutateLines(std::string& yaml, Draws& draws) {
  std::vector<std::string> lines = absl::StrSplit(yaml, '\n');
  const std::size_t at = draws.Below(lines.size());
  const std::size_t other = draws.Below(lines.size());
  const auto position = lines.begin() + static_cast<std::ptrdiff_t>(at);
  const std::string copy = lines[other];
  switch (draws.Below(6)) {
    case 0:
      lines.erase(position);
      break;
    case 1:
      lines.insert(position, copy);
      break;
    case 2:
      std::swap(lines[at], lines[other]);
      break;
    case 3:
      lines[at].insert(0, draws.Below(5), ' ');
      break;
    case 4:
      lines[at].erase(0, draws.Below(5));
      break;
    default:
      lines[at] = absl::StrCat("#", lines[at]);
  }
  yaml = absl::StrJoin(lines, "\n");
}

// ---- values: what stands between two characters of YAML's own

bool EndsWord(char c) { return c == '\n' || c == ',' || c == '{' || c == '}' || c == '[' || c == ']' || c == '#'; }

void MutateValue(std::string& yaml, const std::vector<std::string>& words, Draws& draws) {
  std::vector<std::size_t> colons;
  for (std::size_t i = yaml.find(": "); i != std::string::npos; i = yaml.find(": ", i + 1)) colons.push_back(i);
  if (colons.empty()) return;
  const std::size_t colon = draws.Of(colons);
  if (draws.Chance(30)) {  // the key before it
    std::size_t begin = colon;
    while (begin > 0 && !EndsWord(yaml[begin - 1]) && yaml[begin - 1] != ' ') --begin;
    yaml.replace(begin, colon - begin, Value(words, draws));
    return;
  }
  const std::size_t begin = colon + 2;
  std::size_t end = begin;
  while (end < yaml.size() && !EndsWord(yaml[end])) ++end;
  yaml.replace(begin, end - begin, Value(words, draws));
}

// ---- nodes

void Collect(const YAML::Node& node, std::vector<YAML::Node>& nodes) {
  if (nodes.size() > kNodesMax) return;
  nodes.push_back(node);
  if (node.IsMap()) {
    for (const auto& pair : node) Collect(pair.second, nodes);
  } else if (node.IsSequence()) {
    for (const YAML::Node& element : node) Collect(element, nodes);
  }
}

void MutateMap(YAML::Node map, const YAML::Node& other, const std::vector<std::string>& words, Draws& draws) {
  std::vector<std::string> keys;
  for (const auto& pair : map) {
    if (pair.first.IsScalar()) keys.push_back(pair.first.Scalar());
  }
  if (keys.empty()) return;
  const std::string key = draws.Of(keys);
  switch (draws.Below(4)) {
    case 0:
      map.remove(key);
      return;
    case 1:
      map[key] = YAML::Clone(other);
      return;
    case 2:
      map[Value(words, draws)] = YAML::Clone(map[key]);
      return;
    default:
      map[draws.Of(words)] = YAML::Clone(other);
  }
}

void MutateNodes(std::string& yaml, const std::vector<std::string>& words, Draws& draws) {
  try {
    YAML::Node root = YAML::Load(yaml);
    std::vector<YAML::Node> nodes;
    Collect(root, nodes);
    YAML::Node node = draws.Of(nodes);
    const YAML::Node other = YAML::Clone(draws.Of(nodes));
    YAML::Node list;
    if (node.IsMap() && draws.Chance(70)) {
      MutateMap(node, other, words, draws);
    } else if (node.IsSequence() && draws.Chance(60)) {
      draws.Chance(50) ? node.push_back(other) : void(node.remove(draws.Below(node.size())));
    } else if (draws.Chance(50)) {
      node = draws.Chance(50) ? other : YAML::Node(Value(words, draws));
    } else {  // within a list or a map
      const YAML::Node inner = YAML::Clone(node);
      draws.Chance(50) ? list.push_back(inner) : void(list[draws.Of(words)] = inner);
      node = list;
    }
    YAML::Emitter emitter;
    emitter << root;
    if (emitter.good()) yaml = absl::StrCat(emitter.c_str(), "\n");
  } catch (const YAML::Exception&) {  // it is no YAML by now
    MutateBytes(yaml, draws);
  }
}

}  // namespace

std::string Mutate(const std::string& yaml, const std::vector<std::string>& words, Draws& draws) {
  std::string mutated = yaml;
  for (std::size_t left = 1 + draws.Below(4); left > 0; --left) {
    const std::size_t kind = draws.Below(100);
    if (kind < 20) {
      MutateBytes(mutated, draws);
    } else if (kind < 40) {
      MutateLines(mutated, draws);
    } else if (kind < 70) {
      MutateValue(mutated, words, draws);
    } else {
      MutateNodes(mutated, words, draws);
    }
  }
  return mutated;
}

std::vector<std::string> WordsOf(const std::string& yaml) {
  std::vector<std::string> words;
  for (const absl::string_view word : absl::StrSplit(yaml, absl::ByAnyChar(" \n,{}[]"), absl::SkipEmpty())) {
    if (word[0] != '#') words.emplace_back(absl::StripSuffix(word, ":"));
  }
  return words;
}

}  // namespace unwind
