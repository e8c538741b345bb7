// Results for scripts: proto3 JSON, one object a line.
#ifndef UNWIND_SAGACTL_JSON_H_
#define UNWIND_SAGACTL_JSON_H_

#include "google/protobuf/message.h"
#include "sagactl/session.h"

namespace unwind::sagactl {

void PrintJson(Session& session, const google::protobuf::Message& message);

}  // namespace unwind::sagactl

#endif  // UNWIND_SAGACTL_JSON_H_
