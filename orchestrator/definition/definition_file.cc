#include "orchestrator/definition/definition_file.h"

#include <yaml-cpp/yaml.h>

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/quoted.h"

namespace unwind {
namespace {

constexpr int kMessageDepthMax = 16;  // of nested maps; also ends an alias that contains itself
// Of one file with every alias written out, so that a small file cannot be a large definition.
constexpr int kEntriesMax = 20'000;  // of maps and lists
constexpr std::size_t kTextBytesMax = 4 * kDefinitionBytesMax;

class Reader {
 public:
  explicit Reader(Findings& findings) : findings_(findings) {}

  DefinitionFile ReadFile(const YAML::Node& root);

 private:
  // Reads one value into its place; the line is the key's, for a value that has none of its own.
  using ReadValue = std::function<void(const YAML::Node&, int line)>;
  using Keys = std::vector<std::pair<std::string, ReadValue>>;

  void ReadMap(const YAML::Node& node, int line, const std::string& what, const Keys& keys);
  bool EachEntry(const YAML::Node& node, int line, const std::string& what,
                 const std::function<void(const Text& key, const YAML::Node&)>& entry);

  ReadValue Into(Text& text, std::string what);
  ReadValue Into(MappingText& mapping, std::string what);
  ReadValue Into(std::vector<std::pair<Text, Text>>& table, std::string what);

  // Whether another entry may be read; past the bounds everything else is left out, with one finding.
  bool MayRead(int line);

  Text ReadText(const YAML::Node& node, int line, const std::string& what);
  std::vector<Text> ReadTexts(const YAML::Node& node, int line, const std::string& what);
  std::vector<FieldText> ReadFields(const YAML::Node& node, int line, const std::string& what, int depth);
  ValueText ReadValueText(const YAML::Node& node, const Text& field, const std::string& mapping, int depth);
  StepText ReadStep(const YAML::Node& node, int line);
  void ReadOn(DefinitionFile& file, const YAML::Node& node, int line);
  void ReadRetry(StepText& step, const YAML::Node& node, int line);
  void ReadPending(StepText& step, const YAML::Node& node, int line);

  void Require(const YAML::Node& node, int line, const std::string& key, absl::string_view what,
               absl::string_view example);

