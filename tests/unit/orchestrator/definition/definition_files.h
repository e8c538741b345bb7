// Loads definitions for the tests of this folder, against the shop's descriptors and those of lab.proto.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_DEFINITION_DEFINITION_FILES_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_DEFINITION_DEFINITION_FILES_H_

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/message.h"
#include "google/protobuf/text_format.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

inline std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::shared_ptr<const DescriptorSource> SetOf(const std::string& name, const std::string& bytes) {
  auto source = DescriptorSource::Build(name, bytes);
  EXPECT_EQ(source.status(), absl::OkStatus());
  return source.ok() ? *source : nullptr;
}

// The shop's descriptors and those of lab.proto in one pool.
inline std::shared_ptr<const DescriptorSource> AllDescriptors() {
  static const std::shared_ptr<const DescriptorSource> all = [] {
    std::vector<std::shared_ptr<const DescriptorSource>> sets;
    std::vector<const google::protobuf::FileDescriptor*> files;
    for (const char* path : {UNWIND_PROTOSET, LAB_PROTOSET}) {
      google::protobuf::FileDescriptorSet set;
      EXPECT_TRUE(set.ParseFromString(ReadWhole(path)));
      sets.push_back(SetOf(path, set.SerializeAsString()));
      for (const auto& file : set.file()) files.push_back(sets.back()->pool().FindFileByName(file.name()));
    }
    return *DescriptorSource::Join("all", files);
  }();
  return all;
}

// A definition of the shop, such as "place_order.yaml".
inline std::shared_ptr<const Definition> LoadShop(const std::string& name) {
  auto loaded = LoadDefinition(name, ReadWhole(absl::StrCat(SAGAS, "/", name)), AllDescriptors());
  EXPECT_EQ(loaded.status(), absl::OkStatus());
  return loaded.ok() ? *loaded : nullptr;
}

// One that follows orders.
inline std::shared_ptr<const Definition> LoadShopFollower(const std::string& name) {
  auto loaded = LoadDefinition(name, ReadWhole(absl::StrCat(SAGAS, "/", name)), AllDescriptors(), Origin::kFile,
                               {LoadShop("place_order.yaml"), LoadShop("checkout.yaml")});
  EXPECT_EQ(loaded.status(), absl::OkStatus());
  return loaded.ok() ? *loaded : nullptr;
}

inline std::shared_ptr<const Definition> LoadText(const std::string& yaml) {
  auto loaded = LoadDefinition("test.yaml", yaml, AllDescriptors());
  EXPECT_EQ(loaded.status(), absl::OkStatus());
  return loaded.ok() ? *loaded : nullptr;
}

// A row of the definition's saga as it is before anything has run.
inline Saga NewSaga(const Definition& definition) {
  Saga saga;
  saga.id = "0190-saga";
  saga.key = "key-1";
  saga.definition = definition.plan().name;
  saga.definition_version = definition.plan().version;
  saga.steps.resize(definition.plan().steps.size());
  return saga;
}

// A message of lab.proto, or of the shop, from text format.
class Texts {
 public:
  std::string Bytes(const std::string& type, const std::string& text) {
    const auto* descriptor = descriptors_->pool().FindMessageTypeByName(type);
    EXPECT_NE(descriptor, nullptr) << type;
    std::unique_ptr<google::protobuf::Message> message(factory_.GetPrototype(descriptor)->New());
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, message.get())) << text;
    return message->SerializeAsString();
  }

  // The other way, for messages that show a difference: one line.
  std::string Text(const std::string& type, const std::string& bytes) {
    const auto* descriptor = descriptors_->pool().FindMessageTypeByName(type);
    std::unique_ptr<google::protobuf::Message> message(factory_.GetPrototype(descriptor)->New());
    EXPECT_TRUE(message->ParseFromString(bytes));
    return message->ShortDebugString();
  }

 private:
  std::shared_ptr<const DescriptorSource> descriptors_ = AllDescriptors();
  google::protobuf::DynamicMessageFactory factory_{&descriptors_->pool()};
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_DEFINITION_DEFINITION_FILES_H_
