// What a shard has to handle, posted by any thread. The only part of a shard with a lock.
#ifndef UNWIND_ORCHESTRATOR_ENGINE_MAILBOX_H_
#define UNWIND_ORCHESTRATOR_ENGINE_MAILBOX_H_

#include <condition_variable>
#include <deque>
#include <mutex>
#include <variant>

#include "orchestrator/engine/memory_budget.h"
#include "orchestrator/engine/waiters.h"

namespace unwind {

// Losing a mail only delays its saga: everything outstanding can be derived from the row.
struct AcceptMail {
  NewSaga saga;
  std::string saga_id;
  Waiter waiter;
  MemoryHold memory = {};  // of the request
};
struct AttachMail {
  std::string saga_id;
  Waiter waiter;
};
struct EventMail {
  std::string saga_id;
  Event event;
  MemoryHold memory = {};  // of a reply
};
struct AskMail {  // by an operator, or a participant's nudge; who is answered
  std::string saga_id;
  Event event;
  std::int64_t seen_version = 0;  // not 0: only if this is still the saga's version
  Waiter waiter;
};
struct RecoverMail {
  Saga saga;                       // as it is stored, and this instance's own
  std::vector<AskMail> asks = {};  // for which it was taken from its owner; they are for this version
  std::optional<DueFor> due = {};  // what has come of a row that nobody drove; nothing: it was driven before
};
struct FlushMail {  // answered once all that was decided before it was posted is stored
  Waiter waiter;
};
using Mail = std::variant<AcceptMail, AttachMail, EventMail, AskMail, RecoverMail, FlushMail>;

// Thread-safe.
class Mailbox {
 public:
  Mailbox(std::size_t batch_max, std::size_t bytes_max) : batch_max_(batch_max), bytes_max_(bytes_max) {}

  // Never blocks and never refuses: admitted sagas are bounded by in_flight_max, replies by the calls in flight, the
  // bytes of both by queue_memory_max, callers and operators by those who may wait, recovered sagas by who posts them
  // (has_recovered, AwaitRecovered). An operator comes before the callers, who may be very many, and after the
  // operators who asked before.
  void Post(Mail mail);

  // Whether sagas that were recovered wait to be driven.
  bool has_recovered();

  // Waits at most `wait` for mail, if the shard `reads` any, or for Wake. False once Stop was called.
  bool Wait(absl::Duration wait, bool reads);
  void Wake();
  void Stop();

  // Waits until no recovered saga is left in it: false if that takes longer than `most`, or Stop was called.
  bool AwaitRecovered(absl::Duration most);

  // The mails of one turn, about batch_max of them or bytes_max bytes. Half of them are events of running sagas (S11),
  // a quarter each recovered sagas and who is answered; where one queue has fewer, the others have more. Followers to
  // be started have what all others leave, and one place at least. None starves.
  std::deque<Mail> Drain();

  // The callers and operators whose time is up.
  std::deque<Mail> TakeExpired(absl::Time now);

 private:
  std::size_t size() const {
    return events_.size() + recovered_.size() + operators_.size() + callers_.size() + followers_.size();
  }
  std::deque<Mail>& QueueOf(const Mail& mail);
  void TakeExpired(std::deque<Mail>& queue, absl::Time now, std::deque<Mail>& expired);

  const std::size_t batch_max_;
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable none_recovered_;
  std::deque<Mail> events_;  // guarded by mutex_, as all below
  std::deque<Mail> recovered_;
  std::deque<Mail> operators_;
  std::deque<Mail> callers_;                    // the admission queue
  std::deque<Mail> followers_;                  // to be started
  absl::Time expiry_ = absl::InfiniteFuture();  // nobody's time is up before
  bool woken_ = false;
  bool stopped_ = false;
};

// Takes the row that the accepted saga begins with out of `mail`, whose definition stays.
Saga TakeRow(AcceptMail& mail, const std::string& owner);

// It takes no saga from its owner, and has no place before the callers.
bool IsNudge(const AskMail& ask);

// The caller that a mail would answer; null: it is a saga's own.
const Waiter* WaiterOf(const Mail& mail);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_ENGINE_MAILBOX_H_
