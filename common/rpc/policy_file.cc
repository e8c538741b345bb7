#include "common/rpc/policy_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/findings.h"
#include "common/rpc/principal.h"

namespace unwind {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kEntriesMax = 20000;  // with every alias written out
constexpr char kNobody[] = "";              // the caller of a rule without callers

struct Text {
  std::string value;
  int line = 0;
};

struct Rule {
  int line = 0;
  std::vector<Text> callers;
  std::vector<Text> methods;
  Grant grant;
};

// What the file says, before its names are looked up.
struct Document {
  int line = 1;  // of `rules`
  std::vector<Rule> rules;
  std::string spiffe_prefix;
};

int LineOf(const YAML::Node& node, int otherwise) { return node.Mark().is_null() ? otherwise : node.Mark().line + 1; }

// From YAML to rules; what they name is not looked at yet.
class Reader {
 public:
  explicit Reader(Findings& findings) : findings_(findings) {}

  Document Read(const std::string& yaml);

 private:
  using Keys = std::map<std::string, std::function<void(const YAML::Node&, int line)>>;

  void ReadMap(const YAML::Node& node, int line, const std::string& what, const Keys& keys);
  std::vector<Text> ReadTexts(const YAML::Node& node, int line, const std::string& what);
  std::string ReadWord(const YAML::Node& node, int line, const std::string& what,
                       const std::vector<std::string>& words);
  Rule ReadRule(const YAML::Node& node);
  std::vector<Rule> ReadRules(const YAML::Node& node, int line);
  std::string ReadSpiffePrefix(const YAML::Node& node, int line);
  bool MayRead(int line);

  Findings& findings_;
  std::size_t entries_ = 0;
};

bool Reader::MayRead(int line) {
  if (++entries_ == kEntriesMax + 1) {
    findings_.Add(line, absl::StrCat("with its aliases written out the file has more than ", kEntriesMax, " entries"),
                  "make it smaller; nothing from here on was read");
  }
  return entries_ <= kEntriesMax;
}

void Reader::ReadMap(const YAML::Node& node, int line, const std::string& what, const Keys& keys) {
  if (!node.IsMap()) return findings_.Add(line, absl::StrCat(what, " must be a map"), "write 'key: value' lines");
  std::set<std::string> seen;
  for (const auto& pair : node) {
    const int at = LineOf(pair.first, line);
    if (!MayRead(at)) return;
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const auto key = keys.find(name);
    if (key == keys.end()) {
      const auto names = [](std::string* out, const Keys::value_type& each) { absl::StrAppend(out, each.first); };
      findings_.Add(at, absl::StrCat(what, " has no key '", name, "'"),
                    absl::StrCat("its keys are ", absl::StrJoin(keys, ", ", names)));
    } else if (!seen.insert(name).second) {
      findings_.Add(at, absl::StrCat(what, " gives '", name, "' twice"), "keep one of them");
    } else {
      key->second(pair.second, at);
    }
  }
}

std::vector<Text> Reader::ReadTexts(const YAML::Node& node, int line, const std::string& what) {
  std::vector<Text> texts;
  if (!node.IsSequence()) {
    findings_.Add(line, absl::StrCat(what, " must be a list"), absl::StrCat("write ", what, ": [...]"));
    return texts;
  }
  std::set<std::string> seen;
  for (const YAML::Node& each : node) {
    const int at = LineOf(each, line);
    if (!MayRead(at)) return texts;
    if (!each.IsScalar() || each.Scalar().empty()) {
      findings_.Add(at, absl::StrCat(what, " must be a list of texts"), "write one name between two commas");
    } else if (!seen.insert(each.Scalar()).second) {
      findings_.Add(at, absl::StrCat(what, " names '", each.Scalar(), "' twice"), "keep one of them");
    } else {
      texts.push_back({each.Scalar(), at});
    }
  }
  return texts;
}

// The word, or an empty text beside a finding.
std::string Reader::ReadWord(const YAML::Node& node, int line, const std::string& what,
                             const std::vector<std::string>& words) {
  const std::string word = node.IsScalar() ? node.Scalar() : "";
  if (std::find(words.begin(), words.end(), word) != words.end()) return word;
  findings_.Add(
      line, absl::StrCat(what, " cannot be '", word, "'"),
      absl::StrCat("write ", absl::StrJoin(words, " or "), ", or leave ", what, " out: then the call may not say it"));
  return "";
}

Rule Reader::ReadRule(const YAML::Node& node) {
  Rule rule;
  rule.line = LineOf(node, 1);
  ReadMap(node, rule.line, "a rule",
          {{"callers", [&](const YAML::Node& value, int line) { rule.callers = ReadTexts(value, line, "callers"); }},
           {"methods",
            [&](const YAML::Node& value, int line) {
              rule.methods = ReadTexts(value, line, "methods");
              if (value.IsSequence() && value.size() == 0) {
                findings_.Add(line, "methods is empty", "name a method, or take the rule out");
              }
            }},
           {"member",
            [&](const YAML::Node& value, int line) {
              const std::string word = ReadWord(value, line, "member", {"allowed", "required"});
              if (word == "allowed") rule.grant.member = Grant::Member::kAllowed;
              if (word == "required") rule.grant.member = Grant::Member::kRequired;
            }},
           {"saga_metadata", [&](const YAML::Node& value, int line) {
              rule.grant.saga_metadata = !ReadWord(value, line, "saga_metadata", {"allowed"}).empty();
            }}});
  if (!node.IsMap()) return rule;
  for (const char* const key : {"callers", "methods"}) {
    if (!node[key].IsDefined()) findings_.Add(rule.line, absl::StrCat("the rule needs ", key), "add them as a list");
  }
  return rule;
}

std::vector<Rule> Reader::ReadRules(const YAML::Node& node, int line) {
  std::vector<Rule> rules;
  if (!node.IsSequence()) findings_.Add(line, "rules must be a list", "begin each rule with '- callers: [...]'");
  for (const YAML::Node& rule : node.IsSequence() ? node : YAML::Node()) {
    if (MayRead(LineOf(rule, line))) rules.push_back(ReadRule(rule));
  }
  return rules;
}

std::string Reader::ReadSpiffePrefix(const YAML::Node& node, int line) {
  std::string prefix = node.IsScalar() ? node.Scalar() : "";
  if (IsSpiffePrefix(prefix)) return prefix;
  findings_.Add(line, absl::StrCat("spiffe cannot be '", prefix, "'"),
                "write what all callers' SPIFFE ids begin with, to the last slash: spiffe://shop.example/ns/prod/sa/");
  return "";
}

Document Reader::Read(const std::string& yaml) {
  Document read;
  const std::vector<YAML::Node> documents = YAML::LoadAll(yaml);
  if (documents.size() != 1 || !documents[0].IsMap() || !documents[0]["rules"].IsDefined()) {
    findings_.Add(1, "the file is no policy", "write 'rules:' and below it a list of rules");
    return read;
  }
  ReadMap(
      documents[0], 1, "a policy",
      {{"rules",
        [&](const YAML::Node& rules, int line) {
          read.line = line;
          read.rules = ReadRules(rules, line);
        }},
       {"spiffe", [&](const YAML::Node& prefix, int line) { read.spiffe_prefix = ReadSpiffePrefix(prefix, line); }}});
  return read;
}

// From rules to what each method's callers may.
class Compiler {
 public:
  Compiler(const ServedNames& served, Findings& findings) : served_(served), findings_(findings) {}

