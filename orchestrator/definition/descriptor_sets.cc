#include "orchestrator/definition/descriptor_sets.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/findings.h"
#include "common/base/status_macros.h"
#include "orchestrator/definition/definition_file.h"
#include "orchestrator/definition/definition_text.h"

namespace unwind {
namespace {

using Set = DescriptorSets::Set;

bool Holds(const Set& set, const std::string& service) { return set->pool().FindServiceByName(service) != nullptr; }

bool HoldsAll(const Set& set, const std::set<std::string>& services) {
  return std::all_of(services.begin(), services.end(), [&](const std::string& service) { return Holds(set, service); });
}

std::set<std::string> ServicesOf(const DefinitionFile& file) {
  std::set<std::string> services;
  const auto add = [&services](const Text& method) {
    const std::size_t slash = method.value.find('/');
    if (slash != std::string::npos) services.insert(method.value.substr(0, slash));
  };
  add(file.serves);
  for (const StepText& step : file.steps) {
    for (const Text* method : {&step.action, &step.compensation, &step.resolve}) add(*method);
  }
  return services;
}

std::string FileNameOf(const Set& set) { return set->name().substr(set->name().rfind('/') + 1); }

std::string NamesOf(const std::vector<Set>& sets) {
  return absl::StrJoin(sets, " and ",
                       [](std::string* out, const Set& set) { absl::StrAppend(out, "'", set->name(), "'"); });
}

// One definition's way to its types.
class Resolver {
 public:
  Resolver(std::string file, absl::string_view yaml, const std::vector<std::shared_ptr<const Definition>>& parents)
      : file_(std::move(file)), yaml_(yaml), parents_(parents), findings_(file_, Origin::kFile) {
    Findings reported_when_loaded(file_, Origin::kFile);
    if (CheckText(yaml_, reported_when_loaded)) text_ = ReadDefinitionFile(yaml_, reported_when_loaded);
    services_ = ServicesOf(text_);
  }

  absl::StatusOr<std::shared_ptr<const Definition>> Load(std::vector<Set> given, const Set& built_in) {
    if (!text_.descriptors.empty()) {
      given.push_back(built_in);
      ASSIGN_OR_RETURN(given, Named(given));
    }
    std::vector<Set> whole;
    for (const Set& set : given) {
      if (HoldsAll(set, services_)) whole.push_back(set);
    }
    if (whole.empty() && HoldsAll(built_in, services_)) whole.push_back(built_in);
    if (whole.size() > 1) return LoadAlike(whole);
    if (whole.size() == 1) return LoadIn(whole.front());
    return LoadJoined(given, built_in);
  }

 private:
  absl::StatusOr<std::shared_ptr<const Definition>> LoadIn(const Set& set) const {
    return LoadDefinition(file_, yaml_, set, Origin::kFile, parents_);
  }

  // Those of `sets` that the definition names.
  absl::StatusOr<std::vector<Set>> Named(const std::vector<Set>& sets) {
    std::vector<Set> named;
    for (const Text& name : text_.descriptors) {
      const std::size_t before = named.size();
      for (const Set& set : sets) {
        if (FileNameOf(set) == name.value) named.push_back(set);
      }
      if (named.size() > before) continue;
      std::vector<std::string> loaded;
      for (const Set& set : sets) loaded.push_back(FileNameOf(set));
      findings_.Add(name.line, absl::StrCat("no descriptor set '", name.value, "' is loaded"),
                    findings_.Suggest(name.value, loaded, absl::StrCat("loaded are ", absl::StrJoin(loaded, ", "))));
    }
    RETURN_IF_ERROR(findings_.ToStatus());
    return named;
  }

  // Where several sets hold everything, it does not matter which is taken if the definition is the same in each in
  // which it loads.
  absl::StatusOr<std::shared_ptr<const Definition>> LoadAlike(const std::vector<Set>& sets) {
    absl::StatusOr<std::shared_ptr<const Definition>> first = absl::InternalError("");
    Set found;
    for (const Set& set : sets) {
      absl::StatusOr<std::shared_ptr<const Definition>> loaded = LoadIn(set);
      if (found == nullptr) first = loaded;
      if (!loaded.ok()) continue;
      if (found == nullptr) {
        found = set;
      } else if ((*first)->hash() != (*loaded)->hash()) {
        findings_.Add(text_.serves.line,
                      absl::StrCat("it means different things in the descriptor sets ", NamesOf({found, set})),
                      absl::StrCat("load one of them, or write 'descriptors: [", FileNameOf(found), "]'"));
        return findings_.ToStatus();
      }
    }
    return first;
  }

  absl::StatusOr<std::shared_ptr<const Definition>> LoadJoined(const std::vector<Set>& given, const Set& built_in) {
    std::vector<Set> used;
    std::vector<const google::protobuf::FileDescriptor*> files;
    const auto take = [&](const Set& set, const std::string& service) {
      files.push_back(set->pool().FindServiceByName(service)->file());
      if (std::find(used.begin(), used.end(), set) == used.end()) used.push_back(set);
    };
    for (const std::string& service : services_) {
      bool found = false;
      for (const Set& set : given) {
        if (!Holds(set, service)) continue;
        take(set, service);
        found = true;
      }
      if (!found && Holds(built_in, service)) take(built_in, service);
    }
    // A service that no set holds is reported with its line when the definition is loaded.
    const auto joined = DescriptorSource::Join(file_, files);
    if (joined.ok()) return LoadIn(*joined);
    findings_.Add(text_.serves.line,
                  absl::StrCat("what it calls is in the descriptor sets ", NamesOf(used),
                               ", which do not fit together: ", joined.status().message()),
                  "make one set of all that it calls");
    return findings_.ToStatus();
  }

  const std::string file_;
  const absl::string_view yaml_;
  const std::vector<std::shared_ptr<const Definition>>& parents_;
  Findings findings_;
  DefinitionFile text_;
  std::set<std::string> services_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Definition>> DescriptorSets::Load(
    const std::string& file, absl::string_view yaml,
    const std::vector<std::shared_ptr<const Definition>>& parents) const {
  return Resolver(file, yaml, parents).Load(given_, built_in_);
}

std::vector<Set> DescriptorSets::all() const {
  std::vector<Set> all = given_;
  all.push_back(built_in_);
  return all;
}

}  // namespace unwind
