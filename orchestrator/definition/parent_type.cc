#include "orchestrator/definition/parent_type.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.pb.h"
#include "orchestrator/definition/parent_path.h"
#include "orchestrator/definition/parent_reads.h"
#include "saga/v1/rules.pb.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

using Definitions = std::vector<std::shared_ptr<const Definition>>;

constexpr char kFile[] = "unwind/parent.proto";
constexpr char kPackage[] = "unwind.parent";
constexpr char kMessage[] = "Parent";
constexpr char kBetweenPrefix[] = "Of_";  // of the types between the tree's root and its leaves

struct Node {
  std::map<std::string, Node> children;      // a number of each: its place
  const FieldDescriptor* between = nullptr;  // of one that has children: the field that they are taken from
  std::optional<ParentSource> leaf;          // copied whole, children and all; without a type: a text
};

void Insert(Node& root, const ParentPath& names, const ParentSource& source) {
  Node* node = &root;
  for (std::size_t i = 0; i < names.size(); ++i) {
    node = &node->children[names[i]];
    if (i > 0 && i + 1 < names.size()) node->between = source.fields[i - 1];
  }
  node->leaf = source;
}

class TypeWriter {
 public:
  explicit TypeWriter(FileDescriptorProto& file) : file_(file) {}

  void Write(const Node& node, const std::string& full_name, DescriptorProto& message) {
    int number = 0;
    for (const auto& [name, child] : node.children) {
      FieldDescriptorProto& field = *message.add_field();
      if (child.leaf.has_value()) {
        WriteLeaf(*child.leaf, full_name, field, message);
        if (name == kParentId && child.leaf->type == nullptr) DeclareId(field);
      } else {
        const std::string nested = absl::StrCat(kBetweenPrefix, name);
        DescriptorProto& type = *message.add_nested_type();
        type.set_name(nested);
        Write(child, absl::StrCat(full_name, ".", nested), type);
        if (child.between != nullptr) *field.mutable_options() = child.between->options();
        SetMessage(absl::StrCat(full_name, ".", nested), field);
      }
      field.set_name(name);
      field.set_number(++number);
    }
  }

  const std::set<const FileDescriptor*>& files() const { return files_; }

 private:
  static void SetMessage(const std::string& type, FieldDescriptorProto& field) {
    field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
    field.set_type(FieldDescriptorProto::TYPE_MESSAGE);
    field.set_type_name(type);
  }

  static void DeclareId(FieldDescriptorProto& field) {
    saga::v1::FieldRules& rules = *field.mutable_options()->MutableExtension(saga::v1::rules);
    rules.set_required(true);
    rules.set_identifier(true);
  }

  void Import(const FileDescriptor& of) {
    if (files_.insert(&of).second) file_.add_dependency(of.name());
  }

  void WriteLeaf(const ParentSource& leaf, const std::string& full_name, FieldDescriptorProto& field,
                 DescriptorProto& message) {
    if (leaf.type == nullptr) {
      field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
      field.set_type(FieldDescriptorProto::TYPE_STRING);
    } else if (leaf.field() == nullptr) {
      Import(*leaf.type->file());
      SetMessage(absl::StrCat(".", leaf.type->full_name()), field);
    } else {
      WriteField(*leaf.field(), full_name, field, message);
    }
  }

  void WriteField(const FieldDescriptor& from, const std::string& full_name, FieldDescriptorProto& field,
                  DescriptorProto& message) {
    from.CopyTo(&field);
    field.clear_oneof_index();
    field.clear_proto3_optional();
    field.clear_default_value();
    field.clear_extendee();
    if (from.is_required()) field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
    if (from.is_map()) {  // a map has an entry type of its own, beside it
      DescriptorProto& entry = *message.add_nested_type();
      from.message_type()->CopyTo(&entry);
      field.set_type_name(absl::StrCat(full_name, ".", entry.name()));
      ImportTypeOf(*from.message_type()->map_value());
      return;
    }
    ImportTypeOf(from);
    const bool has_presence = !from.is_repeated() && from.has_presence() && from.message_type() == nullptr;
    if (!has_presence) return;
    field.set_proto3_optional(true);
    field.set_oneof_index(message.oneof_decl_size());
    message.add_oneof_decl()->set_name(absl::StrCat("_", from.name()));
  }

  void ImportTypeOf(const FieldDescriptor& field) {
    if (field.message_type() != nullptr) Import(*field.message_type()->file());
    if (field.enum_type() != nullptr) Import(*field.enum_type()->file());
  }

  FileDescriptorProto& file_;
  std::set<const FileDescriptor*> files_;
};

// Gathers the paths of one file.
class Gatherer {
 public:
  Gatherer(const DefinitionFile& file, const Definitions& parents, Findings& findings)
      : file_(file), parents_(parents), findings_(findings) {}

  Node Gather() {
    for (const Text& path : ParentPathsOf(file_)) {
      ParentPath names = absl::StrSplit(path.value, '.');
      names.erase(names.begin());
      if (names[0] == kParentFailure) {
        GatherFailure(path, names);
      } else if (names == ParentPath{kParentId}) {
        Insert(root_, names, {});
      } else {
        GatherField(path, names);
      }
    }
    return std::move(root_);
  }

