#include "orchestrator/definition/definition_text.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/utf8.h"
#include "orchestrator/definition/definition.h"

namespace unwind {
namespace {

int LineAt(absl::string_view text, std::size_t offset) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

std::string HexOf(char byte) {
  return absl::StrCat("0x", absl::Hex(static_cast<unsigned char>(byte), absl::kZeroPad2));
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Follows the quotes of a YAML text, and as much of the rest as it takes to tell a quote that begins a text from one
// that stands in a plain or block text or in a comment.
class QuoteScanner {
 public:
  explicit QuoteScanner(Findings& findings) : findings_(findings) {}

  // Whether every quote is closed.
  bool Run(absl::string_view yaml) {
    for (const absl::string_view line : absl::StrSplit(yaml, '\n')) {
      ++number_;
      ReadLine(line);
    }
    if (quote_ == 0) return true;
    findings_.Add(opened_, absl::StrCat("the ", Name(), " that opens here is never closed"), "close it on this line");
    return false;
  }

 private:
  void ReadLine(absl::string_view line) {
    std::size_t at = 0;
    if (quote_ == 0) {
      while (at < line.size() && IsBlank(line[at])) ++at;
      if (at == line.size()) return;
      const auto indent = static_cast<int>(at);
      if (block_ >= 0 && indent > block_) return;  // of a text after | or >
      block_ = -1;
      // A plain text goes on on lines that are indented deeper; a quote in it is a letter like any other.
      begins_ = !(plain_ && (depth_ > 0 || indent > owner_));
      first_ = begins_;
      plain_ = plain_ && !begins_;
    }
    while (at < line.size()) at = quote_ != 0 ? ReadQuoted(line, at) : ReadPlain(line, at);
  }

  std::size_t ReadQuoted(absl::string_view line, std::size_t at) {
    const bool has_next = at + 1 < line.size();
    if (quote_ == '"' && line[at] == '\\') return at + 2;
    if (line[at] != quote_) return at + 1;
    if (quote_ == '\'' && has_next && line[at + 1] == '\'') return at + 2;
    if (opened_ != number_) {
      findings_.Warn(opened_, absl::StrCat("the ", Name(), " that opens here is closed only on line ", number_),
                     "close it on this line, or write a long text after > or |");
    }
    quote_ = 0;
    return at + 1;
  }

  std::size_t ReadPlain(absl::string_view line, std::size_t at) {
    const char c = line[at];
    const bool ends_word = at + 1 == line.size() || IsBlank(line[at + 1]);
    if (IsBlank(c)) return at + 1;
    if (c == '#' && (at == 0 || IsBlank(line[at - 1]))) {
      plain_ = false;
      return line.size();
    }
    if (begins_ && (c == '-' || c == '?') && ends_word) {
      owner_ = static_cast<int>(at);
      return at + 1;
    }
    if (begins_ && (c == '&' || c == '!')) return std::min(line.find(' ', at), line.size());
    if (begins_ && depth_ == 0 && (c == '|' || c == '>')) {
      block_ = owner_;
      return line.size();
    }
    if (first_) owner_ = static_cast<int>(at);
    first_ = false;
    if (begins_ && (c == '"' || c == '\'')) {
      quote_ = c;
      opened_ = number_;
      begins_ = plain_ = false;
      return at + 1;
    }
    Structure(c, ends_word || (at + 1 < line.size() && depth_ > 0 && line[at + 1] == '"'));
    return at + 1;
  }

  // What a character outside of quotes does to the place where it stands.
  void Structure(char c, bool ends_word) {
    const bool opens = (c == '[' || c == '{') && (begins_ || depth_ > 0);
    const bool closes = (c == ']' || c == '}') && depth_ > 0;
    const bool separates = (c == ',' && depth_ > 0) || (c == ':' && ends_word);
    if (opens) ++depth_;
    if (closes) --depth_;
    begins_ = opens || separates;
    plain_ = !opens && !closes && !separates;
  }

  absl::string_view Name() const { return quote_ == '"' ? "double quote" : "single quote"; }

  Findings& findings_;
  int number_ = 0;      // of the line
  char quote_ = 0;      // that is open; 0: none
  int opened_ = 0;      // its line
  int depth_ = 0;       // of [ and {
  int owner_ = -1;      // the column of the key or dash that a value belongs to
  int block_ = -1;      // lines indented deeper are a text after | or >; -1: none
  bool begins_ = true;  // a value may begin here
  bool first_ = true;   // nothing but dashes stands before on this line
  bool plain_ = false;  // within a text without quotes
};

}  // namespace

bool CheckText(absl::string_view yaml, Findings& findings) {
  if (yaml.size() > kDefinitionBytesMax) {
    findings.Add(1, absl::StrCat("the file has ", yaml.size(), " bytes"),
                 absl::StrCat("at most ", kDefinitionBytesMax, " are read"));
    return false;
  }
  if (const std::size_t at = FindNotUtf8(yaml); at != absl::string_view::npos) {
    findings.Add(LineAt(yaml, at), absl::StrCat("the byte ", HexOf(yaml[at]), " is not UTF-8"),
                 "save the file as UTF-8");
    return false;
  }
  const auto control = std::find_if(yaml.begin(), yaml.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7F;
  });
  if (control != yaml.end()) {
    findings.Add(LineAt(yaml, static_cast<std::size_t>(control - yaml.begin())),
                 absl::StrCat("the control character ", HexOf(*control), " cannot stand in YAML"), "take it out");
    return false;
  }
  return QuoteScanner(findings).Run(yaml);
}

}  // namespace unwind
