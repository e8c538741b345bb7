// What is stored with a definition so that its sagas can run on it for ever.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace unwind {

// A serialized FileDescriptorSet of the files that declare the methods and everything they import, imports first and
// without comments. The same for the same methods, whatever else is loaded.
std::string MinimalDescriptorSet(const std::vector<const google::protobuf::MethodDescriptor*>& methods);

// Hex SHA-256 of both.
std::string Fingerprint(absl::string_view yaml, absl::string_view descriptors);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FINGERPRINT_H_