  Findings& findings_;
  int entries_ = 0;
  std::size_t text_bytes_ = 0;
};

int LineOf(const YAML::Node& node, int otherwise) {
  const YAML::Mark mark = node.Mark();
  return node.IsNull() || mark.is_null() ? otherwise : mark.line + 1;
}

bool Reader::MayRead(int line) {
  if (entries_ > kEntriesMax) return false;
  if (++entries_ <= kEntriesMax && text_bytes_ <= kTextBytesMax) return true;
  entries_ = kEntriesMax + 1;
  findings_.Add(line,
                absl::StrCat("with its aliases written out the file has more than ", kEntriesMax, " entries or ",
                             kTextBytesMax, " bytes"),
                "make it smaller; nothing from here on was read");
  return false;
}

bool Reader::EachEntry(const YAML::Node& node, int line, const std::string& what,
                       const std::function<void(const Text& key, const YAML::Node&)>& entry) {
  if (!node.IsMap()) {
    findings_.Add(line, absl::StrCat(what, " must be a map"), "write it as 'key: value' lines");
    return false;
  }
  std::set<std::string> seen;
  for (const auto& pair : node) {
    if (!MayRead(LineOf(pair.first, line))) return false;
    const Text key = ReadText(pair.first, line, absl::StrCat("a key of ", what));
    if (!key.given()) continue;
    if (!seen.insert(key.value).second) {
      findings_.Add(key.line, absl::StrCat(what, " gives '", key.value, "' twice"), "keep one of them");
      continue;
    }
    entry(key, pair.second);
  }
  return true;
}

void Reader::ReadMap(const YAML::Node& node, int line, const std::string& what, const Keys& keys) {
  EachEntry(node, line, what, [&](const Text& key, const YAML::Node& value) {
    std::vector<std::string> known;
    for (const auto& [name, read] : keys) {
      if (name == key.value) return read(value, key.line);
      known.push_back(name);
    }
    findings_.Add(key.line, absl::StrCat(what, " has no key '", key.value, "'"),
                  findings_.Suggest(key.value, known, absl::StrCat("its keys are ", absl::StrJoin(known, ", "))));
  });
}

Reader::ReadValue Reader::Into(Text& text, std::string what) {
  return [this, &text, what = std::move(what)](const YAML::Node& node, int line) { text = ReadText(node, line, what); };
}

Reader::ReadValue Reader::Into(MappingText& mapping, std::string what) {
  return [this, &mapping, what = std::move(what)](const YAML::Node& node, int line) {
    mapping.line = line;
    mapping.fields = ReadFields(node, line, what, 0);
  };
}

Reader::ReadValue Reader::Into(std::vector<std::pair<Text, Text>>& table, std::string what) {
  return [this, &table, what = std::move(what)](const YAML::Node& node, int line) {
    EachEntry(node, line, what, [&](const Text& key, const YAML::Node& value) {
      const Text text = ReadText(value, key.line, absl::StrCat("'", key.value, "' of ", what));
      if (text.given()) table.emplace_back(key, text);
    });
  };
}

Text Reader::ReadText(const YAML::Node& node, int line, const std::string& what) {
  if (node.IsNull()) {
    findings_.Add(line, absl::StrCat(what, " has no value"), "give it one, or take the line out");
    return {};
  }
  if (!node.IsScalar()) {
    findings_.Add(line, absl::StrCat(what, " must be a single value"), "a list or a map has no meaning here");
    return {};
  }
  text_bytes_ += node.Scalar().size();
  return {node.Scalar(), LineOf(node, line), IsQuoted(node)};
}

std::vector<Text> Reader::ReadTexts(const YAML::Node& node, int line, const std::string& what) {
  if (!node.IsSequence()) {
    findings_.Add(line, absl::StrCat(what, " must be a list"), "write it as [a, b]");
    return {};
  }
  std::vector<Text> texts;
  for (const YAML::Node& element : node) {
    if (!MayRead(line)) break;
    Text text = ReadText(element, line, absl::StrCat("an element of ", what));
    if (text.given()) texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<FieldText> Reader::ReadFields(const YAML::Node& node, int line, const std::string& what, int depth) {
  std::vector<FieldText> fields;
  if (depth > kMessageDepthMax) {
    findings_.Add(line, absl::StrCat(what, " is nested more than ", kMessageDepthMax, " deep"),
                  "copy a whole message instead");
    return fields;
  }
  EachEntry(node, line, what, [&](const Text& key, const YAML::Node& value) {
    fields.push_back({key, ReadValueText(value, key, what, depth)});
  });
  return fields;
}

ValueText Reader::ReadValueText(const YAML::Node& node, const Text& field, const std::string& mapping, int depth) {
  const int line = field.line;
  const std::string what = absl::StrCat("'", field.value, "' of ", mapping);
  ValueText value;
  if (node.IsMap() && node.size() == 1 && node["first_of"].IsDefined()) {
    value.line = line;
    value.first_of = ReadTexts(node["first_of"], line, absl::StrCat("first_of in ", what));
    if (value.first_of.empty()) value.line = 0;
    if (node["first_of"].IsSequence() && value.first_of.empty()) {
      findings_.Add(line, absl::StrCat("first_of in ", what, " is empty"), "name the paths to try, in order");
    }
  } else if (node.IsMap()) {
    value.line = line;
    value.is_message = true;
    value.fields = ReadFields(node, line, mapping, depth + 1);
  } else if (node.IsSequence()) {
    findings_.Add(line, absl::StrCat(what, " is a list"),
                  "a repeated field is copied whole from a path; alternatives are written first_of: [a, b]");
  } else {
    value.text = ReadText(node, line, what);
    value.line = value.text.line;
  }
  return value;
}

void Reader::ReadRetry(StepText& step, const YAML::Node& node, int line) {
  ReadMap(node, line, "retry",
          {{"attempts", Into(step.attempts, "'attempts'")},
           {"backoff", Into(step.backoff, "'backoff'")},
           {"cap", Into(step.cap, "'cap'")}});
}

void Reader::ReadPending(StepText& step, const YAML::Node& node, int line) {
  step.pending_line = line;
  ReadMap(node, line, "pending",
          {{"poll", Into(step.poll, "'poll'")},
           {"cap", Into(step.poll_cap, "'cap'")},
           {"for", Into(step.wait_for, "'for'")}});
}

// A word, or { aborted: [REASON, ...] }.
void Reader::ReadOn(DefinitionFile& file, const YAML::Node& node, int line) {
  if (!node.IsMap()) {
    file.on = ReadText(node, line, "'on'");
    return;
  }
  constexpr char kAborted[] = "aborted";
  ReadMap(node, line, "on", {{kAborted, [&](const YAML::Node& value, int at) {
                                file.on = {kAborted, at, false};
                                file.reasons = ReadTexts(value, at, "'aborted'");
                                if (value.IsSequence() && file.reasons.empty()) {
                                  findings_.Add(at, "'aborted' names no reason", "write 'on: aborted' for all of them");
                                }
                              }}});
}

StepText Reader::ReadStep(const YAML::Node& node, int line) {
  StepText step;
  step.line = LineOf(node, line);
  ReadMap(node, step.line, "a step",
          {{"name", Into(step.name, "'name'")},
           {"kind", Into(step.kind, "'kind'")},
           {"action", Into(step.action, "'action'")},
           {"request", Into(step.request, "request")},
           {"compensation", Into(step.compensation, "'compensation'")},
           {"compensation_request", Into(step.compensation_request, "compensation_request")},
           {"resolve", Into(step.resolve, "'resolve'")},
           {"resolve_request", Into(step.resolve_request, "resolve_request")},
           {"retry", [&](const YAML::Node& value, int at) { ReadRetry(step, value, at); }},
           {"timeout", Into(step.timeout, "'timeout'")},
           {"pending", [&](const YAML::Node& value, int at) { ReadPending(step, value, at); }},
           {"after",
            [&](const YAML::Node& value, int at) {
              step.after_line = at;
              step.after = ReadTexts(value, at, "'after'");
            }},
           {"when", Into(step.when, "'when'")},
           {"outcomes", Into(step.outcomes, "outcomes")},
           {"metadata", Into(step.metadata, "metadata")}});
  Require(node, step.line, "name", "a step", "name: reserve_stock");
  Require(node, step.line, "action", "a step", "action: shop.stock.v1.StockService/Reserve");
  return step;
}

DefinitionFile Reader::ReadFile(const YAML::Node& root) {
  DefinitionFile file;
  ReadMap(root, 1, "a definition",
          {{"saga", Into(file.saga, "'saga'")},
           {"version", Into(file.version, "'version'")},
           {"serves", Into(file.serves, "'serves'")},
           {"follows",
            [&](const YAML::Node& value, int line) {
              file.follows_line = line;
              file.follows = ReadTexts(value, line, "'follows'");
            }},
           {"on", [&](const YAML::Node& value, int line) { ReadOn(file, value, line); }},
           {"key", Into(file.key, "'key'")},
           {"key_required", Into(file.key_required, "'key_required'")},
           {"deadline", Into(file.deadline, "'deadline'")},
           {"refusals_max", Into(file.refusals_max, "'refusals_max'")},
           {kDescriptorsKey,
            [&](const YAML::Node& value, int line) { file.descriptors = ReadTexts(value, line, "'descriptors'"); }},
           {"steps",
            [&](const YAML::Node& value, int line) {
              if (!value.IsSequence()) {
                return findings_.Add(line, "steps must be a list", "begin each step with '- name:'");
              }
              if (value.size() == 0) findings_.Add(line, "steps is empty", "give at least one step");
              for (const YAML::Node& step : value) {
                if (!MayRead(line)) break;
                if (step.IsMap()) {
                  file.steps.push_back(ReadStep(step, line));
                } else {
                  findings_.Add(LineOf(step, line), "a step must be a map", "begin it with '- name:'");
                }
              }
            }},
           {"answer",
            [&](const YAML::Node& value, int line) {
              file.answer_line = line;
              ReadMap(value, line, "answer",
                      {{"at", Into(file.answer_at, "'at'")},
                       {"after", Into(file.answer_after, "'after' of answer")},
                       {"response", Into(file.early_response, "the early response")}});
            }},
           {"response", Into(file.response, "response")},
           {"errors", Into(file.errors, "errors")}});
  if (!root.IsMap()) return file;
  Require(root, 1, "saga", "a definition", "saga: place-order");
  Require(root, 1, "version", "a definition", "version: 1");
  if (file.is_follower()) {
    Require(root, 1, "on", "a definition that follows another", "on: completed");
  } else {
    Require(root, 1, "serves", "a definition", "serves: shop.checkout.v1.CheckoutService/PlaceOrder");
    if (file.on.given()) {
      findings_.Refuse(file.on.line, "'on' stands in a definition without 'follows'",
                       "name the sagas that it follows, or take 'on' out");
    }
  }
  Require(root, 1, "steps", "a definition", "steps:");
  return file;
}

void Reader::Require(const YAML::Node& node, int line, const std::string& key, absl::string_view what,
                     absl::string_view example) {
  if (node[key].IsDefined()) return;
  findings_.Add(line, absl::StrCat(what, " needs '", key, "'"), absl::StrCat("write it as in '", example, "'"));
}

}  // namespace

DefinitionFile ReadDefinitionFile(absl::string_view yaml, Findings& findings) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) {
      findings.Add(1, absl::StrCat("the file holds ", documents.size(), " definitions"), "a file holds exactly one");
      return {};
    }
    return Reader(findings).ReadFile(documents[0]);
  } catch (const YAML::Exception& error) {  // yaml-cpp's only way to report; it stops here
    findings.Add(error.mark.is_null() ? 1 : error.mark.line + 1, absl::StrCat("this is not YAML: ", error.msg),
                 "correct it here or in the lines above");
    return {};
  }
}

}  // namespace unwind
