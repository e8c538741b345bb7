// Messages of types that are known only from descriptors.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_MESSAGE_TYPES_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_MESSAGE_TYPES_H_

#include <memory>
#include <utility>

#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/message.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// Thread-safe. Every message it made must be gone before it is.
class MessageTypes {
 public:
  explicit MessageTypes(std::shared_ptr<const DescriptorSource> descriptors)
      : descriptors_(std::move(descriptors)), factory_(&descriptors_->pool()) {}

  const google::protobuf::DescriptorPool& pool() const { return descriptors_->pool(); }
  const google::protobuf::Message* Prototype(const google::protobuf::Descriptor& type) {
    return factory_.GetPrototype(&type);
  }

 private:
  std::shared_ptr<const DescriptorSource> descriptors_;
  google::protobuf::DynamicMessageFactory factory_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_MESSAGE_TYPES_H_