  void Add(const Rule& rule);

  // A finding for each method that is served and in no rule.
  void CheckServed(int line);

  Policy Build(std::string spiffe_prefix);

 private:
  struct Given {
    int line = 0;
    Grant grant;
  };

  std::vector<const DescriptorPool*> Pools() const;
  const ServiceDescriptor* Find(const std::string& service) const;
  std::vector<std::string> PathsOf(const Text& method);
  bool IsCaller(const Rule& rule, const Text& caller);
  void Put(const std::string& path, const std::string& caller, const Given& given);

  const ServedNames& served_;
  Findings& findings_;
  std::map<std::string, std::map<std::string, Given>> methods_;
};

std::string PathOf(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

std::string NameOf(const std::string& path) { return path.substr(1); }

std::vector<const DescriptorPool*> Compiler::Pools() const {
  std::vector<const DescriptorPool*> pools = served_.pools;
  pools.push_back(DescriptorPool::generated_pool());
  return pools;
}

const ServiceDescriptor* Compiler::Find(const std::string& service) const {
  for (const DescriptorPool* pool : Pools()) {
    if (const ServiceDescriptor* const found = pool->FindServiceByName(service); found != nullptr) return found;
  }
  return nullptr;
}

std::vector<std::string> Compiler::PathsOf(const Text& method) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(method.value, absl::MaxSplits('/', 1));
  const ServiceDescriptor* const service = Find(parts.first);
  if (service == nullptr) {
    findings_.Add(method.line, absl::StrCat("'", method.value, "' names no service that this program knows"),
                  "write package.Service/Method or package.Service/*, of what unwind.protoset (beside the program's "
                  "folder) or --descriptors has");
    return {};
  }
  std::vector<std::string> paths, names;
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodDescriptor& each = *service->method(i);
    names.push_back(each.name());
    if (parts.second == "*" || parts.second == each.name()) paths.push_back(PathOf(each));
  }
  if (paths.empty()) {
    findings_.Add(method.line, absl::StrCat("'", method.value, "' names no method of ", service->full_name()),
                  absl::StrCat("it has ", absl::StrJoin(names, ", "), "; or write ", service->full_name(), "/*"));
  }
  return paths;
}

