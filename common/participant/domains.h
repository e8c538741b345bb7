// Several domains behind one writer, each with tables of its own in the one database.
#ifndef UNWIND_COMMON_PARTICIPANT_DOMAINS_H_
#define UNWIND_COMMON_PARTICIPANT_DOMAINS_H_

#include <functional>
#include <memory>
#include <vector>

#include "common/participant/method_table.h"

namespace unwind {

// A batch is decided by one domain after the other, each seeing what those before it wrote. The calls of a batch were
// all made before one of them was answered, so any order of them is one that their callers may see.
class Domains final : public Domain {
 public:
  // Numbers their methods one after the other.
  explicit Domains(std::vector<std::unique_ptr<StepDomain>> domains);

  const std::vector<std::unique_ptr<StepDomain>>& all() const { return domains_; }

  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override;
  void Continue(const Command& command, std::function<void(std::any)> done) override;
  void Committed(const Command& command) override;

 private:
  StepDomain& DomainOf(const Command& command) const;

  const std::vector<std::unique_ptr<StepDomain>> domains_;
};

}  // namespace unwind

#endif  // UNWIND_COMMON_PARTICIPANT_DOMAINS_H_
