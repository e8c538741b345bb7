// Sagas and their history as saga.v1 shows them.
#ifndef UNWIND_ORCHESTRATOR_API_SAGA_PROTO_H_
#define UNWIND_ORCHESTRATOR_API_SAGA_PROTO_H_

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/saga_store.h"
#include "saga/v1/saga_service.pb.h"

namespace unwind {

// `plan` names the steps; null (the definition is not loaded): they are named by their index.
saga::v1::Saga ToProto(const Saga& saga, const Plan* plan);
saga::v1::HistoryEntry ToProto(const HistoryEvent& entry, const Plan* plan);

saga::v1::ChildSaga ToProto(const Child& child);
saga::v1::Follows ToProto(const Follows& follows);
saga::v1::Pause ToProto(const DefinitionPause& pause);

// In microseconds, within what a Timestamp may hold: 0001-01-01 to 9999-12-31.
google::protobuf::Timestamp ToProto(absl::Time time);
absl::Time TimeOf(const google::protobuf::Timestamp& time);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_SAGA_PROTO_H_
