// What a served method makes of a call before the driver sees it, and of the driver's answer. Pure.
#ifndef UNWIND_ORCHESTRATOR_API_SERVED_CALL_H_
#define UNWIND_ORCHESTRATOR_API_SERVED_CALL_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/driver.h"

namespace unwind {

// OK, or INVALID_REQUEST naming every field that breaks its saga.v1.rules and, beside them, the key's if it is missing.
// A key that alone is missing is ReadKey's to refuse.
absl::Status CheckFields(const Definition& definition, const google::protobuf::Message& input,
                         const std::optional<std::string>& metadata);

// The idempotency key of a call: from the field that `key:` names, or the metadata `idempotency-key` (its quotes, as in
// a structured header, are removed); if both are given they must be equal. Empty: none, and the definition allows it.
// INVALID_ARGUMENT: KEY_MISSING, or INVALID_REQUEST naming what is wrong.
absl::StatusOr<std::string> ReadKey(const Definition& definition, const google::protobuf::Message& input,
                                    const std::optional<std::string>& metadata);

// When a call is answered at the latest (S12): 10 % of the time that is left, at most 500 ms (or 1 % of a long one),
// before `deadline`, and within 10 minutes; without a deadline (infinite) `wait_max` from now.
absl::Time AnswerBy(absl::Time now, absl::Time deadline, absl::Duration wait_max);

// Of a saga for which catalog.Of is null. UNAVAILABLE with RetryInfo: its definition is not loaded, and is learnt since
// it was met. FAILED_PRECONDITION: it cannot be, or has other steps than the saga, so that to ask again is of no use.
absl::Status DefinitionMissing(const DefinitionCatalog& catalog, const Saga& saga);

// The answer for `progress`: the response's bytes, or the error. Of a saga that goes on it tells the caller to come
// again when the saga next does something, or in 30 s if that is later or a person must move it.
absl::StatusOr<std::string> Answer(const DefinitionCatalog& catalog, const Progress& progress, absl::Time now);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_SERVED_CALL_H_