 private:
  void GatherFailure(const Text& path, const ParentPath& names) {
    const bool is_known = names.size() == 2 && ParentFailureFields().contains(names[1]);
    if (!is_known) {
      findings_.Add(path.line, absl::StrCat("there is no '", path.value, "'"),
                    "a failure has reason, message, step and domain");
    } else if (file_.on.value == "completed") {
      findings_.Add(path.line,
                    absl::StrCat("'", path.value, "' is read of a saga that completed, which has not failed"),
                    "take it out, or follow with 'on: aborted'");
    } else {
      Insert(root_, names, {});
    }
  }

  void ReportMissing(const Text& path, const MissingInParent& missing) {
    findings_.Add(path.line, absl::StrCat("'", path.value, "': ", missing.what),
                  findings_.Suggest(missing.word, missing.names, "read what every saga has that is followed"));
  }

  // A step that is read only if it is there may be missing in all parents but one.
  void GatherField(const Text& path, const ParentPath& names) {
    std::optional<ParentSource> first;
    std::optional<MissingInParent> without_step;
    for (const auto& parent : parents_) {
      const auto found = FindInParent(*parent, names);
      if (const auto* const missing = std::get_if<MissingInParent>(&found)) {
        if (!if_there_.contains(names[0]) || HasStep(*parent, names[0])) return ReportMissing(path, *missing);
        if (!without_step.has_value()) without_step = *missing;
        continue;
      }
      const ParentSource& source = std::get<ParentSource>(found);
      if (source.type == nullptr) return;  // its action is not known, which is reported elsewhere
      if (first.has_value() && !AreAlike(*first, source)) {
        findings_.Add(path.line,
                      absl::StrCat("'", path.value, "' is ", TypeOf(source), " in ", VersionOf(*parent), ", but ",
                                   TypeOf(*first), " in ", VersionOf(*parents_.front())),
                      "let one definition follow each of them");
        return;
      }
      if (!first.has_value()) first = source;
    }
    if (first.has_value()) {
      Insert(root_, names, *first);
    } else if (without_step.has_value()) {
      ReportMissing(path, *without_step);
    }
  }

  const DefinitionFile& file_;
  const std::set<std::string> if_there_ = StepsReadIfThere(file_);
  const Definitions& parents_;
  Findings& findings_;
  Node root_;
};

bool HasClosedEnum(const Node& node) {
  if (node.leaf.has_value()) {
    const FieldDescriptor* const field = node.leaf->field();
    return field != nullptr && field->enum_type() != nullptr &&
           field->enum_type()->file()->syntax() == FileDescriptor::SYNTAX_PROTO2;
  }
  return std::any_of(node.children.begin(), node.children.end(),
                     [](const auto& child) { return HasClosedEnum(child.second); });
}

// Only proto2 may hold a proto2 enum; there every field has presence as it is.
void MakeProto2(DescriptorProto& message) {
  message.clear_oneof_decl();
  for (FieldDescriptorProto& field : *message.mutable_field()) {
    field.clear_proto3_optional();
    field.clear_oneof_index();
  }
  for (DescriptorProto& nested : *message.mutable_nested_type()) MakeProto2(nested);
}

std::vector<const FileDescriptor*> FilesOfSteps(const DefinitionFile& file, const DescriptorSource& descriptors) {
  std::vector<const FileDescriptor*> files;
  for (const StepText& step : file.steps) {
    for (const Text* method : {&step.action, &step.compensation, &step.resolve}) {
      const auto* service = descriptors.pool().FindServiceByName(method->value.substr(0, method->value.find('/')));
      if (service != nullptr) files.push_back(service->file());
    }
  }
  return files;
}

}  // namespace

std::vector<std::shared_ptr<const Definition>> FindParents(const DefinitionFile& file, const Definitions& candidates,
                                                           Findings& findings) {
  Definitions parents;
  for (const Text& name : file.follows) {
    const std::size_t before = parents.size();
    std::vector<std::string> known;
    for (const auto& candidate : candidates) {
      known.push_back(candidate->plan().name);
      if (candidate->plan().name == name.value) parents.push_back(candidate);
    }
    if (parents.size() > before || name.value == file.saga.value) continue;
    findings.Add(name.line, absl::StrCat("there is no saga '", name.value, "' to follow"),
                 findings.Suggest(name.value, known, "give the file of its definition too"));
  }
  return parents;
}

absl::StatusOr<std::shared_ptr<const DescriptorSource>> WithParentType(const DefinitionFile& file,
                                                                       const Definitions& parents,
                                                                       const DescriptorSource& descriptors,
                                                                       Findings& findings) {
  const Node root = Gatherer(file, parents, findings).Gather();
  FileDescriptorProto proto;
  proto.set_name(kFile);
  proto.set_package(kPackage);
  DescriptorProto& message = *proto.add_message_type();
  message.set_name(kMessage);
  TypeWriter writer(proto);
  writer.Write(root, absl::StrCat(".", kPackage, ".", kMessage), message);
  if (HasClosedEnum(root)) {
    MakeProto2(message);
  } else {
    proto.set_syntax("proto3");
  }
  std::vector<const FileDescriptor*> files = FilesOfSteps(file, descriptors);
  files.insert(files.end(), writer.files().begin(), writer.files().end());
  return DescriptorSource::Join(descriptors.name(), files, &proto);
}

bool IsBetween(const FieldDescriptor& field) {
  return field.message_type() != nullptr && absl::StartsWith(field.message_type()->name(), kBetweenPrefix) &&
         field.message_type()->file() == field.file();
}

const Descriptor* FindParentType(const google::protobuf::DescriptorPool& pool) {
  return pool.FindMessageTypeByName(absl::StrCat(kPackage, ".", kMessage));
}

}  // namespace unwind
