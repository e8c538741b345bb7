// A definition file, checked and compiled: the plan, the RPCs of each step, and how each request is built from the row.
#ifndef UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_H_
#define UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_H_

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/findings.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "orchestrator/core/follower.h"
#include "orchestrator/core/outcome.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/saga.h"
#include "orchestrator/definition/descriptor_source.h"

namespace unwind {

// The RPCs of one step as gRPC paths "/package.Service/Method"; empty: none.
struct StepMethods {
  std::string action;
  std::string compensation;
  std::string resolve;
  OutcomeOverrides overrides;  // of the step's `outcomes:` block: how the answers of its action are read
  std::string place;           // "file:line" of the step

  const std::string& path(Phase phase) const {
    return phase == Phase::kAction ? action : phase == Phase::kCompensation ? compensation : resolve;
  }
};

// Whose end starts a saga (S17), instead of a call.
struct Follows {
  std::vector<std::string> parents;                    // definitions
  SagaState on = SagaState::kCompleted;                // how they end; kRunning: it is not started any more
  std::vector<std::string> reasons;                    // of one that was aborted; none: any
  const google::protobuf::Descriptor* type = nullptr;  // of its input: what it reads of its parent
  std::string place;                                   // "file:line" of the key
};

// Immutable after loading, thread-safe, shared.
class Definition {
 public:
  virtual ~Definition() = default;

  virtual const Plan& plan() const = 0;
  // One of these is null.
  virtual const google::protobuf::MethodDescriptor* serves() const = 0;
  virtual const Follows* follows() const { return nullptr; }
  virtual const StepMethods& methods(int step) const = 0;
  virtual bool key_required() const = 0;
  // The request's field that `key:` names, such as "request_id"; empty: none.
  virtual std::string key_field() const { return ""; }

  // The type of the answer of a step's action; null: not known.
  virtual const google::protobuf::Descriptor* reply(int step) const {
    static_cast<void>(step);
    return nullptr;
  }

  // A new, empty request of the served method. Lives as long as the definition.
  virtual std::unique_ptr<google::protobuf::Message> NewInput() const = 0;

  // What `key:` names in the request; may be empty.
  virtual std::string Key(const google::protobuf::Message& input) const = 0;

  // The bytes of a step's request: a deterministic function of the row. INTERNAL if a stored message does not parse.
  // For Phase::kResolve the resolve request. REQUIRES: what it reads has been stored (the checks at load see to it).
  virtual absl::StatusOr<std::string> Request(const Saga& saga, int step, Phase phase) const = 0;

  // What the step's `metadata:` adds to its calls, of every phase: a deterministic function of the row. INTERNAL as
  // above.
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Metadata(const Saga& saga, int step) const {
    static_cast<void>(saga);
    static_cast<void>(step);
    return std::vector<std::pair<std::string, std::string>>();
  }

  // Whether these bytes are an answer of the step's call in `phase`. What is not must never be stored as one.
  virtual bool ReplyParses(int step, Phase phase, const std::string& bytes) const = 0;

  // The served method's answer: of a COMPLETED saga its response, of an ABORTED one the error by the `errors:` table.
  // Empty of one that follows.
  virtual absl::StatusOr<std::string> Response(const Saga& saga) const = 0;
  virtual absl::Status Error(const Saga& saga) const = 0;

  // The answer for now of a saga for which IsAnsweredEarly holds (S16).
  virtual absl::StatusOr<std::string> EarlyResponse(const Saga& saga) const { return Response(saga); }

  // What is likely not what was meant, each "file:line: warning: what it is; what to do".
  virtual std::vector<std::string> warnings() const { return {}; }

  // What is stored: the file's bytes, the FileDescriptorSet it needs, and the fingerprint of what it uses of both.
  virtual const std::string& yaml() const = 0;
  virtual const std::string& descriptors() const = 0;
  virtual const std::string& hash() const = 0;
};

inline constexpr std::size_t kDefinitionBytesMax = 1 << 20;  // of a file

// Parses and checks one definition file. On error: INVALID_ARGUMENT, message = every error and warning (the first 100
// of each), one a line, each "file:line: what is wrong; what to do". `descriptors` is kept alive by the result. The
// definitions that a file follows must be among `parents`; a stored one brings with it what it needs of them.
absl::StatusOr<std::shared_ptr<const Definition>> LoadDefinition(
    const std::string& file, absl::string_view yaml, std::shared_ptr<const DescriptorSource> descriptors,
    Origin origin = Origin::kFile, const std::vector<std::shared_ptr<const Definition>>& parents = {});

// The definitions that the file follows, by its text alone.
std::vector<std::string> ParentsNamedIn(absl::string_view yaml);

// What a definition of the catalog is good for here: to drive its sagas, or, where a service of it has no route, only
// to read what is stored of them.
enum class Use { kDrive, kRead };

// Every definition the process knows, by name and version. Thread-safe; what was added stays.
class DefinitionCatalog {
 public:
  // What is there to be driven stays so. `why_read_only`: of one that is only to be read, for an operator.
  // ALREADY_EXISTS if the name and version is there with another hash.
  absl::Status Add(std::shared_ptr<const Definition> definition, Use use = Use::kDrive, std::string why_read_only = "");

  // It will not be known unless it is added after all: it is not missed any more. `why`: for an operator.
  void GiveUp(const std::string& name, int version, std::string why);

  // Every name and version that can be driven.
  std::vector<std::pair<std::string, int>> Versions() const;

  // Those of them that follow others, and those with a step that may wait (S13).
  std::vector<DefinitionVersion> Followers() const;
  std::vector<DefinitionVersion> Waiting() const;

  // Null if unknown; it is missed then, unless it was given up.
  std::shared_ptr<const Definition> Find(absl::string_view name, int version) const;

  // That of the saga, to read it. Null also if the row has not as many steps as it: then nothing may be read of one by
  // the other.
  std::shared_ptr<const Definition> Of(const Saga& saga) const;

  // The same, to drive it: null also if it can only be read.
  std::shared_ptr<const Definition> ToDrive(const Saga& saga) const;

  // Of a saga for which Of is null: whether that may change by itself.
  bool MayBeLearnt(const Saga& saga) const;

  // Why its sagas are not driven here and what to do, for an operator; empty if they are. The second of a saga for
  // which ToDrive is null.
  std::string WhyNotDriven(const std::string& name, int version) const;
  std::string WhyNotDriven(const Saga& saga) const;

  // What was missed since the last call, to be learnt and added.
  std::set<std::pair<std::string, int>> TakeMissed();

  // Marks the definition as one that is served, if it serves a method; INVALID_ARGUMENT if another one serves the same
  // already.
  absl::Status Serve(std::shared_ptr<const Definition> definition);

  // The definition serving "/package.Service/Method"; null if none.
  std::shared_ptr<const Definition> ServedBy(absl::string_view path) const;
  std::vector<std::shared_ptr<const Definition>> served() const;

 private:
  struct Known {
    std::shared_ptr<const Definition> definition;
    Use use = Use::kDrive;
    std::string why_read_only;
  };

  std::vector<DefinitionVersion> DrivenOf(bool (*is_of_them)(const Definition&)) const;

  mutable std::mutex mutex_;  // guards all below
  mutable std::set<std::pair<std::string, int>> missed_;
  std::map<std::pair<std::string, int>, std::string> given_up_;  // and why
  std::map<std::pair<std::string, int>, Known> all_;
  std::map<std::string, std::shared_ptr<const Definition>, std::less<>> served_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_DEFINITION_DEFINITION_H_
