// What is stored with a definition so that its sagas can run on it after its file has changed.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace unwind {

// A serialized FileDescriptorSet of the files that declare the methods and everything they import, imports first and
// without comments; `parent`, if any, is the type of what is read of a parent (parent_type.h). The same for the same
// methods and type, whatever else is loaded.
std::string MinimalDescriptorSet(const std::vector<const google::protobuf::MethodDescriptor*>& methods,
                                 const google::protobuf::Descriptor* parent = nullptr);

// Hex SHA-256 of what a definition means: the values of its file and, of the descriptors, its methods and the types
// that can stand in their requests and responses. Comments, layout, how a value is quoted (unless
// that makes a path a literal), the order of keys, and whatever else the same files
// declare do not count. REQUIRES: `yaml` was read without a finding, and `methods` are those it names.
std::string Fingerprint(absl::string_view yaml, const std::vector<const google::protobuf::MethodDescriptor*>& methods,
                        const google::protobuf::Descriptor* parent = nullptr);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_
