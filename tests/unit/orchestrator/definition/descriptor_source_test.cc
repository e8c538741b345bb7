#include <gtest/gtest.h>

#include "google/protobuf/descriptor.pb.h"
#include "saga/v1/rules.pb.h"
#include "tests/unit/orchestrator/definition/definition_files.h"

namespace unwind {
namespace {

using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

FileDescriptorProto File(const std::string& name, const std::string& message, std::vector<std::string> imports = {}) {
  FileDescriptorProto file;
  file.set_name(name);
  file.set_package("p");
  file.set_syntax("proto3");
  file.add_message_type()->set_name(message);
  for (const std::string& import : imports) file.add_dependency(import);
  return file;
}

std::string Set(const std::vector<FileDescriptorProto>& files) {
  FileDescriptorSet set;
  for (const auto& file : files) *set.add_file() = file;
  return set.SerializeAsString();
}

std::string Error(const std::string& bytes) {
  return std::string(DescriptorSource::Build("one", bytes).status().message());
}

const google::protobuf::FileDescriptor* FileOf(const DescriptorSource& source, const std::string& name) {
  return source.pool().FindFileByName(name);
}

void AddField(FileDescriptorProto& file, const std::string& name, int number) {
  auto* field = file.mutable_message_type(0)->add_field();
  field->set_name(name);
  field->set_number(number);
  field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  field->set_type(google::protobuf::FieldDescriptorProto::TYPE_STRING);
}

TEST(DescriptorSource, TakesFilesInAnyOrder) {
  const auto source = SetOf("one", Set({File("a.proto", "A", {"b.proto"}), File("b.proto", "B")}));
  ASSERT_NE(source, nullptr);
  EXPECT_NE(source->pool().FindMessageTypeByName("p.A"), nullptr);
}

TEST(DescriptorSource, NamesTheImportThatIsMissing) {
  EXPECT_EQ(Error(Set({File("b.proto", "B"), File("c.proto", "C", {"gone.proto"})})),
            "descriptor set 'one': 'c.proto' imports 'gone.proto', which is not in it; make the set with "
            "--include_imports");
}

TEST(DescriptorSource, NamesWhatDoesNotResolve) {
  EXPECT_EQ(Error(Set({File("a.proto", "A"), File("z.proto", "A")})),
            "descriptor set 'one': z.proto: p.A: \"p.A\" is already defined in file \"a.proto\".");
  EXPECT_NE(Error(Set({File("x.proto", "X", {"y.proto"}), File("y.proto", "Y", {"x.proto"})})), "")
      << "files that import each other";
  EXPECT_EQ(Error("no set"), "descriptor set 'one' is not a google.protobuf.FileDescriptorSet");
  EXPECT_EQ(Error(Set({File("a.proto", "A"), File("a.proto", "B")})), "descriptor set 'one' holds 'a.proto' twice");
}

TEST(DescriptorSource, BringsTheWellKnownTypesItself) {
  FileDescriptorProto file = File("a.proto", "A", {"google/protobuf/timestamp.proto"});
  auto* field = file.mutable_message_type(0)->add_field();
  field->set_name("at");
  field->set_number(1);
  field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  field->set_type(google::protobuf::FieldDescriptorProto::TYPE_MESSAGE);
  field->set_type_name(".google.protobuf.Timestamp");
  const auto source = SetOf("one", Set({file}));
  ASSERT_NE(source, nullptr);
  EXPECT_NE(source->pool().FindMessageTypeByName("google.protobuf.Timestamp"), nullptr);
}

TEST(Join, TakesWhatTheFilesImportFromEachSet) {
  const auto one = SetOf("one", Set({File("a.proto", "A", {"b.proto"}), File("b.proto", "B"), File("x.proto", "X")}));
  const auto two =
      SetOf("two", Set({File("c.proto", "C", {"b.proto"}), File("b.proto", "B"), File("x.proto", "Other")}));
  const auto joined = DescriptorSource::Join("both", {FileOf(*one, "a.proto"), FileOf(*two, "c.proto")});
  ASSERT_EQ(joined.status(), absl::OkStatus());
  for (const char* name : {"p.A", "p.B", "p.C"}) EXPECT_NE((*joined)->pool().FindMessageTypeByName(name), nullptr);
  EXPECT_EQ(FileOf(**joined, "x.proto"), nullptr) << "nobody imports it, so that it does not matter that they differ";
}

TEST(Join, TakesTheFullestEditionWhateverTheOrder) {
  FileDescriptorProto older = File("b.proto", "B"), newer = older;
  AddField(older, "name", 1);
  AddField(newer, "name", 1);
  AddField(newer, "more", 2);
  newer.mutable_options()->set_go_package("elsewhere");
  const auto one = SetOf("one", Set({File("a.proto", "A", {"b.proto"}), older}));
  const auto two = SetOf("two", Set({File("c.proto", "C", {"b.proto"}), newer}));
  for (const bool older_first : {true, false}) {
    std::vector<const google::protobuf::FileDescriptor*> files = {FileOf(*one, "a.proto"), FileOf(*two, "c.proto")};
    if (!older_first) std::swap(files[0], files[1]);
    const auto joined = DescriptorSource::Join("both", files);
    ASSERT_EQ(joined.status(), absl::OkStatus());
    EXPECT_NE((*joined)->pool().FindFieldByName("p.B.more"), nullptr);
  }
}

TEST(Join, RefusesEditionsOfWhichNeitherHasAllOfTheOther) {
  FileDescriptorProto left = File("b.proto", "B"), right = left;
  AddField(left, "name", 1);
  AddField(right, "title", 1);
  const auto one = SetOf("one", Set({File("a.proto", "A", {"b.proto"}), left}));
  const auto two = SetOf("two", Set({File("c.proto", "C", {"b.proto"}), right}));
  EXPECT_EQ(DescriptorSource::Join("both", {FileOf(*one, "a.proto"), FileOf(*two, "c.proto")}).status(),
            absl::InvalidArgumentError("'b.proto' is there in two editions, and each declares what the other does not, "
                                       "such as field p.B.title = 1 of p.B, implicit string utf-8"));
}

// Compilers add to and take from their own files, such as descriptor.proto.
TEST(Join, TakesAnyEditionOfAWellKnownFile) {
  FileDescriptorProto left = File("google/protobuf/any.proto", "Any"), right = left;
  AddField(left, "left", 1);
  AddField(right, "right", 2);
  const auto one = SetOf("one", Set({File("a.proto", "A", {"google/protobuf/any.proto"}), left}));
  const auto two = SetOf("two", Set({File("c.proto", "C", {"google/protobuf/any.proto"}), right}));
  EXPECT_EQ(DescriptorSource::Join("both", {FileOf(*one, "a.proto"), FileOf(*two, "c.proto")}).status(),
            absl::OkStatus());
}

TEST(DescriptorSource, UnderstandsTheRulesOfFields) {
  const auto* field = AllDescriptors()->pool().FindFieldByName("shop.order.v1.RejectOrderRequest.reason");
  ASSERT_NE(field, nullptr);
  EXPECT_EQ(field->options().GetExtension(saga::v1::rules).max_bytes(), 256u);
}

}  // namespace
}  // namespace unwind