bool Compiler::IsCaller(const Rule& rule, const Text& caller) {
  if (caller.value == Policy::kAnyCaller && rule.callers.size() > 1) {
    findings_.Add(caller.line, "'*' stands beside other callers", "leave it alone: it is every caller");
    return false;
  }
  if (caller.value == Policy::kAnyCaller || IsIdentity(caller.value)) return true;
  findings_.Add(caller.line, absl::StrCat("'", caller.value, "' can be nobody's identity"),
                absl::StrCat("write at most ", kIdentityBytesMax, " letters, digits and any of . - _ @"));
  return false;
}

void Compiler::Put(const std::string& path, const std::string& caller, const Given& given) {
  std::map<std::string, Given>& others = methods_[path];
  const auto excludes = [](const std::string& each) { return each == kNobody || each == Policy::kAnyCaller; };
  const auto rival = std::find_if(others.begin(), others.end(), [&](const auto& other) {
    return other.first == caller || excludes(caller) || excludes(other.first);
  });
  if (rival != others.end()) {
    const auto shown = [](const std::string& each) { return each == kNobody ? "nobody" : each; };
    findings_.Add(given.line,
                  absl::StrCat(NameOf(path), " is given to ", shown(caller), " here and to ", shown(rival->first),
                               " on line ", rival->second.line),
                  "keep one of them");
    return;
  }
  others.emplace(caller, given);
}

void Compiler::Add(const Rule& rule) {
  std::vector<std::string> callers;
  for (const Text& caller : rule.callers) {
    if (IsCaller(rule, caller)) callers.push_back(caller.value);
  }
  if (rule.callers.empty()) callers.emplace_back(kNobody);
  for (const Text& method : rule.methods) {
    for (const std::string& path : PathsOf(method)) {
      for (const std::string& caller : callers) Put(path, caller, {method.line, rule.grant});
    }
  }
}

void Compiler::CheckServed(int line) {
  for (const std::string& name : served_.services) {
    const ServiceDescriptor* const service = Find(name);
    if (service == nullptr) {
      findings_.Add(line, absl::StrCat(name, " is served here and described nowhere"),
                    "put unwind.protoset beside the program's folder, or give --descriptors");
      continue;
    }
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string path = PathOf(*service->method(i));
      if (methods_.contains(path)) continue;
      findings_.Add(line, absl::StrCat("no rule is about ", NameOf(path), ", which is served here"),
                    "add it to a rule, with 'callers: []' if nobody may call it");
    }
  }
}

Policy Compiler::Build(std::string spiffe_prefix) {
  std::map<std::string, Policy::Grants, std::less<>> methods;
  for (const auto& [path, callers] : methods_) {
    Policy::Grants& grants = methods[path];
    for (const auto& [caller, given] : callers) {
      if (caller != kNobody) grants.emplace(caller, given.grant);
    }
  }
  return Policy(std::move(methods), std::move(spiffe_prefix));
}

}  // namespace

absl::StatusOr<Policy> ParsePolicy(const std::string& file, const std::string& yaml, const ServedNames& served) {
  Findings findings(file);
  Compiler compiler(served, findings);
  Document document;
  try {
    document = Reader(findings).Read(yaml);
    for (const Rule& rule : document.rules) compiler.Add(rule);
    if (!document.rules.empty() || !findings.has_errors()) compiler.CheckServed(document.line);
  } catch (const YAML::Exception& error) {  // yaml-cpp's only way to report; it stops here
    findings.Add(error.mark.is_null() ? 1 : error.mark.line + 1, absl::StrCat("this is not YAML: ", error.msg),
                 "correct it here or in the lines above");
  }
  if (absl::Status status = findings.ToStatus(); !status.ok()) return status;
  return compiler.Build(std::move(document.spiffe_prefix));
}

absl::StatusOr<Policy> ReadPolicyFile(const std::string& file, const ServedNames& served) {
  std::ifstream stream(file, std::ios::binary);
  std::string yaml(kFileBytesMax + 1, '\0');
  stream.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (!stream.is_open() || stream.bad()) {
    return absl::NotFoundError(absl::StrCat(file, " cannot be read; give --policy a file that this program may read"));
  }
  yaml.resize(static_cast<std::size_t>(stream.gcount()));
  if (yaml.size() > kFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":1: the file has more than ", kFileBytesMax, " bytes; a policy is smaller"));
  }
  return ParsePolicy(file, yaml, served);
}

}  // namespace unwind
