// One shard: the sagas whose ids fall to it, its mailbox and its timers. Its turn is the whole imperative shell of the
// product: drain, decide, commit once, act. The turn has no thread of its own and reads time from the Clock port, so
// that a simulator can run it.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_SHARD_H_
#define UNWIND_ORCHESTRATOR_ENGINE_SHARD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/engine/ownership.h"

namespace unwind {

class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<DriverContext> context, std::uint64_t seed);
  ~Shard();

  Mailbox& mailbox() { return mailbox_; }

  // Waits for mail or a due timer and takes a turn. False once the mailbox was stopped. One thread only, as Turn.
  bool WaitAndTurn();

  // One turn over about batch_max mails and as many due timers, or turn_bytes_max of sagas. Returns whether there was
  // anything to do. It asks the store once for the rows it needs and commits once, and does neither for a while after
  // the store did not answer.
  bool Turn();

  // When a turn is due even without mail.
  absl::Time NextDue() const;

 private:
  void AnswerExpired();
  void Handle(AcceptMail mail);
  void Handle(AttachMail mail);
  void Handle(EventMail mail);
  void Handle(AskMail mail);
  // Mails are handled only once all earlier decisions are stored; what this turn decides was decided after it was
  // posted.
  void Handle(const FlushMail& mail) { mail.waiter.answered({.status = absl::OkStatus(), .saga = {}}); }
  void Handle(RecoverMail mail);
  void Handle(LoadedSagas::Refilled refilled);
  bool HandleMails();
  bool IsFull() const { return pending_.bytes() >= context_.options.turn_bytes_max; }
  void TickWhatIsDue();
  void Put(LiveSaga& live, AskMail ask);
  void Settle(LiveSaga& live);

  bool Decide(LiveSaga& live, const Event& event);
  void Act(Landed landed);
  void AskAgain(AskMail asker);
  void Run(const LiveSaga& live, const Send& send);
  void PostReply(const std::string& saga_id, Replied reply);
  Progress ProgressOf(const LiveSaga& live) const;

  const std::shared_ptr<DriverContext> shared_;  // so that a late reply finds it alive
  DriverContext& context_;

  Mailbox mailbox_;

  // Below: the turn's own.
  std::deque<Mail> drained_;  // and not handled yet
  std::mt19937_64 random_;
  absl::Time now_;
  LiveSagas live_;
  PendingCommit pending_;
  Ownership ownership_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_SHARD_H_
