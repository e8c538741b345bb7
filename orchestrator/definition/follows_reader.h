// Whom a definition follows, as its file says it.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWS_READER_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWS_READER_H_

#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/definition/definition_file.h"

namespace unwind {

// `type`: of what it reads of its parent (parent_type.h); null: not known, which is reported elsewhere unless the file
// is a stored one. Findings also for what has no place beside `follows`. REQUIRES: file.is_follower().
Follows ReadFollows(const DefinitionFile& file, const google::protobuf::Descriptor* type, Origin origin,
                    Findings& findings);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_FOLLOWS_READER_H_
