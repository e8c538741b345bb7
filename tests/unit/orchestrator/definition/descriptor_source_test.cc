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

TEST(DescriptorSource, TakesFilesInAnyOrderAndFromSeveralSets) {
  const auto source = DescriptorSource::New();
  EXPECT_EQ(source->Add("one", Set({File("a.proto", "A", {"b.proto"}), File("b.proto", "B")})), absl::OkStatus());
  EXPECT_EQ(source->Add("two", Set({File("c.proto", "C", {"a.proto"}), File("b.proto", "B")})), absl::OkStatus());
  EXPECT_NE(source->pool().FindMessageTypeByName("p.C"), nullptr);
}

TEST(DescriptorSource, RefusesAnotherVersionOfAFileAndAddsNothing) {
  const auto source = DescriptorSource::New();
  ASSERT_EQ(source->Add("one", Set({File("a.proto", "A")})), absl::OkStatus());
  EXPECT_EQ(source->Add("two", Set({File("b.proto", "B"), File("a.proto", "Another")})),
            absl::InvalidArgumentError("descriptor set 'two': 'a.proto' differs from the one loaded before; load one "
                                       "version of it"));
  EXPECT_EQ(source->pool().FindMessageTypeByName("p.B"), nullptr);
}

TEST(DescriptorSource, NamesTheImportThatIsMissing) {
  const auto source = DescriptorSource::New();
  EXPECT_EQ(source->Add("one", Set({File("b.proto", "B"), File("c.proto", "C", {"gone.proto"})})),
            absl::InvalidArgumentError("descriptor set 'one': 'c.proto' imports 'gone.proto', which no set holds; make "
                                       "the set with --include_imports"));
  EXPECT_EQ(source->pool().FindMessageTypeByName("p.B"), nullptr) << "nothing is half-added";
  EXPECT_EQ(source->Add("two", Set({File("c.proto", "C")})), absl::OkStatus());
}

TEST(DescriptorSource, NamesWhatDoesNotResolve) {
  const auto source = DescriptorSource::New();
  ASSERT_EQ(source->Add("one", Set({File("a.proto", "A")})), absl::OkStatus());
  EXPECT_EQ(source->Add("two", Set({File("z.proto", "A")})).message(),
            "descriptor set 'two': z.proto: p.A: \"p.A\" is already defined in file \"a.proto\".");
  EXPECT_EQ(source->Add("three", Set({File("x.proto", "X", {"y.proto"}), File("y.proto", "Y", {"x.proto"})})).code(),
            absl::StatusCode::kInvalidArgument)
      << "files that import each other";
  EXPECT_EQ(source->Add("four", "no set").message(),
            "descriptor set 'four' is not a google.protobuf.FileDescriptorSet");
}

TEST(DescriptorSource, BringsTheWellKnownTypesItself) {
  FileDescriptorProto file = File("a.proto", "A", {"google/protobuf/timestamp.proto"});
  auto* field = file.mutable_message_type(0)->add_field();
  field->set_name("at");
  field->set_number(1);
  field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  field->set_type(google::protobuf::FieldDescriptorProto::TYPE_MESSAGE);
  field->set_type_name(".google.protobuf.Timestamp");
  const auto source = DescriptorSource::New();
  EXPECT_EQ(source->Add("one", Set({file})), absl::OkStatus());
  EXPECT_NE(source->pool().FindMessageTypeByName("google.protobuf.Timestamp"), nullptr);
}

TEST(DescriptorSource, KeepsTheFirstEditionOfAWellKnownFile) {
  FileDescriptorProto edition = File("google/protobuf/any.proto", "Any");
  FileDescriptorProto other = File("google/protobuf/any.proto", "Any");
  other.mutable_options()->set_go_package("elsewhere");
  const auto source = DescriptorSource::New();
  EXPECT_EQ(source->Add("one", Set({edition})), absl::OkStatus());
  EXPECT_EQ(source->Add("two", Set({other, File("a.proto", "A", {"google/protobuf/any.proto"})})), absl::OkStatus());
}

TEST(DescriptorSource, UnderstandsTheRulesOfFields) {
  const auto* field = AllDescriptors()->pool().FindFieldByName("shop.order.v1.RejectOrderRequest.reason");
  ASSERT_NE(field, nullptr);
  EXPECT_EQ(field->options().GetExtension(saga::v1::rules).max_bytes(), 256u);
}

}  // namespace
}  // namespace unwind
