// What the domain of payments knows of a call between two of its transactions that stands in no row.
#ifndef UNWIND_PAYMENT_SVC_GATEWAY_NOTES_H_
#define UNWIND_PAYMENT_SVC_GATEWAY_NOTES_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/participant/participant.h"
#include "payment_svc/decision.h"

namespace unwind::payment {

// On the writer's thread, but for IsNever.
class GatewayNotes {
 public:
  static constexpr std::size_t kNeversMax = 10000;

  // A batch is decided: notes that the one before has left were never committed.
  void Begin() {
    questions_.clear();
    settled_.clear();
  }

  // From Apply to Continue: what the gateway is asked.
  void SetQuestion(const CallKey& call, Question question) { questions_[IdOf(call)] = std::move(question); }
  std::optional<Question> TakeQuestion(const CallKey& call) {
    auto question = questions_.extract(IdOf(call));
    return question.empty() ? std::nullopt : std::optional(std::move(question.mapped()));
  }

  // From Apply to Committed: who waits for the payment that the call has settled; empty: it has settled none.
  void SetSettled(const CallKey& call, const std::string& owner) { settled_[IdOf(call)] = owner; }
  std::string TakeSettled(const CallKey& call) {
    auto settled = settled_.extract(IdOf(call));
    return settled.empty() ? "" : std::move(settled.mapped());
  }

  // The gateway's keys that were lately resolved as never.
  void RememberNever(const std::string& key) {
    std::lock_guard lock(mutex_);
    if (nevers_.size() >= kNeversMax) nevers_.clear();
    nevers_.insert(key);
  }
  bool IsNever(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return nevers_.count(key) > 0;
  }

 private:
  using CallId = std::pair<std::string, barrier::Phase>;
  static CallId IdOf(const CallKey& call) { return {OwnerOf(call), call.phase}; }

  std::map<CallId, Question> questions_;
  std::map<CallId, std::string> settled_;
  mutable std::mutex mutex_;
  std::set<std::string> nevers_;  // guarded by mutex_
};

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_GATEWAY_NOTES_H_
