// How one message is built from a saga's row: a compiled `request:`, `compensation_request:` or `response:` block.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_H_

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/message.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/field_path.h"

namespace unwind {

inline constexpr int kInputRoot = -1;  // instead of a step's index

// A message stored in the row: the input, the reply of a step, or its first pending answer.
struct Root {
  int step = kInputRoot;
  const google::protobuf::Message* prototype = nullptr;
  bool pending = false;

  // INTERNAL if the stored bytes do not parse. A step without a reply has an empty one.
  absl::StatusOr<const google::protobuf::Message*> Parse(const Saga& saga, google::protobuf::Arena& arena) const;
};

// Where a value comes from.
struct StoredField {
  std::size_t root = 0;  // index into the mapping's roots
  FieldPath path;
};
enum class SagaField { kId, kKey, kFailureReason, kFailureMessage, kFailureStep, kFailureDomain };
struct SagaText {
  SagaField field = SagaField::kId;
  // A failure's words are made to fit the target's rules: cut, and other characters than an identifier's become '_'.
  std::size_t bytes_max = absl::string_view::npos;
  bool as_identifier = false;
};
// Until when the step waits, a google.protobuf.Timestamp; not set before it was sent.
struct WaitUntil {
  int step = 0;
};
using Source = std::variant<StoredField, SagaText, WaitUntil>;

struct Assignment {
  FieldPath target;             // the last field is assigned, the others are messages on the way
  std::vector<Source> sources;  // the first that is set is copied; none: the literal in `base` stays, or nothing
};

// Immutable. Thread-safe. The prototypes must outlive it.
class Mapping {
 public:
  // `base` holds the literals.
  Mapping(std::unique_ptr<google::protobuf::Message> base, std::vector<Root> roots,
          std::vector<Assignment> assignments);

  // The message's bytes, the same for the same row: each root is parsed once, map entries have an order.
  absl::StatusOr<std::string> Build(const Saga& saga) const;

 private:
  std::unique_ptr<google::protobuf::Message> base_;
  std::vector<Root> roots_;
  std::vector<Assignment> assignments_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_MAPPING_H_
